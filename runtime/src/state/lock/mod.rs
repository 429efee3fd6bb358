//! Locks: one holder at a time, on whichever node, and a token that tells its writes from those of who came after.
//!
//! A lock is a register, as a document is. Its version says who holds it and who waits, in order. So
//!
//! - **one holder**: of those who would be the next, one makes the next version;
//! - a holder **says that it lives** by a new version, three times within its time to live. Who waits and has seen nothing new for
//!   as long as that, by its own clock from the moment it looked, makes a version in which the next one holds it. No clock is
//!   compared with another;
//! - the **token** is the number of the version in which it came to hold it, so a later holder has a larger one. A
//!   document that is used under a lock notes the token ([`Fences`](super::version::Fences)), with the first access, be it a
//!   read: what an older holder writes behind that is `Fenced`, however late it wakes;
//! - the directory is not asked: nothing of it can be lost.

mod handle;
mod keeper;
mod record;
#[cfg(test)]
mod tests;

pub use handle::{Lock, LockInfo, LockRequest, LockTicket, OnDeadlock, TaskLock, TaskLockRequest};
pub(super) use keeper::Locks;
