//! Checks inputs and outputs against JSON Schemas.

#[cfg(test)]
mod tests;

use crate::fault::Fault;
use callboard::{Capability, Error, Json, Result};
use jsonschema::Validator;
use serde_json::Value;
use std::fmt;

/// The schemas of one capability, ready for use; by default there are none.
#[derive(Default)]
pub(crate) struct Checks {
    input: Option<Validator>,
    output: Option<Validator>,
}

/// What does not fit is told up to so many times.
const TOLD_MAX: usize = 5;
/// Characters of one of those at most: the value that does not fit may be long.
const TOLD_CHARS_MAX: usize = 300;

impl Checks {
    /// Reads the schemas. They refer to nothing outside of themselves: no file and no server is asked.
    pub(crate) fn of(capability: &Capability) -> Result<Self, Fault> {
        let read = |key: &str, schema: &Option<Json>| {
            let Some(schema) = schema else { return Ok(None) };
            let value: Value = serde_json::from_str(schema.as_str()).map_err(|error| Fault::new(key, error))?;
            let validator = jsonschema::validator_for(&value);
            let fault = |error| Fault::new(key, format!("no JSON Schema: {}", cut(&error)));
            validator.map(Some).map_err(fault)
        };
        Ok(Self {
            input: read("input_schema", &capability.input_schema)?,
            output: read("output_schema", &capability.output_schema)?,
        })
    }

    /// A terminal error if the input does not fit.
    pub(crate) fn input(&self, input: &Json) -> Result<()> {
        check(self.input.as_ref(), "input", input)
    }

    /// A terminal error if the output does not fit.
    pub(crate) fn output(&self, output: &Json) -> Result<()> {
        check(self.output.as_ref(), "output", output)
    }
}

fn check(validator: Option<&Validator>, what: &str, json: &Json) -> Result<()> {
    let Some(validator) = validator else { return Ok(()) };
    let value: Value = serde_json::from_str(json.as_str()).map_err(Error::terminal)?;
    let told: Vec<_> = validator.iter_errors(&value).take(TOLD_MAX).map(|error| told(&error)).collect();
    if told.is_empty() {
        return Ok(());
    }
    Err(Error::terminal(format!("the {what} does not fit its schema: {}", told.join("; "))))
}

fn told(error: &jsonschema::ValidationError<'_>) -> String {
    match error.instance_path().as_str() {
        "" => cut(error),
        path => format!("at {path}: {}", cut(error)),
    }
}

fn cut(error: &jsonschema::ValidationError<'_>) -> String {
    let text = error.to_string();
    match text.char_indices().nth(TOLD_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (input, output) = (self.input.is_some(), self.output.is_some());
        f.debug_struct("Checks").field("input", &input).field("output", &output).finish()
    }
}
