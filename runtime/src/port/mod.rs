//! The three ports: everything the runtime knows of the outside world.
pub mod bus;
pub mod directory;
#[cfg(any(test, feature = "test"))]
pub mod fault;
pub mod store;
