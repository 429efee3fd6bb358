//! The three ports: everything the runtime knows of the outside world.
pub mod store;
