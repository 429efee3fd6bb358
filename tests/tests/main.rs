//! Tests that cross the crates, in one binary.
mod model;
mod traces;
