//! The simplest agent: it gives back what it was given.
//!
//! Good for a first try, and to see that a fleet is alive from the queue to the journal.

use callboard::{Json, Result};

/// Gives back its input, unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Echo {
    /// The capability under which it is usually offered.
    pub const CAPABILITY: &str = "echo";

    /// The input.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn run(&self, input: &Json) -> Result<Json> {
        Ok(input.clone())
    }
}
