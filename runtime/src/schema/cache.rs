//! Schemas, made ready once.

use callboard_core::Json;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The largest schema, in bytes.
const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// How deep a schema may be nested.
const SCHEMA_DEPTH_MAX: usize = 64;
/// How large a regular expression of a schema may become, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Schemas that are kept ready.
const KEPT_MAX: usize = 1_000;

/// A schema, ready to be held against values.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) schema: Value,
    pub(super) validator: Validator,
}

type Known = HashMap<Arc<str>, Result<Arc<Compiled>, String>>;

/// The schemas that were used so far, by their text. A thousand are kept; then it begins anew.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Known>);

impl Cache {
    pub(super) fn compiled(&self, schema: &Json) -> Result<Arc<Compiled>, String> {
        // What a panic leaves behind is a whole map.
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(schema.as_str()) {
            return found.clone();
        }
        let compiled = compile(schema).map(Arc::new);
        let mut known = known();
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(schema.as_str().into(), compiled.clone());
        compiled
    }
}

/// Whether a schema can be used; says why not.
///
/// # Errors
///
/// In words: too large, too deep, no JSON Schema, or one that refers to another document, which is never fetched.
pub(crate) fn check(schema: &Json) -> Result<(), String> {
    compile(schema).map(drop)
}

fn compile(schema: &Json) -> Result<Compiled, String> {
    let text = schema.as_str();
    if text.len() > SCHEMA_BYTES_MAX {
        return Err(format!(
            "it takes {} bytes, more than the limit of {SCHEMA_BYTES_MAX} (schema_bytes_max)",
            text.len()
        ));
    }
    if depth(text) > SCHEMA_DEPTH_MAX {
        return Err(format!("it is nested deeper than {SCHEMA_DEPTH_MAX} levels (schema_depth_max)"));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    // Patterns run in time linear in the text, whoever has written them.
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
    let options = jsonschema::options().with_pattern_options(patterns);
    let validator = options.build(&value).map_err(|error| refused(&error))?;
    Ok(Compiled { schema: value, validator })
}

fn refused(error: &ValidationError<'_>) -> String {
    let said: String = error.to_string().chars().take(300).collect();
    match error.kind() {
        ValidationErrorKind::Referencing(_) => format!("a schema refers to nothing outside of itself: {said}"),
        _ => said,
    }
}

/// How deep the brackets of a JSON text are nested.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
