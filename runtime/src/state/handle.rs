//! A document as a program has it.

use super::chain::{Documents, Found, Read};
use super::version::Body;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Json, Millis};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::sync::Arc;

/// A document: a value of one type by its key, the same on all nodes; a cheap handle.
///
/// ```
/// # use callboard::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, Default)]
/// struct Visits { count: u64 }
///
/// # async fn example(board: &Callboard) -> Result<()> {
/// let visits = board.state::<Visits>("visits/2026");
/// let now = visits.update(|visits| visits.count += 1).await?;      // nobody's update is lost
/// println!("{} at version {}", now.value.count, now.number);
/// # Ok(())
/// # }
/// ```
///
/// A read is the newest version at some moment between its call and its answer. What was written is durable when the call
/// returns. A key has 1 to 128 bytes of any text; a value is what serde makes of it as JSON.
#[derive(Debug)]
pub struct Document<T> {
    documents: Documents,
    key: Arc<str>,
    by: Option<Arc<str>>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Document<T> {
    fn clone(&self) -> Self {
        Self { documents: self.documents.clone(), key: self.key.clone(), by: self.by.clone(), of: PhantomData }
    }
}

/// One version of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version<T> {
    /// What it says.
    pub value: T,
    /// Its number: 1 for the first.
    pub number: u64,
    /// When it was written, by the clock of the node that wrote it.
    pub at: Millis,
    /// The node that wrote it.
    pub node: Arc<str>,
    /// Who wanted it: what [`Document::by`] says, or the run and the task.
    pub by: Option<Arc<str>>,
}

impl<T> Document<T> {
    pub(crate) fn new(documents: Documents, key: &str) -> Self {
        Self { documents, key: key.into(), by: None, of: PhantomData }
    }

    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Says who writes, for whoever reads its history.
    #[must_use]
    pub fn by(self, who: impl Into<Arc<str>>) -> Self {
        Self { by: Some(who.into()), ..self }
    }
}

impl<T: Serialize + DeserializeOwned> Document<T> {
    /// The newest version; `None` if there is none, or it was deleted.
    ///
    /// # Errors
    ///
    /// `Invalid` for a key that no document can have, or a value that is no `T`; `Unavailable` if the store gives no answer;
    /// `Corrupt` if what it holds can not be read.
    pub async fn load(&self) -> Result<Option<Version<T>>> {
        let read = self.documents.read(&self.key).await?;
        self.version(&read)
    }

    fn version(&self, read: &Read) -> Result<Option<Version<T>>> {
        read.body.as_ref().map_or(Ok(None), |body| self.typed(read.number, body))
    }

    fn typed(&self, number: u64, body: &Body) -> Result<Option<Version<T>>> {
        let Some(value) = &body.value else { return Ok(None) };
        Ok(Some(body.typed(number, read_as(&self.key, number, value)?)))
    }

    /// Changes the newest version, or the default if there is none. When somebody else was faster it begins anew with what
    /// they have written, so `change` may run several times; once counts.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load); `Unknown` if the store has not said whether it was written.
    pub async fn update(&self, mut change: impl FnMut(&mut T) + Send) -> Result<Version<T>>
    where
        T: Default,
    {
        self.try_update(|value| {
            let mut value = value.unwrap_or_default();
            change(&mut value);
            Ok(value)
        })
        .await
    }

    /// The same with what there is, if there is any; an error changes nothing.
    ///
    /// # Errors
    ///
    /// That of `change`; those of [`update`](Self::update).
    pub async fn try_update(&self, mut change: impl FnMut(Option<T>) -> Result<T> + Send) -> Result<Version<T>> {
        let write = self.documents.write(self.by.clone());
        let next = |read: &Read| {
            let value = read.value().map(|value| read_as(&self.key, read.number, value)).transpose()?;
            json(&self.key, &change(value)?).map(Some)
        };
        let written = self.documents.update(&self.key, &write, next).await?;
        self.written(written)
    }

    fn written(&self, Found { number, body }: Found) -> Result<Version<T>> {
        let version = body.map_or(Ok(None), |body| self.typed(number, &body))?;
        let none = || Error::new(ErrorKind::Corrupt, format!("version {number} of {:?} has no value", self.key));
        version.ok_or_else(none)
    }

    /// Writes the version behind that of this number: 0 if there is to be none yet. The number of the new one.
    ///
    /// # Errors
    ///
    /// `Conflict` if there is another, with both numbers and who wrote it; those of [`update`](Self::update).
    pub async fn save(&self, value: &T, expected: u64) -> Result<u64> {
        let (write, value) = (self.documents.write(self.by.clone()), json(&self.key, value)?);
        self.documents.save(&self.key, &write, expected, Some(value)).await
    }

    /// Writes a version whatever is there: **the last one to write wins, and what others have written meanwhile is lost**.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Self::update).
    pub async fn overwrite(&self, value: &T) -> Result<Version<T>> {
        let (write, value) = (self.documents.write(self.by.clone()), json(&self.key, value)?);
        let written = self.documents.update(&self.key, &write, |_| Ok(Some(value.clone()))).await?;
        self.written(written)
    }

    /// Deletes what is there, which is one more version, that says so; the number of that.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub async fn delete(&self, expected: u64) -> Result<u64> {
        let write = self.documents.write(self.by.clone());
        self.documents.save(&self.key, &write, expected, None).await
    }

    /// The versions that are kept, the oldest first; without those that say that it was deleted.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    pub async fn history(&self) -> Result<Vec<Version<T>>> {
        let newest = self.documents.read(&self.key).await?;
        let past = self.documents.past(&self.key, &newest, 0).await?;
        past.iter().rev().filter_map(|(number, body)| self.typed(*number, body).transpose()).collect()
    }

    /// One version, if it is kept.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not, or never was, or says that the document is deleted; those of [`load`](Self::load).
    pub async fn at(&self, number: u64) -> Result<Version<T>> {
        let newest = self.documents.read(&self.key).await?;
        let past = self.documents.past(&self.key, &newest, number.saturating_sub(1)).await?;
        let found = past.last().filter(|(oldest, _)| *oldest == number);
        let version = found.map_or(Ok(None), |(number, body)| self.typed(*number, body))?;
        let message = || format!("there is no version {number} of document {:?}, or it is not kept any more", self.key);
        version.ok_or_else(|| Error::new(ErrorKind::NotFound, message()))
    }

    /// Writes a version that says what one of the past says; the new one.
    ///
    /// # Errors
    ///
    /// Those of [`at`](Self::at) and of [`update`](Self::update).
    pub async fn roll_back(&self, number: u64) -> Result<Version<T>> {
        let value = self.at(number).await?.value;
        self.overwrite(&value).await
    }
}

impl Body {
    /// This version, with its value as its type.
    pub(super) fn typed<T>(&self, number: u64, value: T) -> Version<T> {
        Version { value, number, at: self.at, node: self.node.clone(), by: self.by.clone() }
    }
}

pub(super) fn json<T: Serialize>(key: &str, value: &T) -> Result<Json> {
    Json::of(value).map_err(|error| Error::invalid(format!("the value of document {key:?} has no JSON form: {error}")))
}

pub(super) fn read_as<T: DeserializeOwned>(key: &str, number: u64, value: &Json) -> Result<T> {
    serde_json::from_str(value.as_str()).map_err(|error| {
        let message = format!("version {number} of document {key:?} is no {}: {error}", std::any::type_name::<T>());
        Error::invalid(message)
    })
}
