//! Circuit breakers: what fails again and again is not asked any more, and the work for it waits.
//!
//! There is one for each agent and one for each dependency that a handler guards with [`Ctx::guard`](crate::Ctx::guard).
//! Closed, it lets everything through and counts failures. Open, it lets nothing through. When it has been open for long
//! enough one call is let through, the probe: if that goes well calls come back on a ramp, twice as many with every step,
//! and then it is closed; if not it is open again.
//!
//! - In a cluster there is one for each of the bus, the directory and the store ([`ports`]).
//! - An agent whose breaker is open gets no tasks; they go to other agents or wait in the backlog.
//! - A handler that comes to a dependency whose breaker does not let it through is parked at that gate: it holds no slot,
//!   uses no retry, and begins again when the backlog lets it through, the most urgent first.
//! - Whether a call may go is one atomic as long as it is closed ([`Gate`]); the actor ([`actor`]) hears of failures, and of successes only
//!   after one. It decides by the [`Machine`], which is pure; what counts failures is failsafe's.
//! - Each change of state is a *generation*. What has begun in an earlier one says nothing of this one.

mod actor;
mod changes;
mod cluster;
mod gate;
mod guard;
mod handle;
mod info;
mod machine;
mod named;
mod ports;
mod rules;

#[cfg(test)]
mod tests;

pub(crate) use actor::{Others, Surroundings, breakers};
pub use changes::BreakerChanges;
pub(crate) use cluster::Told;
pub(crate) use gate::{Pass, Ticket};
pub use handle::BreakerHandle;
pub use info::{BreakerInfo, BreakerState};
pub(crate) use machine::Heard;
pub(crate) use named::{Breaker, Breakers};
pub use rules::BreakerRules;
