//! Tests that cross the crates, in one binary.
mod golden;
mod hazards;
mod kill;
mod messages;
mod model;
mod random;
mod runtime;
mod traces;
