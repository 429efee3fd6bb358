//! JSON in the block style of YAML 1.2, in which every JSON scalar is a scalar.

#[cfg(test)]
mod tests;

use serde_json::Value;

pub(super) fn write(value: &Value) -> String {
    let mut lines = Vec::new();
    block(value, "", "", &mut lines);
    lines.join("\n")
}

/// Writes a value behind `lead`, the first line of it; the others stand `within`.
fn block(value: &Value, lead: &str, within: &str, lines: &mut Vec<String>) {
    // What begins a line of its own below a key is further in; below a dash it is on the same line.
    match value {
        Value::Object(members) if !members.is_empty() => {
            let mut lead = lead.to_owned();
            for (key, value) in members {
                entry(&format!("{lead}{}:", scalar(key)), value, within, lines);
                lead = within.to_owned();
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let mut lead = lead.to_owned();
            for item in items {
                block(item, &format!("{lead}- "), &format!("{within}  "), lines);
                lead = within.to_owned();
            }
        }
        Value::String(text) => lines.push(format!("{lead}{}", scalar(text))),
        other => lines.push(format!("{lead}{other}")),
    }
}

/// Writes a key and its value.
fn entry(key: &str, value: &Value, within: &str, lines: &mut Vec<String>) {
    let has_lines = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if has_lines {
        lines.push(key.to_owned());
        let within = format!("{within}  ");
        block(value, &within, &within, lines);
    } else {
        block(value, &format!("{key} "), within, lines);
    }
}

/// A text without quotes where nothing else could be meant, and as JSON has it otherwise.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    let means_else = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if is_plain && !means_else.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    Value::String(text.to_owned()).to_string()
}
