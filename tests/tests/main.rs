//! Tests that cross the crates, in one binary.
mod golden;
mod model;
mod traces;
