//! Versions that nobody needs.

use super::chain::Documents;
use super::version::Author;
use crate::journal::name::padded;
use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;

impl Documents {
    /// Deletes what was garbage when `seen` was, which says the newest versions of then; and says those of now.
    ///
    /// One listing of all documents, and a delete for each version. A version is garbage when there are as many newer ones as
    /// are kept; that it was so for a while is R8 of the journal's protocol.
    pub(super) async fn sweep(&self, seen: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let Ok(names) = self.names().await else { return seen.clone() };
        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        let mut deleted = 0_usize;
        for name in &names {
            let Some((segment, number)) = name.split_once('/').and_then(|(s, n)| Some((s, padded(n)?))) else {
                continue;
            };
            if seen.get(segment).is_some_and(|then| number + self.0.keep <= *then) {
                deleted += usize::from(self.register_of(segment).delete(number).await.is_ok());
            }
            match newest.get_mut(segment) {
                Some(last) => *last = number,
                None => drop(newest.insert(segment.to_owned(), number)),
            }
        }
        if deleted > 0 {
            tracing::debug!(deleted, "old versions of documents were deleted");
        }
        newest.retain(|_, last| *last > self.0.keep);
        newest
    }

    /// Writes as many versions that say that it is deleted as are kept, and deletes all before them.
    ///
    /// # Errors
    ///
    /// Those of an update; `Unavailable` if not all could be deleted.
    pub(super) async fn erase(&self, key: &str, by: &Author) -> Result<()> {
        let mut last = 0;
        for _ in 0..self.0.keep.max(2) {
            last = self.update(key, &self.write(by.clone()), |_| Ok(None)).await?.number;
        }
        let register = self.register(key)?;
        let incomplete = |error: &dyn std::fmt::Display| {
            let message = format!("document {key:?} is deleted, and not all of its versions are: erase it again");
            Error::new(ErrorKind::Unavailable, message).because(error)
        };
        let versions = register.versions().await.map_err(|error| incomplete(&error))?;
        for version in versions.into_iter().filter(|version| version + self.0.keep.max(2) <= last) {
            register.delete(version).await.map_err(|error| incomplete(&error))?;
        }
        Ok(())
    }
}
