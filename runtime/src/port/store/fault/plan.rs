//! What a fault store is to do with the next operation.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Counts, Fault, Odds, Operation};

/// Scripts, odds and counters.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) counts: Counts,
    pub(super) disk_full: bool,
    rules: Vec<Rule>,
    chance: Option<(Generator, Odds)>,
}

/// What was decided for one operation.
pub(super) struct Drawn {
    /// Counts all operations, from 1.
    pub(super) number: u64,
    pub(super) fault: Fault,
    /// Before which operation a late effect goes by itself.
    pub(super) due: Option<u64>,
    pub(super) request_delay: Duration,
    pub(super) answer_delay: Duration,
}

impl Plan {
    pub(super) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(super) fn randomize(&mut self, seed: u64, odds: Odds) {
        let sum: f64 = faults(&odds).iter().map(|(chance, _)| chance).sum();
        assert!(sum <= 1.0, "the chances of {odds:?} add up to {sum}");
        self.chance = Some((Generator(seed), odds));
    }

    pub(super) fn calm(&mut self) {
        self.rules.clear();
        self.chance = None;
        self.disk_full = false;
    }

    pub(super) fn draw(&mut self, operation: Operation, name: &str) -> Drawn {
        let number = self.count(operation);
        let mut drawn = self.by_chance(number);
        if let Some(fault) = self.by_rule(operation, name) {
            (drawn.fault, drawn.due) = (fault, None);
        }
        self.disk_full |= drawn.fault == Fault::DiskFull;
        if self.disk_full && operation == Operation::Create {
            drawn.fault = Fault::DiskFull;
        }
        drawn
    }

    fn count(&mut self, operation: Operation) -> u64 {
        let counts = &mut self.counts;
        *match operation {
            Operation::Create => &mut counts.create,
            Operation::Get => &mut counts.get,
            Operation::List => &mut counts.list,
            Operation::Delete => &mut counts.delete,
        } += 1;
        counts.create + counts.get + counts.list + counts.delete
    }

    fn by_rule(&mut self, operation: Operation, name: &str) -> Option<Fault> {
        let fault = self.rules.iter_mut().find(|rule| rule.fits(operation, name))?.next();
        self.rules.retain(|rule| !rule.is_used_up());
        fault
    }

    /// Draws the same number of times for every operation, so that a script does not shift the chances of
    /// the operations after it.
    fn by_chance(&mut self, number: u64) -> Drawn {
        let mut drawn = Drawn {
            number,
            fault: Fault::Pass,
            due: None,
            request_delay: Duration::ZERO,
            answer_delay: Duration::ZERO,
        };
        if let Some((generator, odds)) = &mut self.chance {
            let mut point = generator.fraction();
            for (chance, fault) in faults(odds) {
                if (0.0..chance).contains(&point) {
                    drawn.fault = fault;
                }
                point -= chance;
            }
            drawn.due = Some(number + 1 + generator.below(odds.late_operations_max));
            drawn.request_delay = odds.delay_max.mul_f64(generator.fraction());
            drawn.answer_delay = odds.delay_max.mul_f64(generator.fraction());
        }
        drawn
    }
}

fn faults(odds: &Odds) -> [(f64, Fault); 6] {
    [
        (odds.refuse, Fault::Refuse),
        (odds.lose_request, Fault::LoseRequest),
        (odds.lose_answer, Fault::LoseAnswer),
        (odds.late, Fault::Late),
        (odds.twice, Fault::Twice),
        (odds.exists, Fault::Exists),
    ]
}

/// Faults for the operations of one kind whose names fit a pattern.
pub(super) struct Rule {
    operation: Operation,
    pattern: String,
    faults: Faults,
}

enum Faults {
    OnceEach(VecDeque<Fault>),
    Always(Fault),
}

impl Rule {
    pub(super) fn once_each(operation: Operation, pattern: &str, faults: impl IntoIterator<Item = Fault>) -> Self {
        let faults = Faults::OnceEach(faults.into_iter().collect());
        Self { operation, pattern: pattern.to_owned(), faults }
    }

    pub(super) fn always(operation: Operation, pattern: &str, fault: Fault) -> Self {
        Self { operation, pattern: pattern.to_owned(), faults: Faults::Always(fault) }
    }

    pub(super) fn fits(&self, operation: Operation, name: &str) -> bool {
        !self.is_used_up() && self.operation == operation && matches(&self.pattern, name)
    }

    fn next(&mut self) -> Option<Fault> {
        match &mut self.faults {
            Faults::OnceEach(faults) => faults.pop_front(),
            Faults::Always(fault) => Some(*fault),
        }
    }

    fn is_used_up(&self) -> bool {
        matches!(&self.faults, Faults::OnceEach(faults) if faults.is_empty())
    }
}

/// Whether `name` fits `pattern`, in which `*` stands for any characters.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        // The leftmost place of each part leaves the most room for those after it.
        let Some(at) = name.find(part) else {
            return false;
        };
        name = &name[at + part.len()..];
    }
    name.ends_with(end)
}

/// `SplitMix64`: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `limit`; 0 if that is 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// From 0 to below 1, with the 32 bits an `f64` holds exactly.
    fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}
