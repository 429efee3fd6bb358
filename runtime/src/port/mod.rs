//! The three ports: everything the runtime knows of the outside world.
pub mod bus;
pub mod directory;
pub mod store;
