//! Which step a walk takes next.
use super::{Actor, Event};
use crate::model::store::Call;

/// How many steps an actor sleeps or wakes for; long pauses are what takeovers are made of.
pub(super) const WATCH: usize = 12;

/// SplitMix64 (Steele, Lea, Flood 2014): equal walks for equal seeds, on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// First the actor, then what it does: an actor with many answers to choose from does not move more often. Giving
    /// up and lost answers are rare, or no claim would ever end. An actor whose bit is set in `asleep` moves only when nobody else can.
    /// The place of the chosen event.
    pub(super) fn pick(&mut self, events: &[Event], asleep: u64) -> Option<usize> {
        let mut actors: Vec<_> = events.iter().map(actor).collect();
        actors.dedup();
        let awake: Vec<_> = actors.iter().copied().filter(|actor| asleep & bit(*actor) == 0).collect();
        let actors = if awake.is_empty() { actors } else { awake };
        if actors.is_empty() {
            return None;
        }
        let chosen = actors[self.below(actors.len())];
        let patient = self.below(8) != 0;
        let mut of_chosen: Vec<_> = (0..events.len()).filter(|at| actor(&events[*at]) == chosen).collect();
        if patient && of_chosen.len() > 1 {
            of_chosen.retain(|at| !matches!(events[*at], Event::GivesUp(_) | Event::Call(_, Call::Lost)));
        }
        Some(of_chosen[self.below(of_chosen.len())])
    }
}

fn actor(event: &Event) -> Option<Actor> {
    match event {
        Event::Call(by, _) | Event::GivesUp(by) => Some(*by),
        Event::Holds(..) => None,
    }
}

fn bit(actor: Option<Actor>) -> u64 {
    1 << match actor {
        Some(Actor::Process(index)) => index,
        Some(Actor::Keeper(index)) => index + 8,
        Some(Actor::Reader) => 16,
        None => 17,
    }
}
