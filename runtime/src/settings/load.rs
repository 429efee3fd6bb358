//! Settings from a file and the environment: the later layer wins, unknown keys are refused.

use super::Settings;
use toml::{Table, Value};

/// What names settings in the environment, but is none of them.
const NOT_SETTINGS: [&str; 3] = ["CALLBOARD_CONFIG", "CALLBOARD_ADDR", "CALLBOARD_TOKEN"];
const PREFIX: &str = "CALLBOARD_";

/// The settings of a file's text, changed by the variables of an environment.
pub(super) fn settings(
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, String> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    for (name, value) in environment {
        if NOT_SETTINGS.contains(&name.as_str()) {
            continue;
        }
        if let Some(key) = name.strip_prefix(PREFIX) {
            let path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
            set(&mut table, &path, &value).map_err(|reason| format!("{name}: {reason}"))?;
        }
    }
    Value::Table(table).try_into().map_err(|error: toml::de::Error| error.to_string())
}

fn set(table: &mut Table, path: &[String], value: &str) -> Result<(), String> {
    match path {
        [] => Ok(()),
        [last] => {
            table.insert(last.clone(), scalar(value));
            Ok(())
        }
        [first, rest @ ..] => match table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => set(inner, rest, value),
            _ => Err(format!("{first:?} is a value, not a table")),
        },
    }
}

/// A number is a number, anything else a text: durations and sizes are texts.
fn scalar(value: &str) -> Value {
    value.parse().map_or_else(|_| Value::String(value.to_owned()), Value::Integer)
}
