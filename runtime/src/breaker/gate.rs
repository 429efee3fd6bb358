//! Whether a call may go: atomics, for the way that every call takes.

use super::machine::Heard;
use super::named::Breaker;
use super::rules::{BreakerRules, SLOW_CALLS_MAX};
use callboard_core::sabotage::{self, Sabotage};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// What a breaker's state means for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Free,
    Shut,
    /// One call may go, the probe.
    One,
    /// The probe is under way.
    Probing,
    /// As many as the ramp allows.
    Some,
}

/// Where calls pass, or do not.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The generation and the way, in one word, so that they change together.
    word: AtomicU64,
    /// How many may still go, where that is limited.
    left: AtomicU32,
    /// Tasks of this node that wait here in the backlog: they go first.
    waiting: AtomicUsize,
    /// Whether there was a failure since the last success: only then does a success say anything.
    has_failed: AtomicBool,
    /// The last calls, a bit each, 1 for a slow one, in the low half; how many there were, in the high half.
    last: AtomicU64,
    /// Whether somebody was turned away since this was asked.
    is_wanted: AtomicBool,
}

impl Gate {
    pub(super) fn set(&self, generation: u64, way: Way, left: u32) {
        self.left.store(left, Ordering::Release);
        if way != Way::Some {
            self.last.store(0, Ordering::Relaxed);
        }
        self.has_failed.store(false, Ordering::Relaxed);
        self.word.store(generation << 3 | way as u64, Ordering::Release);
    }

    /// So many more may go.
    pub(super) fn allow(&self, left: u32) {
        self.left.store(left, Ordering::Release);
    }

    fn read(&self) -> (u64, Way) {
        read(self.word.load(Ordering::Acquire))
    }

    pub(super) fn way(&self) -> Way {
        self.read().1
    }

    /// How many tasks that wait here the backlog may let through now.
    pub(super) fn lets_through(&self) -> usize {
        match self.way() {
            Way::Free => usize::MAX,
            Way::One | Way::Some => self.left.load(Ordering::Acquire) as usize,
            Way::Shut | Way::Probing => 0,
        }
    }

    /// Lets one task of the backlog through: the generation in which its handler may call.
    pub(super) fn take(&self) -> Option<u64> {
        let (generation, way) = self.read();
        match way {
            Way::Free => Some(generation),
            Way::One | Way::Some => self.take_one().then_some(generation),
            Way::Shut | Way::Probing => None,
        }
    }

    fn take_one(&self) -> bool {
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
    }

    pub(super) fn waits(&self, waiting: usize) {
        self.waiting.store(waiting, Ordering::Release);
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Whether somebody waits here, or was turned away since this was asked last.
    pub(super) fn take_wanted(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel) || self.waiting() > 0
    }

    /// Whether a call may go, in which generation, and by which way. Who waits in the backlog goes before who does not; who
    /// comes from there has a ticket.
    #[inline]
    pub(super) fn enter(&self, ticket: Option<u64>) -> Option<(u64, Way)> {
        let word = self.word.load(Ordering::Acquire);
        let (generation, way) = read(word);
        if way == Way::Free {
            return Some((generation, way));
        }
        let has_ticket = ticket.is_some_and(|ticket| ticket >= generation);
        let is_first = || self.waiting() == 0 && self.take_one();
        let enters = match way {
            Way::Free => true,
            Way::One if has_ticket || is_first() => {
                // Only one: whoever changes the word.
                let probing = generation << 3 | Way::Probing as u64;
                let first = self.word.compare_exchange(word, probing, Ordering::AcqRel, Ordering::Acquire).is_ok();
                first || sabotage::is(Sabotage::ProbeByAll)
            }
            Way::Probing => sabotage::is(Sabotage::ProbeByAll),
            Way::Some => has_ticket || ticket.is_some_and(|ticket| ticket + 1 >= generation) || is_first(),
            // The probe that another node has let through, before or after this node has heard of that.
            Way::Shut if has_ticket => {
                let probing = ticket.unwrap_or(generation) << 3 | Way::Probing as u64;
                self.word.compare_exchange(word, probing, Ordering::AcqRel, Ordering::Acquire).is_ok()
            }
            Way::Shut | Way::One => false,
        };
        if !enters {
            self.is_wanted.store(true, Ordering::Release);
        }
        enters.then(|| (ticket.filter(|_| way == Way::Shut).unwrap_or(generation), way))
    }

    /// The generation of the probe that is under way.
    pub(super) fn probed_in(&self) -> Option<u64> {
        let (generation, way) = self.read();
        (way == Way::Probing).then_some(generation)
    }

    /// The probe of this generation is under way. Given back, it is not.
    pub(super) fn is_probed(&self, generation: u64) {
        let [probing, one] = [Way::Probing, Way::One].map(|way| generation << 3 | way as u64);
        if self.word.load(Ordering::Acquire) != one {
            self.word.store(probing, Ordering::Release);
        }
    }

    /// Another node has begun the probe that this one has let through.
    pub(super) fn is_probed_elsewhere(&self, generation: u64) {
        let [one, probing] = [Way::One, Way::Probing].map(|way| generation << 3 | way as u64);
        let _first = self.word.compare_exchange(one, probing, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Lets no probe of this generation through any more; false if it is under way.
    pub(super) fn shut_before_probe(&self) -> bool {
        let (generation, way) = self.read();
        let (one, shut) = (generation << 3 | Way::One as u64, (generation + 1) << 3 | Way::Shut as u64);
        way == Way::One && self.word.compare_exchange(one, shut, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Who was let through as the probe has not called.
    fn give_back(&self, generation: u64) {
        let [probing, one] = [Way::Probing, Way::One].map(|way| generation << 3 | way as u64);
        if self.word.load(Ordering::Acquire) == probing {
            self.left.store(1, Ordering::Release);
            let _changed = self.word.compare_exchange(probing, one, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Begins a task that its agent was given: in which generation, and by which way, if that says anything of the agent.
    pub(super) fn begin(&self) -> Option<(u64, Way)> {
        let word = self.word.load(Ordering::Acquire);
        let (generation, way) = read(word);
        match way {
            Way::Free | Way::Some => Some((generation, way)),
            Way::Shut | Way::Probing => None,
            Way::One => {
                let probing = generation << 3 | Way::Probing as u64;
                let first = self.word.compare_exchange(word, probing, Ordering::AcqRel, Ordering::Acquire).is_ok();
                first.then_some((generation, way))
            }
        }
    }

    /// Notes how a call went; what the actor has to hear of it, if anything.
    fn note(&self, rules: &BreakerRules, heard: Heard) -> Option<Heard> {
        let is_slow = matches!(heard, Heard::Slow { .. });
        let slow = || self.count(rules, is_slow);
        match heard {
            // The usual case, and nothing to say.
            Heard::Well if self.way() == Way::Free => {
                slow();
                self.has_failed.swap(false, Ordering::AcqRel).then_some(Heard::Well)
            }
            Heard::Well => {
                slow();
                Some(Heard::Well)
            }
            Heard::Failed(why) => {
                slow();
                self.has_failed.store(true, Ordering::Release);
                Some(Heard::Failed(why))
            }
            Heard::Slow { .. } => Some(Heard::Slow { trips: slow() }),
            Heard::Dropped => (self.way() == Way::Probing).then_some(Heard::Dropped),
        }
    }

    /// Counts one more call; whether so many of the last ones were slow that it is enough.
    fn count(&self, rules: &BreakerRules, is_slow: bool) -> bool {
        let next = |last: u64| {
            let (many, bits) = ((last >> 32).min(u64::from(SLOW_CALLS_MAX) - 1) + 1, last as u32);
            Some(many << 32 | u64::from(bits << 1 | u32::from(is_slow)))
        };
        let (Ok(last) | Err(last)) = self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        let last = next(last).unwrap_or_default();
        let (many, bits) = ((last >> 32) as u32, last as u32);
        let asked = u32::MAX >> (SLOW_CALLS_MAX - rules.slow_calls);
        many >= rules.slow_calls && (bits & asked).count_ones() * 100 >= rules.slow_percent * rules.slow_calls
    }
}

fn read(word: u64) -> (u64, Way) {
    let way = match word & 7 {
        0 => Way::Free,
        1 => Way::Shut,
        2 => Way::One,
        3 => Way::Probing,
        _ => Way::Some,
    };
    (word >> 3, way)
}

/// That a task of the backlog was let through a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) gate: Arc<str>,
    pub(crate) generation: u64,
}

/// `17@llm:groq`.
impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.generation, self.gate)
    }
}

impl FromStr for Ticket {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (generation, gate) = text.split_once('@').ok_or(())?;
        Ok(Self { gate: gate.into(), generation: generation.parse().map_err(drop)? })
    }
}

/// A call that has been let through: say how it went. Dropped, it was given up.
#[derive(Debug)]
pub(crate) struct Pass {
    breaker: Arc<Breaker>,
    generation: u64,
    is_probe: bool,
    /// Whether it was told already that it is slow.
    is_slow: bool,
    is_over: bool,
}

impl Pass {
    pub(super) fn new(breaker: Arc<Breaker>, generation: u64, is_probe: bool) -> Self {
        Self { breaker, generation, is_probe, is_slow: false, is_over: false }
    }

    /// Whether it is the one that is tried.
    pub(super) fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// It has taken longer than it may, and goes on: that it hangs is told before it ends, which may be never.
    pub(crate) fn is_slow(&mut self) {
        if !std::mem::replace(&mut self.is_slow, true) {
            self.tell(Heard::Slow { trips: false });
        }
    }

    /// It has ended.
    pub(crate) fn ended(mut self, heard: Heard) {
        self.end();
        // What was slow counts once, unless it failed on top of that.
        if !self.is_slow || matches!(heard, Heard::Failed(_)) {
            self.tell(heard);
        }
    }

    /// Nothing was called: another call may go in its place.
    pub(crate) fn unused(mut self) {
        self.end();
        self.breaker.gate.give_back(self.generation);
    }

    /// Before anything is told of it: who is let through then is the next probe, and no second one.
    fn end(&mut self) {
        self.is_over = true;
        if self.is_probe {
            self.breaker.probed(self.generation);
        }
    }

    fn tell(&self, heard: Heard) {
        let Breaker { gate, rules, .. } = &*self.breaker;
        if let Some(heard) = gate.note(rules, heard) {
            self.breaker.hear(self.generation, heard);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.is_over {
            self.end();
            if !self.is_slow {
                self.tell(Heard::Dropped);
            }
        }
    }
}
