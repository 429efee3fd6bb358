//! Reads, writes and lists files below one folder, and nowhere else.
//!
//! A path is relative, its parts separated by `/`: no `..`, no `.`, no empty part, at most 32 parts. From the root every
//! part is opened below the one before, and none of them may be a symbolic link; so no link, not even one that is
//! put there meanwhile, leads out of the root. The root itself may be a link, which is followed once, when the agent is
//! made. What is mounted below the root belongs to it.
//!
//! | capability | input | output |
//! |---|---|---|
//! | `file.read` | `{"path": "a/b.txt"}`, `"as": "text"` or `"base64"` | `{"path", "bytes", "text"}` or `{"path", "bytes", "base64"}` |
//! | `file.write` | `{"path", "text"}` or `{"path", "base64"}`, `"if_exists": "replace"` or `"refuse"` | `{"path", "bytes"}` |
//! | `file.list` | `{"path": "a"}`, the root without it | `{"path", "entries": [{"name", "kind", "bytes"}]}` |
//!
//! Read without `as` gives text when the file is UTF-8, and else base64 (RFC 4648, with padding). A write is seen by
//! others as a whole or not at all, and is durable when it is answered; folders that are missing are made. One that was
//! interrupted may still have happened, so it is safe to repeat: `refuse` accepts a file that has the very content
//! already. Kinds are `file`, `folder`, `link` and `other`; entries are sorted by name, and `bytes` is only told of files.
//!
//! Wrong paths and inputs and passed limits are terminal; what the disk says is retryable, but for what is missing, not
//! allowed, or of another kind.
//!
//! ```
//! use callboard::Json;
//! use callboard_agents::file::{File, FileSettings, Operation};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> callboard::Result<()> {
//! let folder = tempfile::tempdir()?;
//! let file = File::new(FileSettings::of(folder.path())).map_err(|faults| faults[0].clone())?;
//! let note = Json::parse(r#"{"path":"notes/today.txt","text":"Half hour, please."}"#)?;
//! assert_eq!(file.run(Operation::Write, &note).await?.as_str(), r#"{"path":"notes/today.txt","bytes":18}"#);
//! # Ok(())
//! # }
//! ```

mod input;
mod list;
mod operation;
mod place;
mod read;
mod settings;
#[cfg(test)]
mod tests;
mod trouble;
mod write;

pub use operation::Operation;
pub use settings::FileSettings;

use crate::fault::Fault;
use callboard::{Error, Json, Result};
use place::Root;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Works on the files below one folder.
#[derive(Clone, Debug)]
pub struct File(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: Root,
    settings: FileSettings,
}

impl File {
    /// Checks the settings and opens the root, which stays the same folder even if it is renamed.
    ///
    /// # Errors
    ///
    /// Every fault of the settings.
    pub fn new(settings: FileSettings) -> Result<Self, Vec<Fault>> {
        let mut faults = settings.faults();
        match Root::open(&settings.root) {
            Ok(root) if faults.is_empty() => return Ok(Self(Arc::new(Inner { root, settings }))),
            Ok(_) => {}
            Err(error) => faults.push(Fault::new("root", format!("{}: {error}", settings.root.display()))),
        }
        Err(faults)
    }

    /// Performs one operation.
    ///
    /// The work is done on a thread that may block. Dropping the future does not interrupt it: a write may still happen.
    ///
    /// # Errors
    ///
    /// As the [module](self) says.
    pub async fn run(&self, operation: Operation, input: &Json) -> Result<Json> {
        let (inner, input) = (self.0.clone(), input.clone());
        let work = move || match operation {
            Operation::Read => output(&read::read(&inner.root, &inner.settings, taken(&input)?)?),
            Operation::Write => output(&write::write(&inner.root, &inner.settings, taken(&input)?)?),
            Operation::List => output(&list::list(&inner.root, &inner.settings, taken(&input)?)?),
        };
        tokio::task::spawn_blocking(work).await?
    }
}

fn taken<T: DeserializeOwned>(input: &Json) -> Result<T> {
    serde_json::from_str(input.as_str()).map_err(|error| Error::terminal(format!("the input does not fit: {error}")))
}

fn output<T: Serialize>(output: &T) -> Result<Json> {
    Ok(Json::of(output)?)
}
