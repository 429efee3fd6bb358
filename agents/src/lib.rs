//! Ready-made agents for Callboard, written on its public API alone.
//!
//! | agent | what it does |
//! |---|---|
//! | [`echo`] | gives back what it gets |
//! | [`command`] | runs a program: JSON in, JSON out, within limits |
//! | [`mod@file`] | reads, writes and lists below one folder |
//! | `http` (feature `http`) | asks servers of a list, and no private addresses |
//! | [`code`] | reads Rust files and says what deserves an engineer's time |
//! | [`described`] | any of the first four, described by a file |
//!
//! [`ReadyMade`] makes the first four agents of a board; `code` has typed tasks of its own.

pub mod code;
pub mod command;
pub mod described;
pub mod echo;
mod fault;
pub mod file;
#[cfg(feature = "http")]
pub mod http;
mod ready_made;
mod schema;

pub use fault::Fault;
pub use ready_made::{ReadyMade, Runner};
