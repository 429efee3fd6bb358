//! What came of all layers: the settings, where each comes from, and what is wrong with them.

use super::origin::Origin;
use super::row::{Field, Row};
use super::{Fault, Settings, refuse_all};
use crate::Result;
use std::collections::BTreeMap;

/// What came of all layers.
#[derive(Clone, Debug)]
pub struct Effective {
    pub(super) settings: Settings,
    /// Of the settings that are not the default.
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) faults: Vec<String>,
}

/// A setting with its value as a list shows it: without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// Its key, with the tables it stands in.
    pub key: String,
    /// Its value as a file has it, secrets as `***`.
    pub value: String,
    /// Where it comes from: `default`, `file FILE:LINE`, `environment NAME` or `flag NAME`.
    pub origin: String,
}

impl Effective {
    /// The settings, if they have no fault.
    ///
    /// # Errors
    ///
    /// `Invalid` with every fault.
    pub fn into_settings(self) -> Result<Settings> {
        refuse_all(self.faults)?;
        Ok(self.settings)
    }

    /// Every fault, in words, each with where it was seen.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// All settings, in the order of the table; one with a fault has the value that it had before.
    pub fn shown(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        let mut show = |key: &str, row: &Row, field: &dyn Field| {
            let origin = self.origins.get(key).map_or_else(|| "default".to_owned(), Origin::in_list);
            shown.push(Shown { key: key.to_owned(), value: row.kind.write(&field.amount()), origin });
        };
        self.settings.clone().each(&mut |row, field| show(row.key, row, field));
        self.settings.each_named(&mut show);
        shown
    }

    /// A fault of settings that could be read, with where the latest of them was said.
    pub(super) fn told(&self, fault: &Fault) -> String {
        match fault.keys.iter().find_map(|key| self.origins.get(*key)) {
            Some(origin) => format!("{origin}: {}", fault.reason),
            None => fault.reason.clone(),
        }
    }
}
