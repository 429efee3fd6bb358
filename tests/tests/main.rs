//! Tests that cross the crates, in one binary.
mod cluster;
mod examples;
mod golden;
mod hazards;
mod kill;
mod meters;
mod model;
mod program;
pub(crate) use callboard_simulator::random;
mod runtime;
mod telemetry;
mod traces;
