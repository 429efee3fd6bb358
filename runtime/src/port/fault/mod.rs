//! What the faulty ports have in common: which operation is spoiled in which way, and what is held back until the test lets
//! it go. The wrappers themselves stand beside the ports: [`bus::fault`](super::bus::fault),
//! [`directory::fault`](super::directory::fault) and [`store::fault`](super::store::fault), which keeps faults of its own
//! because a store must never forget.

mod faults;
mod held;
mod link;
mod plan;
mod serve;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::time::Duration;

pub use faults::Faults;
pub(crate) use held::{Held, Waiting, pause};
pub(crate) use link::{Link, Up};
pub(crate) use plan::{Dice, Drawn, Generator, Plan, Rule, matches};
pub(crate) use serve::{Call, Unanswered};
pub(crate) use tally::Tally;

/// What happens to one operation. Not every operation can meet every fault: see [`Kind::allows`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing special.
    #[default]
    Pass,
    /// No effect; the caller is told `Refused`, or `Closed` where it settles a delivery.
    Refuse,
    /// No effect ever; the caller is told `Unclear`.
    LoseRequest,
    /// The effect, then `Unclear`.
    LoseAnswer,
    /// `Unclear` at once; the effect when the test releases it.
    Late,
    /// Nothing until the test releases it, then the effect and its true answer.
    Hang,
    /// Nothing for so long, by tokio's clock, then the effect and its true answer.
    Slow(Duration),
    /// No effect ever, answered as if it had been: a message is never delivered, a consumer stays silent, a lease is held by
    /// two, a list is empty.
    Forget,
    /// The message twice.
    Duplicate,
    /// Answered at once; the message goes into its queue behind the next one that this node sends there, or when the test
    /// releases it. While one is held back, the next goes before it whatever is ordered for it.
    Reorder,
    /// Before the effect the node's connection is cut, for this and every operation until it is healed. This one is told
    /// `Unclear`, those that follow `Refused`.
    Cut,
    /// Everything is forgotten, also what other nodes have put there; then the operation goes on.
    Wipe,
}

/// How often a seeded port does what: chances from 0 to 1 per operation, their sum at most 1. All are 0 by default. An
/// operation that cannot meet the fault that was drawn for it passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Odds {
    /// Chance of [`Fault::Refuse`].
    pub refuse: f64,
    /// Chance of [`Fault::LoseRequest`].
    pub lose_request: f64,
    /// Chance of [`Fault::LoseAnswer`].
    pub lose_answer: f64,
    /// Chance of [`Fault::Late`]; released by itself, see `late_operations_max`.
    pub late: f64,
    /// Chance of [`Fault::Forget`].
    pub forget: f64,
    /// Chance of [`Fault::Duplicate`].
    pub duplicate: f64,
    /// Chance of [`Fault::Reorder`]; released by itself, see `late_operations_max`.
    pub reorder: f64,
    /// Chance of [`Fault::Wipe`].
    pub wipe: f64,
    /// A late or reordered effect takes place before one of the next so many operations.
    pub late_operations_max: u64,
    /// Every request and every answer is under way for up to this long in tokio's time, so under paused time operations
    /// overtake each other at no cost. This is not counted among the faults.
    pub delay_max: Duration,
}

impl Odds {
    fn chances(&self) -> [(f64, Fault); 8] {
        [
            (self.refuse, Fault::Refuse),
            (self.lose_request, Fault::LoseRequest),
            (self.lose_answer, Fault::LoseAnswer),
            (self.late, Fault::Late),
            (self.forget, Fault::Forget),
            (self.duplicate, Fault::Duplicate),
            (self.reorder, Fault::Reorder),
            (self.wipe, Fault::Wipe),
        ]
    }
}

/// The kinds of operations of a port.
pub trait Kind: Copy + PartialEq + Debug + Send + Sync + 'static {
    /// All of them.
    fn all() -> &'static [Self];

    /// Whether an operation of this kind can meet `fault`.
    fn allows(self, fault: Fault) -> bool;
}

/// The programs of the page are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/faults.md")]
struct Page;
