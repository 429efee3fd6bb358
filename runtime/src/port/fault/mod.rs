//! What the faulty ports have in common: when which operation is spoiled, and what is held back until the test lets it go.

mod held;
mod plan;
#[cfg(test)]
mod tests;

pub(crate) use held::{Held, Waiting, pause};
pub(crate) use plan::{Dice, Drawn, Plan, Rule};
