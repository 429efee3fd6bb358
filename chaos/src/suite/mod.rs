//! The suite itself: a cluster of processes, or one that is attached, what it has to do, what is done to it, and who writes down
//! what comes of that.

mod agents;
mod attached;
mod brokers;
mod client;
mod clock;
mod cluster;
mod course;
mod ends;
mod error;
mod faults;
mod ledger;
mod node;
mod people;
mod poison;
mod probe;
mod record;
mod redis;
mod run;
mod wall_clock;

pub use attached::Undos;
pub use error::Error;
pub use node::{Ended, node};
pub use run::{Options, run};
