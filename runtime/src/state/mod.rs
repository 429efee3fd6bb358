//! Documents: what agents and programs keep, by name, shared by all nodes, without lost updates.
//!
//! A document is a [register](crate::journal::register): a chain of write-once versions in the store, and of any number of
//! writers that make the next version of one document at most one does. So
//!
//! - a **read** is verified: it is the newest version at some moment between its call and its answer, on whichever node;
//! - an **update** works on the newest version, and begins anew when somebody else was faster: none is lost;
//! - a **save** names the version that it rests on, and is told which one there is if it is another;
//! - what has no clear answer is looked up: each write has an id, which its version holds ([`Version`](version::Version)).
//!
//! | file | what is in it |
//! |---|---|
//! | `key` | what a document may be called, and its name in the store |
//! | `version` | what a version holds |
//! | `chain` | reading and writing one document, of whatever type |
//! | `handle` | a document as a program has it, typed |
//! | `task` | a document as a handler has it: what it does is recorded |

mod chain;
mod handle;
mod key;
mod task;
#[cfg(test)]
mod tests;
mod version;

pub(crate) use chain::Documents;
pub use handle::{Document, Version};
pub use task::TaskDocument;
