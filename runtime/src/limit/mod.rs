//! Limits: how much may go on at a time, and in a stretch of time; what is more waits in order, and is never refused.
//!
//! A limit is of a name that handlers give ([`Ctx::limit`](crate::Ctx::limit)) or of a capability, for all or for each
//! tenant. Over it nothing fails:
//!
//! - A task of a capability whose limit is reached waits in its lane of the backlog, and is handed out when it may go.
//! - A handler that comes to a limit that is reached is parked at that gate, with how many units it asks for: it holds no
//!   slot, uses no retry, and begins again when the backlog lets it through, the most urgent first, runs in turns.
//! - What goes is counted by a [`Limiter`], under a lock of its own that nobody holds for long: where there is room no actor
//!   is asked. What is taken is a [`Held`], and is freed when that ends, once, however it ends.
//! - Rates are kept by a [`Window`](window::Window), which is pure. The [`actor`] wakes the backlog when time makes room.
//! - The nodes of a cluster share a limit: each leases what it needs of the directory, in batches that expire, so that a
//!   dead node gives back what it had. While the directory is away each has the limit divided by the known nodes.
//!
//! # What is kept, and when not
//!
//! While the directory answers, no more is at it at a time, and no stretch of time of the length of the rate has more in it,
//! over all nodes. Not so when (hazard R10):
//!
//! - the directory goes away, or forgets: in the stretch in which that happens there may be up to twice as much, and as
//!   much again when it forgets again.
//! - there are more nodes than the limit allows while it is away: each has one at a time, and one unit; and what asks for
//!   more than a node's share goes alone.
//! - a node is cut off and lives: what it has begun goes on when its lease has expired.
//!
//! What must never be exceeded is not a limit.

mod actor;
mod held;
mod info;
mod lease;
mod limiter;
mod meter;
mod named;
mod permit;
mod rules;
mod window;

#[cfg(test)]
mod tests;

pub(crate) use actor::{Others, Surroundings, limits};
pub(crate) use held::Held;
pub use info::{LimitInfo, RateInfo};
pub(crate) use limiter::Limiter;
pub(crate) use named::{Limits, faults, units_of};
pub use permit::Permit;
pub use rules::Limit;
