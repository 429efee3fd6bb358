//! Both checkers side by side, on histories of a register that works and of such that do not.

use crate::{Content, Op, Outcome, Try, Verdict, What, general, known_order};

/// How a register is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Not at all.
    None,
    /// Now and then it shows the version before.
    StaleRead,
    /// Now and then an update rests on the version before.
    LostUpdate,
    /// Now and then a write is made twice.
    Twice,
    /// Now and then what was written is said to be refused.
    RefusedAndThere,
    /// Now and then what was not written is said to be.
    WrittenAndNotThere,
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % bound as u64) as usize
    }

    fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// A register, and those who use it.
struct World {
    random: Random,
    fault: Fault,
    /// What each version says.
    versions: Vec<Content>,
    /// Whether writes may yet join the newest version, for nobody has seen it.
    is_open: bool,
    /// What is written once more, over the next write.
    again: Option<Content>,
    now: u64,
    next: u64,
    /// What was called: whether it is still under way, and what will be told of it once it has taken place.
    ops: Vec<(Op, bool, Option<Outcome>)>,
    has_faulted: bool,
}

impl World {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// It shows its fault.
    fn fails(&mut self, fault: Fault) -> bool {
        let fails = self.fault == fault && self.random.once_in(4);
        self.has_faulted |= fails;
        fails
    }

    fn newest(&self) -> (u64, Content) {
        (self.versions.len() as u64 - 1, self.versions[self.versions.len() - 1])
    }

    fn call(&mut self) {
        self.next += 1;
        let (newest, saw) = self.newest();
        // Somebody who saves knows a version, the newest as a rule.
        let known = if self.random.once_in(3) { self.random.below(self.versions.len()) as u64 } else { newest };
        let content = self.versions[known as usize];
        let version = if content.is_none() { 0 } else { known };
        let what = match self.random.below(10) {
            0..4 => What::Read,
            4..7 => What::Update(Vec::new()),
            7 => What::Set(self.next),
            8 => What::Cas { version, saw: content, makes: Some(self.next) },
            _ if saw.is_some() && content.is_some() => What::Cas { version, saw: content, makes: None },
            _ => What::Read,
        };
        let op = Op {
            by: format!("{}", self.ops.len()).into(),
            what,
            called: self.tick(),
            answered: None,
            outcome: Outcome::Unknown,
        };
        // What a client has seen is a version that nobody joins any more.
        self.is_open = false;
        self.ops.push((op, true, None));
    }

    /// One of those under way takes place.
    fn take_place(&mut self, n: usize) {
        let (version, now) = self.newest();
        match self.ops[n].0.what.clone() {
            What::Read | What::Touch => {
                let is_stale = version > 0 && self.fails(Fault::StaleRead);
                let version = if is_stale { version - 1 } else { version };
                let content = self.versions[version as usize];
                self.is_open &= is_stale;
                self.ops[n].2 = Some(Outcome::Read { version: content.map(|_| version), content });
            }
            What::Set(makes) => self.write(n, Some(makes)),
            What::Cas { version: expected, saw, makes } => {
                // It is the first of its version.
                self.is_open = false;
                match expected == version || (expected == 0 && now.is_none()) {
                    true => {
                        debug_assert_eq!(saw, now);
                        self.write(n, makes);
                    }
                    false => self.ops[n].2 = Some(Outcome::Conflict),
                }
            }
            What::Update(_) => {
                let is_stale = version > 0 && self.fails(Fault::LostUpdate);
                let saw = if is_stale { self.versions[version as usize - 1] } else { now };
                self.next += 1;
                let makes = Some(self.next);
                if let What::Update(tries) = &mut self.ops[n].0.what {
                    tries.push(Try { saw, makes });
                }
                self.write(n, makes);
            }
        }
    }

    fn write(&mut self, n: usize, makes: Content) {
        if self.fails(Fault::WrittenAndNotThere) {
            let version = self.newest().0 + 1;
            self.ops[n].2 = Some(Outcome::Written { version, content: Some(makes) });
            return;
        }
        let newest = self.versions.len() - 1;
        match self.is_open && newest > 0 && self.random.once_in(2) {
            true => self.versions[newest] = makes,
            false => self.versions.push(makes),
        }
        self.is_open = true;
        let version = self.newest().0;
        let refused = self.fails(Fault::RefusedAndThere);
        self.ops[n].2 = Some(match refused {
            true => Outcome::Refused,
            false => Outcome::Written { version, content: None },
        });
        if let Some(again) = self.again.take() {
            self.versions.push(again);
            self.is_open = false;
        }
        self.again = self.fails(Fault::Twice).then_some(makes);
    }

    fn answer(&mut self, n: usize) {
        let answered = self.tick();
        let (op, is_under_way, outcome) = &mut self.ops[n];
        *is_under_way = false;
        let Some(mut outcome) = outcome.take() else { return };
        // Who expects a version is told no more than the number.
        let is_told = !matches!(op.what, What::Cas { .. });
        if let Outcome::Written { version, content: content @ None } = &mut outcome {
            *content = is_told.then(|| self.versions[*version as usize]);
        }
        (op.outcome, op.answered) = (outcome, Some(answered));
        self.is_open = false;
    }

    /// A life of it.
    fn history(seed: u64, fault: Fault) -> (Vec<Op>, bool) {
        let mut world = Self {
            random: Random(seed),
            fault,
            versions: vec![None],
            is_open: false,
            again: None,
            now: 0,
            next: 0,
            ops: Vec::new(),
            has_faulted: false,
        };
        let most = 4 + world.random.below(20);
        while world.ops.len() < most {
            let under_way: Vec<usize> = (0..world.ops.len()).filter(|n| world.ops[*n].1).collect();
            let chosen = under_way.get(world.random.below(6)).copied();
            match (chosen, chosen.map(|n| world.ops[n].2.is_some())) {
                (Some(n), Some(false)) => world.take_place(n),
                // One in ten is never answered.
                (Some(n), Some(true)) if world.random.once_in(10) => world.ops[n].1 = false,
                (Some(n), Some(true)) => world.answer(n),
                _ => world.call(),
            }
        }
        (world.ops.into_iter().map(|(op, ..)| op).collect(), world.has_faulted)
    }
}

fn words(history: &[Op]) -> String {
    history.iter().map(|op| format!("{op}\n")).collect()
}

#[test]
fn a_register_that_works_has_an_order_for_both() {
    let mut landed = 0;
    for seed in 0..4_000 {
        let (history, _) = World::history(seed, Fault::None);
        let order =
            known_order(&history).unwrap_or_else(|violation| panic!("{seed}: {violation}\n{}", words(&history)));
        landed += order.landed;
        assert_eq!(general(&history), Verdict::Linearizable, "{seed}:\n{}", words(&history));
    }
    assert!(landed > 1_000, "unknown writes are seen: {landed}");
}

/// What one that searches refuses is refused by the other, and most of what does show is seen by both.
#[test]
fn one_that_does_not_is_found_out_by_both() {
    for fault in [Fault::StaleRead, Fault::LostUpdate, Fault::Twice, Fault::RefusedAndThere, Fault::WrittenAndNotThere]
    {
        let (mut faulted, mut found, mut also) = (0, 0, 0);
        for seed in 0..4_000 {
            let (history, has_faulted) = World::history(seed, fault);
            let known = known_order(&history);
            let verdict = general(&history);
            assert_ne!(verdict, Verdict::GaveUp);
            assert!(has_faulted || known.is_ok(), "{seed}: {known:?}");
            let is_sound = known.is_err() || verdict == Verdict::Linearizable;
            assert!(is_sound, "{fault:?} {seed}: one is content with\n{}", words(&history));
            faulted += u32::from(has_faulted);
            found += u32::from(known.is_err());
            also += u32::from(verdict == Verdict::Not);
        }
        println!(
            "{fault:?}: of {faulted} histories {found} are refused for their numbers, {also} without a look at them"
        );
        assert!(found * 10 > faulted && also * 2 > found, "{fault:?}: {found} and {also} of {faulted}");
    }
}
