//! The runtime through its public API: what it promises, with restarts and failing stores.

mod archive;
mod durability;
mod events;
mod faults;
mod keys;
mod kit;
mod limits;
mod order;
mod results;
mod samples;
mod shutdown;
