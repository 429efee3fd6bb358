//! The suite itself: a cluster of processes, what it has to do, what is done to it, and who writes down what comes of that.

mod agents;
mod client;
mod clock;
mod cluster;
mod error;
mod faults;
mod ledger;
mod node;
mod poison;
mod record;
mod redis;
mod run;

pub use error::Error;
pub use node::{Ended, node};
pub use run::{Options, run};
