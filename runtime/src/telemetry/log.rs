//! The log of a process: which lines are written, and how.

mod filter;
mod line;
#[cfg(test)]
mod tests;

pub(crate) use filter::{Filter, ParseFilterError, Switch};
pub(crate) use line::{Lines, Out};
