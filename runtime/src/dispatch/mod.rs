//! From a ready task to an instance: which agent takes which task, and how it gets there.
//!
//! A partition offers a task once its readiness is durable. The [`backlog`] of the process matches it with a free slot of
//! an agent: a *desk*. The match becomes a [`backlog::Grant`], which goes back to the partition for one more look at the
//! state, and from there with the [`courier`] to the queue of the agent, where one of its idle instances takes it.
//!
//! So the order is exact over all partitions of the process, an agent never has more tasks before it than idle instances,
//! and which agent has which capability is known in one place: a change is heeded by the very next match.

pub(crate) mod backlog;
pub(crate) mod courier;
mod desk;
pub(crate) mod desks;
mod gates;
pub(crate) mod health;
mod lending;
mod order;
pub(crate) mod seat;
mod turnover;
