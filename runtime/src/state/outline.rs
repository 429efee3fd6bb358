//! Documents as they are seen from outside: without their types, and with what they say of themselves.

use super::chain::{Documents, opened, unread};
use super::handle::Version;
use super::version::in_words;
use crate::{Error, ErrorKind, Result};
use callboard_core::Json;

/// A version without its value: how many bytes that has, or `None` if it says that the document is deleted.
pub(crate) type Outline = Version<Option<usize>>;

impl<T> Version<T> {
    /// Who wrote it, in words.
    pub(crate) fn authors(&self) -> String {
        in_words(self.by.iter(), &self.node)
    }
}

impl<T> Version<Option<T>> {
    /// It, if it has a value.
    pub(crate) fn present(self) -> Result<Version<T>, Self> {
        match self {
            Self { value: Some(value), number, at, node, by } => Ok(Version { value, number, at, node, by }),
            deleted => Err(deleted),
        }
    }
}

impl Documents {
    /// The newest version, without a value if it says that the document is deleted.
    ///
    /// # Errors
    ///
    /// `NotFound` if there never was one; those of a read.
    pub(crate) async fn newest(&self, key: &str) -> Result<Version<Option<Json>>> {
        let read = self.read(key).await?;
        let body = read.body.as_ref().ok_or_else(|| never(key))?;
        Ok(body.typed(read.number, body.value.clone()))
    }

    /// At most so many of the versions that are kept, the newest first, of those before `after` if that is said, with those
    /// that say that the document is deleted. And whether there are more behind them.
    ///
    /// # Errors
    ///
    /// `NotFound` if there never was one; those of a read.
    pub(crate) async fn outlines(&self, key: &str, after: Option<u64>, most: usize) -> Result<(Vec<Outline>, bool)> {
        let (newest, register) = (self.read(key).await?, self.register(key)?);
        if newest.number == 0 {
            return Err(never(key));
        }
        let (mut walk, mut outlines) = (register.walk(&newest.verified, 0), Vec::new());
        while let Some(past) = walk.next().await.map_err(|error| unread(key, error))? {
            if after.is_some_and(|after| past.number >= after) {
                continue;
            }
            if outlines.len() == most {
                return Ok((outlines, true));
            }
            let body = opened(key, &past)?;
            outlines.push(body.typed(past.number, body.value.as_ref().map(|value| value.as_str().len())));
        }
        Ok((outlines, false))
    }
}

fn never(key: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no document {key:?}"))
}
