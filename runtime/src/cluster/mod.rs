//! Several nodes: who is there, who owns which partition, and what they say to one another.
//!
//! Nothing in here is needed for anything to be right. Who owns a partition is decided by its journal; a request that is
//! lost is repeated; a slot that is lent and forgotten is free again soon. What is here makes it fast, even and quiet.
//!
//! | file | noun |
//! |---|---|
//! | `view` | what a node knows of the nodes; pure |
//! | `assign` | which node is to own which partition; pure |
//! | `steward` | what a node claims and lets go of, and when; pure |
//! | `member` | the actor that beats, listens, and carries out what the steward says |
//! | `routes` | where the partitions are that other nodes own |
//! | `info` | the nodes as a program sees them |
//! | `note` | what nodes say to one another |
//! | `switchboard` | the actor through which all of that goes: calls, answers, notes |

mod assign;
#[cfg(feature = "test")]
pub(crate) mod fuzz;
mod info;
pub(crate) mod member;
pub(crate) mod note;
mod routes;
pub(crate) mod steward;
pub(crate) mod switchboard;
pub(crate) mod view;

pub use info::{NodeInfo, NodeStatus};
pub(crate) use member::Member;
pub(crate) use routes::{Route, Routes};
pub(crate) use switchboard::Switchboard;
