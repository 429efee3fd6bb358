//! A document as a program has it.

use super::chain::{Documents, Fence, Found, Read, Write};
use super::version::{Author, Body};
use super::writer::Turn;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Json, Millis};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

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
    by: Author,
    /// The lock under which it is used.
    fence: Option<Fence>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Document<T> {
    fn clone(&self) -> Self {
        let Self { documents, key, by, fence, of } = self;
        Self { documents: documents.clone(), key: key.clone(), by: by.clone(), fence: fence.clone(), of: *of }
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
    /// Who wanted it: several if their updates share it, in their order.
    pub by: Vec<Author>,
}

/// What is known of a document without asking for it: see [`Document::remembered`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remembered<T> {
    /// The version; `None` if there was none, or it was deleted.
    pub version: Option<Version<T>>,
    /// How long ago it was known to be the newest.
    pub age: Duration,
    /// Whether that is longer than it should be, a second, because the store is away: there may be a newer one.
    pub is_stale: bool,
}

impl<T> Document<T> {
    pub(crate) fn new(documents: Documents, key: &str) -> Self {
        Self { documents, key: key.into(), by: Author::default(), fence: None, of: PhantomData }
    }

    pub(super) fn under(documents: Documents, key: &str, by: Author, fence: Fence) -> Self {
        Self { by, fence: Some(fence), ..Self::new(documents, key) }
    }

    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Says who writes, for whoever reads its history.
    #[must_use]
    pub fn by(self, who: impl Into<Arc<str>>) -> Self {
        Self { by: Author { name: Some(who.into()), ..self.by }, ..self }
    }

    /// Says something else about what is written, for whoever reads its history: a reason, a ticket.
    #[must_use]
    pub fn label(mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.by.labels.insert(name.into(), value.into());
        self
    }

    fn write(&self) -> Write {
        Write { fence: self.fence.clone(), ..self.documents.write(self.by.clone()) }
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
        let read = self.documents.read_under(&self.key, &self.write()).await?;
        self.version(&read)
    }

    /// The newest version as far as this node knows it, at most a second old, without asking the store each time: the node
    /// looks once a second at what was asked for within the last 30 s. If the store is away it is what was known last, and
    /// says that it is stale.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load); `Unavailable` only if the document was never read here.
    pub async fn remembered(&self) -> Result<Remembered<T>> {
        let found = self.documents.remembered(&self.key).await?;
        Ok(Remembered { version: self.version(&found.read)?, age: found.age, is_stale: found.is_stale })
    }

    fn version(&self, read: &Read) -> Result<Option<Version<T>>> {
        read.body.as_ref().map_or(Ok(None), |body| self.typed(read.number, body))
    }

    fn typed(&self, number: u64, body: &Body) -> Result<Option<Version<T>>> {
        let Some(value) = &body.value else { return Ok(None) };
        Ok(Some(body.typed(number, read_as(&self.key, number, value)?)))
    }

    /// Changes the newest version, or the default if there is none. When somebody else was faster it begins anew with what
    /// they have written, so `change` may run several times; once counts. Updates that wait at the same time share a version.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load); `Unavailable` if the store is away for longer than `state.patience`; `Unknown` if it has
    /// not said whether it was written.
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
        let next = |turn: &Turn| json(&self.key, &change(turn.read_as(&self.key)?)?).map(Some);
        let written = self.documents.update(&self.key, &self.write(), next).await?;
        self.written(written)
    }

    fn written(&self, Found { number, body }: Found) -> Result<Version<T>> {
        let version = body.map_or(Ok(None), |body| self.typed(number, &body))?;
        let none = || Error::new(ErrorKind::Corrupt, format!("version {number} of {:?} has no value", self.key));
        version.ok_or_else(none)
    }

    /// Writes the version behind that of this number: 0 if there is to be no value yet. The number of the new one.
    ///
    /// # Errors
    ///
    /// `Conflict` if there is another, with both numbers and who wrote it; those of [`update`](Self::update).
    pub async fn save(&self, value: &T, expected: u64) -> Result<u64> {
        let (write, value) = (self.write().resting_on(expected), json(&self.key, value)?);
        Ok(self.documents.update(&self.key, &write, |_| Ok(Some(value.clone()))).await?.number)
    }

    /// Writes a version whatever is there: **the last one to write wins, and what others have written meanwhile is lost**.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Self::update).
    pub async fn overwrite(&self, value: &T) -> Result<Version<T>> {
        let value = json(&self.key, value)?;
        let written = self.documents.update(&self.key, &self.write(), |_| Ok(Some(value.clone()))).await?;
        self.written(written)
    }

    /// Merges a value with what there is, by the function that [`Builder::merge`](crate::Builder::merge) takes for this key.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is none; those of [`update`](Self::update).
    pub async fn merge(&self, value: &T) -> Result<Version<T>> {
        let written = self.documents.merge(&self.key, &self.write(), &json(&self.key, value)?).await?;
        self.written(written)
    }

    /// The same; while the store is away it is spooled, in the folder that `state.spool` says, and `None` is returned. Then
    /// it is durable on this machine: when the store is back, also after a restart of the process, it is merged, once, behind
    /// what was spooled for this document before it. [`Callboard::state_spool`](crate::Callboard::state_spool) says what waits.
    ///
    /// # Errors
    ///
    /// `Invalid` if no function merges this key or there is no spool; `Unavailable` if neither the store nor the spool takes it.
    pub async fn merge_or_spool(&self, value: &T) -> Result<Option<Version<T>>> {
        let written = self.documents.merge_or_spool(&self.key, self.by.clone(), json(&self.key, value)?).await?;
        written.map(|written| self.written(written)).transpose()
    }

    /// Deletes what is there, which is one more version, that says so; the number of that.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub async fn delete(&self, expected: u64) -> Result<u64> {
        let write = self.write().resting_on(expected);
        Ok(self.documents.update(&self.key, &write, |_| Ok(None)).await?.number)
    }

    /// Deletes what there is, and what there was: all its versions. What remains are `keep_versions` that say that it is
    /// deleted; the number of the last. What was on its way meanwhile, and is of none of them, is removed within two hours.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Self::update), and `Unavailable` if what there was could not be deleted: then call it again.
    pub async fn erase(&self) -> Result<u64> {
        self.documents.erase(&self.key, &self.by).await
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
        let body = self.documents.at(&self.key, number).await?;
        let message = || format!("version {number} of document {:?} says that it is deleted", self.key);
        self.typed(number, &body)?.ok_or_else(|| Error::new(ErrorKind::NotFound, message()))
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
        let by = self.writes.iter().map(|made| made.by.clone()).collect();
        Version { value, number, at: self.at, node: self.node.clone(), by }
    }
}

impl Turn {
    /// The value as its type, if there is one.
    pub(super) fn read_as<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.value().map(|value| read_as(key, self.base.number, value)).transpose()
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
