//! What is said of breakers by name, `breaker.of."NAME".failures`, over what `breaker.*` says of all of them.

use super::origin::Origin;
use super::row::{Amount, Field, Kind, Raw, Row};
use super::{BreakerSettings, Fault, Settings};
use crate::port::directory::{NAME_BYTES_MAX, check_names};
use callboard_core::closest;

/// What the keys begin with, and the table that they stand in.
const OF: &str = "breaker.of.";
/// The table of what counts for all.
const ALL: &str = "breaker.";

/// Whether this is the table of names, or something in it.
pub(super) fn is_within(key: &str) -> bool {
    key.starts_with(OF) || format!("{key}.") == OF
}

/// What was said of one, until it is known what is said of all.
#[derive(Debug)]
pub(super) struct Said {
    name: String,
    row: &'static Row,
    amount: Amount,
    pub(super) origin: Origin,
}

impl Said {
    /// Reads one value.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub(super) fn read(key: &str, raw: Raw<'_>, origin: &Origin) -> Result<Self, String> {
        if let Origin::Variable(_) = origin {
            return Err(
                "breakers are named in the file or by a flag: a variable has no colons and small letters".into()
            );
        }
        // Names have dots, fields have none.
        let (name, field) = key.strip_prefix(OF).and_then(|rest| rest.rsplit_once('.')).ok_or_else(|| {
            format!("{key:?} is a table of breakers by name, such as [breaker.of.\"llm:groq\"], not a value")
        })?;
        let row = rows().into_iter().find(|row| field_of(row) == field).ok_or_else(|| {
            let known: Vec<&str> = rows().into_iter().map(field_of).collect();
            let hint = closest(field, known.iter().copied());
            let hint = hint
                .map_or_else(|| format!("there are {}", known.join(", ")), |hint| format!("the closest is {hint:?}"));
            format!("a breaker has no setting {field:?}; {hint}")
        })?;
        let of = |reason| format!("of {name:?}: {reason}");
        let amount = row.read(raw).map_err(of)?;
        Ok(Self { name: name.to_owned(), row, amount, origin: origin.clone() })
    }

    /// Its key, with the tables it stands in.
    pub(super) fn key(&self) -> String {
        key_of(&self.name, self.row)
    }

    /// Puts it in, over what is said of all.
    ///
    /// # Errors
    ///
    /// What was wrong with the amount, in words.
    pub(super) fn put(self, settings: &mut Settings) -> Result<(), String> {
        let all = &settings.breaker;
        let one = settings.breaker_of.entry(self.name).or_insert_with(|| all.clone());
        let mut done = Ok(());
        one.each(&mut |row, field| {
            if row.key == self.row.key {
                done = field.set(self.amount.clone());
            }
        });
        done
    }
}

fn rows() -> Vec<&'static Row> {
    let mut rows = Vec::new();
    BreakerSettings::default().each(&mut |row, _| rows.push(row));
    rows
}

fn field_of(row: &'static Row) -> &'static str {
    row.key.strip_prefix(ALL).unwrap_or(row.key)
}

fn key_of(name: &str, row: &'static Row) -> String {
    format!("{OF}{name}.{}", field_of(row))
}

impl Settings {
    /// Shows what is said by name to `see`, with the key of each.
    pub(super) fn each_named(&self, see: &mut dyn FnMut(&str, &'static Row, &dyn Field)) {
        for (name, one) in &self.breaker_of {
            one.clone().each(&mut |row, field| see(&key_of(name, row), row, field));
        }
    }

    /// What is wrong with names, and with what is said of them.
    pub(super) fn faults_of_named(&self) -> impl Iterator<Item = Fault> {
        let mut faults = Vec::new();
        for name in self.breaker_of.keys() {
            if check_names(&[name]).is_err() {
                faults.push(format!(
                    "breaker.of: a name is 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ : = -, not {name:?}"
                ));
            }
            if name.starts_with("port:") {
                faults.push(format!("breaker.of: {name:?} goes by rules of its own, which no settings change"));
            }
        }
        self.each_named(&mut |key, row, field| {
            faults.extend(row.fault(&field.amount()).map(|reason| format!("{key}: {reason}")));
        });
        faults.into_iter().map(|reason| Fault { keys: Vec::new(), reason })
    }

    /// What is said by name as a file has it: a table for each.
    pub(super) fn named_to_toml(&self) -> String {
        let mut text = String::new();
        for (name, one) in &self.breaker_of {
            text.push_str(&format!("\n[breaker.of.{}]\n", Kind::Name.write(&Amount::Text(name.clone()))));
            one.clone().each(&mut |row, field| {
                text.push_str(&format!("{} = {}\n", field_of(row), row.kind.write(&field.amount())));
            });
        }
        text
    }
}
