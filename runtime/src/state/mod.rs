//! Documents: what agents and programs keep, by name, shared by all nodes, without lost updates.
//!
//! A document is a [register](crate::journal::register): a chain of write-once versions in the store, and of any number of
//! writers that make the next version of one document at most one does. So
//!
//! - a **read** is verified: it is the newest version at some moment between its call and its answer, on whichever node;
//! - an **update** works on the newest version, and begins anew when somebody else was faster: none is lost;
//! - a **save** names the version that it rests on, and is told which one there is if it is another;
//! - what has no clear answer is looked up: each write has an id, which its version holds ([`Body`](version::Body)).
//!
//! | file | what is in it |
//! |---|---|
//! | `key` | what a document may be called, and its name in the store |
//! | `version` | what a version holds |
//! | `chain` | reading the versions of documents |
//! | `writer` | writing one document: what waits shares a version |
//! | `cache` | the newest versions that this node has seen |
//! | `merge` | functions that merge |
//! | `spool` | what waits on this machine until the store is back |
//! | `chains` | what documents and locks have in common: registers side by side, and versions that nobody needs |
//! | `erase` | deleting all that a document has said |
//! | `lock/` | locks: one holder at a time, and a token |
//! | `manager` | the actor: keeps up to date, removes, brings home |
//! | `handle` | a document as a program has it, typed |
//! | `task` | a document as a handler has it: what it does is recorded |
//! | `outline` | documents as they are seen from outside: without their types |

mod cache;
mod chain;
mod chains;
mod erase;
mod handle;
mod key;
mod lock;
mod manager;
mod merge;
#[cfg(feature = "api")]
mod outline;
mod spool;
mod task;
#[cfg(test)]
mod tests;
mod version;
mod writer;

pub(crate) use chain::{DOCUMENTS, Documents, Given, LOCKS};
pub use handle::{Document, Remembered, Version};
pub use lock::{Lock, LockInfo, LockRequest, LockTicket, OnDeadlock, TaskLock, TaskLockRequest};
pub(crate) use manager::{Collect, state};
pub(crate) use merge::Merges;
pub use spool::SpooledWrite;
pub use task::TaskDocument;
pub use version::Author;
pub use writer::DOCUMENT_BYTES_MAX;
#[cfg(feature = "api")]
pub(crate) use {outline::Outline, writer::fits};
