//! The arguments of a program, and how a part of the input may become one.

use crate::fault::Fault;
use callboard::{Error, Json, Result};
use serde_json::Value;

/// One argument of a program.
///
/// A part of the input is always exactly one argument, never split and never seen by a shell. It can not become an
/// option: a value that begins with `-` is refused, unless a prefix of the operator's stands before it. What a value
/// may *mean* to the program is still the operator's business: list the values with `one_of` where you can, and write
/// `--` before it where the program knows that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// This text.
    Fixed(String),
    /// The string, number or boolean to which a JSON pointer (RFC 6901) leads in the input.
    Input {
        /// Such as `/language`.
        pointer: String,
        /// Stands before the value in the same argument, such as `--language=`; may be empty.
        prefix: String,
        /// The only values allowed; empty allows all.
        one_of: Vec<String>,
    },
}

/// Bytes of one value at most; longer data belongs on standard input.
const VALUE_BYTES_MAX: usize = 4 << 10;

impl Argument {
    pub(super) fn faults(&self, key: &str, faults: &mut Vec<Fault>) {
        let mut check = |holds: bool, key: String, message: String| {
            if !holds {
                faults.push(Fault::new(key, message));
            }
        };
        match self {
            Self::Fixed(text) => check(!text.contains('\0'), key.to_owned(), "contains a NUL".to_owned()),
            Self::Input { pointer, prefix, one_of } => {
                let is_pointer = pointer.starts_with('/');
                check(is_pointer, format!("{key}.input"), format!("a JSON pointer such as \"/name\", not {pointer:?}"));
                check(!prefix.contains('\0'), format!("{key}.prefix"), "contains a NUL".to_owned());
                for value in one_of {
                    let told = value_fault(prefix, value);
                    check(told.is_none(), format!("{key}.one_of"), told.unwrap_or_default());
                }
            }
        }
    }

    fn fill(&self, input: &Value) -> Result<String> {
        let (pointer, prefix, one_of) = match self {
            Self::Fixed(text) => return Ok(text.clone()),
            Self::Input { pointer, prefix, one_of } => (pointer, prefix, one_of),
        };
        let refuse = |what: String| Error::terminal(format!("the input at {pointer} cannot be an argument: {what}"));
        let value = match input.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(truth)) => truth.to_string(),
            Some(_) => return Err(refuse("it is no string, number or boolean".to_owned())),
            None => return Err(refuse("there is nothing".to_owned())),
        };
        if let Some(fault) = value_fault(prefix, &value) {
            return Err(refuse(fault));
        }
        if !one_of.is_empty() && !one_of.contains(&value) {
            return Err(refuse(format!("{value:?} is none of {one_of:?}")));
        }
        Ok(format!("{prefix}{value}"))
    }
}

fn value_fault(prefix: &str, value: &str) -> Option<String> {
    if value.len() > VALUE_BYTES_MAX {
        return Some(format!("it has {} bytes, more than {VALUE_BYTES_MAX}", value.len()));
    }
    if value.contains('\0') {
        return Some("it contains a NUL".to_owned());
    }
    (prefix.is_empty() && value.starts_with('-')).then(|| format!("{value:?} would be an option"))
}

/// The arguments for one input, which is read only if one of them asks for it.
pub(super) fn fill(arguments: &[Argument], input: &Json) -> Result<Vec<String>> {
    let asks = arguments.iter().any(|argument| matches!(argument, Argument::Input { .. }));
    let input = match asks {
        true => serde_json::from_str(input.as_str()).map_err(|error| Error::terminal(error.to_string()))?,
        false => Value::Null,
    };
    arguments.iter().map(|argument| argument.fill(&input)).collect()
}
