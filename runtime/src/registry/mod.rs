//! The registry: which agents there are, what they can do, and how they are doing.
//!
//! It is an actor over the directory port. Every agent of the process is registered under its id and under each of its
//! capabilities, again and again, so that a directory that has forgotten everything knows it again soon; what is not
//! renewed expires. It is soft: nothing is decided by it that could not be decided again. The agents of this process are
//! known exactly, by their desks; the directory adds those of other nodes.

mod actor;
mod find;
pub(crate) mod profile;

pub(crate) use actor::{Registry, Surroundings, registry};
pub use find::{Agents, Find};
pub use profile::{AgentInfo, AgentStatus, Capability};
