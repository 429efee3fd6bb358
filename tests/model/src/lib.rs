//! A model of the journal protocol, and a driver that walks the real journal through it.
//!
//! A crate of its own because it visits millions of states: it is compiled with optimisation, the tests are not.
pub mod model;
pub mod scripted;
