//! Tests of Callboard that cross its crates.
