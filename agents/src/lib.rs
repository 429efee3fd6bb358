//! Ready-made agents for Callboard, written on its public API alone.

pub mod code;
pub mod command;
pub mod echo;
mod fault;
pub mod file;
#[cfg(feature = "http")]
pub mod http;

pub use fault::Fault;
