//! Ready-made agents for Callboard, written on its public API alone.

pub mod code;
