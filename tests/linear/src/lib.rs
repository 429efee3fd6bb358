//! Are recorded histories of documents linearizable (Herlihy and Wing, 1990)?
//!
//! A history is what clients did with one document, told by themselves: what each wanted, when it called, when it was
//! answered, and with what. It is linearizable if each operation can be given a moment between its call and its answer such
//! that one after the other they make sense. Linearizability is local: each document is checked alone.
//!
//! | | uses | takes |
//! |---|---|---|
//! | [`known_order`](known_order()) | the numbers of the versions, which are the order | n log n, and n for each write of which nobody knows whether it was written |
//! | [`general`](general()) | nothing: it searches for an order (Wing and Gong, 1993; Lowe, 2017) | small histories |
//!
//! What the first accepts the second accepts, too; it refuses more, for it holds the numbers to be true. Neither knows anything
//! of what it checks: nothing here depends on it.

mod chain;
mod general;
mod known_order;
mod op;
mod recorder;
#[cfg(test)]
mod tests;

pub use general::{Verdict, general};
pub use known_order::{Order, Violation, known_order};
pub use op::{Content, Op, Outcome, Try, What};
pub use recorder::{Call, Recorder};
