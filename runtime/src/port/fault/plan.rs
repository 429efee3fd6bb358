//! What is to become of the next operation: by script, by seed, or nothing special.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

/// Scripts and odds, for operations of kind `O` and faults `F`, whose default is to pass.
#[derive(Debug)]
pub(crate) struct Plan<O, F> {
    operations: u64,
    rules: Vec<Rule<O, F>>,
    dice: Option<Dice<F>>,
}

impl<O, F> Default for Plan<O, F> {
    fn default() -> Self {
        Self { operations: 0, rules: Vec::new(), dice: None }
    }
}

/// What was decided for one operation.
#[derive(Debug)]
pub(crate) struct Drawn<F> {
    /// Counts all operations, from 1.
    pub(crate) number: u64,
    pub(crate) fault: F,
    /// Before which operation a late effect goes by itself.
    pub(crate) due: Option<u64>,
    pub(crate) request_delay: Duration,
    pub(crate) answer_delay: Duration,
}

impl<O: Copy + PartialEq, F: Copy + Default> Plan<O, F> {
    pub(crate) fn add(&mut self, rule: Rule<O, F>) {
        self.rules.push(rule);
    }

    pub(crate) fn roll(&mut self, dice: Dice<F>) {
        self.dice = Some(dice);
    }

    /// Forgets scripts and odds.
    pub(crate) fn calm(&mut self) {
        self.rules.clear();
        self.dice = None;
    }

    /// The first rule that fits and is not used up, or else the dice. They are rolled for every operation, so that a script
    /// does not shift the chances of the operations after it.
    pub(crate) fn draw(&mut self, operation: O, name: &str) -> Drawn<F> {
        self.operations += 1;
        let mut drawn = self.by_chance();
        if let Some(fault) = self.by_rule(operation, name) {
            (drawn.fault, drawn.due) = (fault, None);
        }
        drawn
    }

    fn by_rule(&mut self, operation: O, name: &str) -> Option<F> {
        let fault = self.rules.iter_mut().find(|rule| rule.fits(operation, name))?.next();
        self.rules.retain(|rule| !rule.is_used_up());
        fault
    }

    fn by_chance(&mut self) -> Drawn<F> {
        let number = self.operations;
        match &mut self.dice {
            Some(dice) => dice.throw(number),
            None => Drawn {
                number,
                fault: F::default(),
                due: None,
                request_delay: Duration::ZERO,
                answer_delay: Duration::ZERO,
            },
        }
    }
}

/// Faults by chance, from a seed.
#[derive(Debug)]
pub(crate) struct Dice<F> {
    generator: Generator,
    chances: Vec<(f64, F)>,
    late_operations_max: u64,
    delay_max: Duration,
}

impl<F: Copy + Default + Debug> Dice<F> {
    /// Each fault of `chances` with its chance; a late effect within `late_operations_max` operations, and every request and
    /// every answer under way for up to `delay_max`.
    ///
    /// # Panics
    /// If the chances add up to more than 1.
    pub(crate) fn new(
        seed: u64,
        chances: impl IntoIterator<Item = (f64, F)>,
        late_operations_max: u64,
        delay_max: Duration,
    ) -> Self {
        let chances: Vec<(f64, F)> = chances.into_iter().collect();
        let sum: f64 = chances.iter().map(|(chance, _)| chance).sum();
        assert!(sum <= 1.0, "the chances of {chances:?} add up to {sum}");
        Self { generator: Generator(seed), chances, late_operations_max, delay_max }
    }
}

impl<F: Copy + Default> Dice<F> {
    /// Draws the same number of times for every operation.
    fn throw(&mut self, number: u64) -> Drawn<F> {
        let mut fault = F::default();
        let mut point = self.generator.fraction();
        for (chance, chosen) in &self.chances {
            if (0.0..*chance).contains(&point) {
                fault = *chosen;
            }
            point -= chance;
        }
        Drawn {
            number,
            fault,
            due: Some(number + 1 + self.generator.below(self.late_operations_max)),
            request_delay: self.delay_max.mul_f64(self.generator.fraction()),
            answer_delay: self.delay_max.mul_f64(self.generator.fraction()),
        }
    }
}

/// Faults for the operations of one kind whose names fit a pattern.
#[derive(Debug)]
pub(crate) struct Rule<O, F> {
    operation: O,
    pattern: String,
    faults: Faults<F>,
}

#[derive(Debug)]
enum Faults<F> {
    OnceEach(VecDeque<F>),
    Always(F),
}

impl<O: Copy + PartialEq, F: Copy> Rule<O, F> {
    pub(crate) fn once_each(operation: O, pattern: &str, faults: impl IntoIterator<Item = F>) -> Self {
        let faults = Faults::OnceEach(faults.into_iter().collect());
        Self { operation, pattern: pattern.to_owned(), faults }
    }

    pub(crate) fn always(operation: O, pattern: &str, fault: F) -> Self {
        Self { operation, pattern: pattern.to_owned(), faults: Faults::Always(fault) }
    }

    fn fits(&self, operation: O, name: &str) -> bool {
        !self.is_used_up() && self.operation == operation && matches(&self.pattern, name)
    }

    fn next(&mut self) -> Option<F> {
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
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generator(pub(crate) u64);

impl Generator {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `limit`; 0 if that is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// From 0 to below 1, with the 32 bits an `f64` holds exactly.
    pub(crate) fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}
