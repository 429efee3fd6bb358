//! Whole clusters of Callboard in simulated time, from one seed.
//!
//! Every process is the shipped node on a tokio of its own, whose time passes when the simulator says so. Only the ports,
//! the clock and chance are not the real ones.

pub mod calls;
pub mod case;
pub mod copies;
pub mod deeds;
pub mod hands;
pub mod history;
pub mod ledger;
pub mod letters;
pub mod log;
pub mod matter;
pub mod papers;
pub mod past;
pub mod plan;
pub mod process;
pub mod program;
pub mod questions;
pub mod random;
pub mod remote;
pub mod repairs;
pub mod timetable;
pub mod world;

pub use history::{Report, play};
