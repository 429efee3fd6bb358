//! A document as a handler has it: what it does is recorded, and done once.

use super::chain::{Documents, Fence, Write};
use super::handle::{Version, json, read_as};
use super::version::{Author, TASK};
use super::writer::Turn;
use crate::{Ctx, Error, ErrorKind, IdempotencyKey, Result};
use callboard_core::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A document in the hands of a handler.
///
/// What it loads is recorded, so that a handler that begins again sees what it has seen. What it writes is written **once**,
/// also when the task is tried again: the version holds whose write it is, and the next attempt looks for it.
#[derive(Debug)]
pub struct TaskDocument<T> {
    ctx: Ctx,
    key: Arc<str>,
    /// The lock under which it is used.
    fence: Option<Fence>,
    of: PhantomData<fn() -> T>,
}

impl Ctx {
    /// The document of this key: a value that all nodes share. See [`Document`](crate::Document) for a program's.
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize, Default)]
    /// # struct Visits { count: u64 }
    /// # async fn example(ctx: &Ctx) -> Result<()> {
    /// ctx.state::<Visits>("visits").update(|visits| visits.count += 1).await?;     // once, whatever crashes
    /// # Ok(())
    /// # }
    /// ```
    pub fn state<T>(&self, key: impl AsRef<str>) -> TaskDocument<T> {
        TaskDocument { ctx: self.clone(), key: key.as_ref().into(), fence: None, of: PhantomData }
    }
}

impl<T> TaskDocument<T> {
    pub(super) fn under(ctx: Ctx, key: &str, fence: Fence) -> Self {
        Self { ctx, key: key.into(), fence: Some(fence), of: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync> TaskDocument<T> {
    /// The newest version when this is called first; `None` if there is none, or it was deleted. Recorded with its value.
    ///
    /// # Errors
    ///
    /// As [`Document::load`](crate::Document::load), and those of a [step](Ctx::step).
    pub async fn load(&self) -> Result<Option<Version<T>>> {
        let Self { ctx, key, fence, .. } = self;
        let loads = || async {
            let documents = documents(ctx)?;
            let write = Write { fence: fence.clone(), ..documents.write(Author::of_task(ctx)) };
            let read = documents.read_under(key, &write).await?;
            let Some(body) = read.body.as_ref() else { return Ok(None) };
            body.value.as_ref().map(|value| Ok(body.typed(read.number, read_as(key, read.number, value)?))).transpose()
        };
        ctx.step(format!("load {key}"), loads).await
    }

    /// Changes the newest version, or the default if there is none, once; the number of the version that was made.
    ///
    /// `change` may run several times, with what others have written meanwhile; once counts. Two commits of the journal
    /// beside the write.
    ///
    /// # Errors
    ///
    /// As [`Document::update`](crate::Document::update). `Unknown` if a write that was cut short can not be looked up any
    /// more: that is so when more than 128 tasks have written since, and its version is not kept.
    pub async fn update(&self, mut change: impl FnMut(&mut T) + Send) -> Result<u64>
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
    pub async fn try_update(&self, mut change: impl FnMut(Option<T>) -> Result<T> + Send) -> Result<u64> {
        self.writes("update", None, |turn| json(&self.key, &change(turn.read_as(&self.key)?)?).map(Some)).await
    }

    /// Writes a version whatever is there: **the last one to write wins**. The number of the new one.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Self::update).
    pub async fn overwrite(&self, value: &T) -> Result<u64> {
        let value = json(&self.key, value)?;
        self.writes("overwrite", None, |_| Ok(Some(value.clone()))).await
    }

    /// Writes the version behind that of this number: 0 if there is to be no value yet. The number of the new one.
    ///
    /// # Errors
    ///
    /// `Conflict` if there is another, with both numbers and who wrote it; those of [`update`](Self::update).
    pub async fn save(&self, value: &T, expected: u64) -> Result<u64> {
        let value = json(&self.key, value)?;
        self.writes("save", Some(expected), |_| Ok(Some(value.clone()))).await
    }

    /// Deletes what is there, which is one more version, that says so; the number of that.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub async fn delete(&self, expected: u64) -> Result<u64> {
        self.writes("delete", Some(expected), |_| Ok(None)).await
    }

    async fn writes(
        &self,
        what: &str,
        expected: Option<u64>,
        next: impl FnMut(&Turn) -> Result<Option<Json>> + Send,
    ) -> Result<u64> {
        let Self { ctx, key, fence, .. } = self;
        let effect = ctx.effect(format!("{what} {key}"));
        let write = Write { rests_on: expected, fence: fence.clone(), ..write(ctx, &effect.key()) };
        // It is not run twice at a time, which the compiler does not know.
        let next = Mutex::new(next);
        effect
            .checkable_behind(
                || async { documents(ctx).ok()?.number_soon(key).await },
                |since| {
                    let write = &write;
                    async move {
                        let documents = documents(ctx)?;
                        let newest = documents.read(key).await?;
                        let found = documents.find(key, &newest, write, since.unwrap_or_default()).await?;
                        Ok(found.map(|found| found.number))
                    }
                },
            )
            .run(|_| async {
                let mut next = next.lock().await;
                Ok(documents(ctx)?.update(key, &write, &mut *next).await?.number)
            })
            .await
    }
}

fn documents(ctx: &Ctx) -> Result<&Documents> {
    let none = || Error::new(ErrorKind::Unavailable, "there is no store here: a history is played");
    ctx.passage().documents.as_ref().ok_or_else(none)
}

fn write(ctx: &Ctx, key: &IdempotencyKey) -> Write {
    Write::new(format!("{TASK}{key}"), Author::of_task(ctx))
}

impl Author {
    pub(super) fn of_task(ctx: &Ctx) -> Self {
        Self { run: Some(ctx.run_id()), task: Some(ctx.task_name().into()), ..Self::default() }
    }
}
