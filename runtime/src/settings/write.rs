//! Settings written down: as they are, annotated with what they mean, and as a schema.

use super::Settings;
use super::load::rows;
use super::row::{Amount, Kind, Raw, Row};
use callboard_core::Json;
use serde_json::{Map, Value, json};

/// The widest line of the annotated file.
const COLUMNS: usize = 120;

const HEADER: &str = "The settings of a Callboard node, each with its default. A program that starts with `Callboard::dev()` \
reads the file that CALLBOARD_CONFIG names, and then the environment: CALLBOARD_LEASE=10s, CALLBOARD_STORE__URL=file://data; \
CALLBOARD_STORE__URL_FILE names a file to read a secret from. An unknown key is an error.";

const FOOTER: &str = "What differs for one breaker stands in a table of its name: [breaker.of.\"llm:groq\"] for a dependency, \
[breaker.of.\"agent:writer\"] for an agent, [breaker.of.\"capability:draft\"] for the agents that have it.";

impl Settings {
    /// The settings as a file has them, all of them. Passwords in locations are left out.
    pub fn to_toml(&self) -> String {
        let mut written = Vec::new();
        self.clone().each(&mut |row, field| written.push((row, row.kind.write(&field.amount()))));
        lines(&written, |_| String::new()) + &self.named_to_toml()
    }

    /// The file `config/callboard.toml`: every setting with its default, its meaning and its range.
    pub fn annotated() -> String {
        let written = rows().into_iter().map(|row| (row, row.kind.write(&default_of(row)))).collect::<Vec<_>>();
        comment(HEADER) + &lines(&written, |row| format!("\n{}", comment(&about(row)))) + "\n" + &comment(FOOTER)
    }

    /// A JSON Schema of the file.
    pub fn schema() -> Json {
        let mut root = table_schema();
        for row in rows() {
            // Indexing by a key makes what is not there yet.
            let table = match row.key.rsplit_once('.') {
                None => &mut root,
                Some((table, _)) => {
                    let table = &mut root["properties"][table];
                    if table.is_null() {
                        *table = table_schema();
                    }
                    table
                }
            };
            let name = row.key.rsplit('.').next().unwrap_or(row.key);
            table["properties"][name] = value_schema(row);
        }
        let one = root["properties"]["breaker"].clone();
        root["properties"]["breaker"]["properties"]["of"] = json!({
            "type": "object",
            "description": "What counts instead for breakers by name, such as \"llm:groq\", \"agent:writer\" or \"capability:draft\".",
            "additionalProperties": one,
        });
        root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        root["title"] = json!("Settings of a Callboard node");
        Json::of(&root).unwrap_or_else(|_| Json::null())
    }
}

fn table_schema() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": Map::new() })
}

fn value_schema(row: &Row) -> Value {
    let bound = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let [least, most] = row.range;
    let mut schema = match row.kind {
        Kind::Time | Kind::Bytes => json!({ "type": "string", "examples": [row.default] }),
        Kind::Count => json!({ "type": "integer", "minimum": bound(least), "maximum": bound(most) }),
        Kind::Factor => json!({ "type": "number", "minimum": bound(least), "maximum": bound(most) }),
        Kind::Choice => json!({ "enum": row.words }),
        Kind::Tokens => json!({ "type": ["string", "array"], "items": { "type": "string" } }),
        Kind::Name | Kind::Url | Kind::Path | Kind::Address | Kind::Filter => {
            json!({ "type": "string", "minLength": bound(least), "maxLength": bound(most) })
        }
    };
    schema["description"] = json!(about(row));
    schema["default"] = bound(&row.kind.write(&default_of(row)));
    schema
}

/// The default as the table has it.
fn default_of(row: &Row) -> Amount {
    row.read(Raw::Word(row.default)).unwrap_or_else(|_| Amount::Text(row.default.to_owned()))
}

/// What a setting means, its range, and what gets worse when it grows.
fn about(row: &Row) -> String {
    if row.kind == Kind::Choice {
        return format!("{} {}", row.meaning.trim(), row.worse);
    }
    let ([least, most], unit) = (row.range, if is_text(row.kind) { " bytes" } else { "" });
    format!("{} From {least} to {most}{unit}. {}", row.meaning.trim(), row.worse)
}

fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Name | Kind::Url | Kind::Path | Kind::Address | Kind::Tokens | Kind::Filter)
}

/// All settings, first those of no table.
fn lines(written: &[(&'static Row, String)], comment: impl Fn(&Row) -> String) -> String {
    let table_of = |row: &Row| row.key.rsplit_once('.').map_or("", |(table, _)| table);
    let mut tables: Vec<&str> = written.iter().map(|(row, _)| table_of(row)).collect();
    tables.sort_unstable();
    tables.dedup();
    let mut text = String::new();
    for table in tables {
        if !table.is_empty() {
            text.push_str(&format!("\n[{table}]\n"));
        }
        for (row, value) in written.iter().filter(|(row, _)| table_of(row) == table) {
            let name = row.key.rsplit('.').next().unwrap_or(row.key);
            text.push_str(&format!("{}{name} = {value}\n", comment(row)));
        }
    }
    text
}

/// A comment of whole words, wrapped.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].len() + 1 + word.len() > COLUMNS {
            lines.push("#".to_owned());
        }
        let last = lines.len() - 1;
        lines[last].push(' ');
        lines[last].push_str(word);
    }
    lines.join("\n") + "\n"
}
