//! The ledger: what handlers have really done, in a file of their own.

use super::clock;
use crate::history::{Did, Line};
use callboard::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A file that the handlers of all nodes append to, a line at a time: the kernel keeps lines whole and in order.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    file: Arc<File>,
    node: usize,
}

/// One time that a handler began on a task.
#[derive(Clone, Debug)]
pub(super) struct Life {
    ledger: Ledger,
    run: String,
    task: String,
    life: String,
}

impl Ledger {
    /// Opens it, or begins it, for the node of this number.
    pub(super) fn open(path: &Path, node: usize) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Arc::new(file), node })
    }

    /// A handler begins on a task.
    pub(super) async fn begin(&self, run: &str, task: &str, did: Did) -> Result<Life> {
        let life = Life { ledger: self.clone(), run: run.to_owned(), task: task.to_owned(), life: unique() };
        life.say(did).await?;
        Ok(life)
    }
}

impl Life {
    /// Writes down what was done, or is about to be. It is on the disk on return.
    ///
    /// # Errors
    ///
    /// `Failed`, for good, if it can not be written: what is not in the ledger must not have happened.
    pub(super) async fn say(&self, did: Did) -> Result<()> {
        let Self { ledger, run, task, life } = self;
        let (at, node) = (clock::now(), ledger.node);
        let line = Line { at, node, run: run.clone(), task: task.clone(), life: life.clone(), did };
        let (mut bytes, file) = (serde_json::to_vec(&line)?, ledger.file.clone());
        bytes.push(b'\n');
        // One write to a file opened for appending: lines of several processes do not mix.
        let written = tokio::task::spawn_blocking(move || (&*file).write_all(&bytes).and_then(|()| file.sync_data()));
        let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|error| Error::terminal(format!("the ledger can not be written: {error}")))
    }

    /// A mark that nothing else has, with the name of the task before it.
    pub(super) fn mark(&self) -> String {
        format!("{}/{}#{}", self.run, self.task, unique())
    }
}

/// Twelve letters that nothing else has, in a history of this size.
pub(super) fn unique() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    id.chars().take(12).collect()
}
