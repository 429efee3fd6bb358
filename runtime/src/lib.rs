//! Callboard.
pub mod port;
