//! How what was written apart comes together.

use super::handle::{json, read_as};
use crate::{Error, Result};
use callboard_core::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Merge = dyn Fn(&str, u64, Option<&Json>, &Json) -> Result<Json> + Send + Sync;

/// The functions that merge, by the beginnings of the keys for which they are.
#[derive(Clone, Default)]
pub(crate) struct Merges(BTreeMap<Arc<str>, Arc<Merge>>);

impl Merges {
    /// Of documents whose keys begin so, `merge` makes of the newest value, if there is one, and of one that is to be
    /// written, the next.
    pub(crate) fn insert<T, F>(&mut self, beginning: Arc<str>, merge: F)
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>, T) -> T + Send + Sync + 'static,
    {
        let merges = move |key: &str, number: u64, newest: Option<&Json>, mine: &Json| {
            let newest = newest.map(|value| read_as(key, number, value)).transpose()?;
            json(key, &merge(newest, read_as(key, number, mine)?))
        };
        self.0.insert(beginning, Arc::new(merges));
    }

    /// That of this key: of the longest beginning that fits.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is none.
    pub(super) fn of(&self, key: &str) -> Result<Arc<Merge>> {
        let fits = self.0.iter().filter(|(beginning, _)| key.starts_with(&***beginning));
        let longest = fits.max_by_key(|(beginning, _)| beginning.len()).map(|(_, merge)| merge.clone());
        longest.ok_or_else(|| Error::invalid(format!("no function merges document {key:?}: Builder::merge takes one")))
    }
}

impl fmt::Debug for Merges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
