//! Tests of Callboard that cross its crates.
pub mod model;
pub mod scripted;
