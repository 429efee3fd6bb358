//! Erasing a document.

use super::chain::Documents;
use super::version::Author;
use crate::{Error, ErrorKind, Result};

impl Documents {
    /// Writes as many versions that say that it is deleted as are kept, and deletes all before them; the number of the last.
    ///
    /// # Errors
    ///
    /// Those of an update; `Unavailable` if not all could be deleted.
    pub(super) async fn erase(&self, key: &str, by: &Author) -> Result<u64> {
        let mut last = 0;
        for _ in 0..self.0.chains.keep.max(2) {
            last = self.update(key, &self.write(by.clone()), |_| Ok(None)).await?.number;
        }
        let register = self.register(key)?;
        let incomplete = |error: &dyn std::fmt::Display| {
            let message = format!("document {key:?} is deleted, and not all of its versions are: erase it again");
            Error::new(ErrorKind::Unavailable, message).because(error)
        };
        let versions = register.versions().await.map_err(|error| incomplete(&error))?;
        for version in versions.into_iter().filter(|version| version + self.0.chains.keep.max(2) <= last) {
            register.delete(version).await.map_err(|error| incomplete(&error))?;
        }
        Ok(last)
    }
}
