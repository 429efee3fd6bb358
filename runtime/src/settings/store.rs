//! Where the journal is kept.

use super::row::{Amount, Field};
use super::units;
use std::path::PathBuf;

/// Where the journal is kept; written `{ url = "file://FOLDER" }` or `{ url = "memory:" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreSettings {
    /// A folder, owned by one process at a time.
    Folder(PathBuf),
    /// The memory of this process: gone when it ends.
    Memory,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self::Folder(".callboard".into())
    }
}

impl Field for StoreSettings {
    fn amount(&self) -> Amount {
        Amount::Text(match self {
            Self::Folder(folder) => format!("file://{}", folder.display()),
            Self::Memory => "memory:".to_owned(),
        })
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let Amount::Text(url) = amount else { return Err(format!("{amount:?} is no location")) };
        *self = match url.split_once(':') {
            Some(("memory", "")) => Self::Memory,
            Some(("file", rest)) => match rest.strip_prefix("//").unwrap_or(rest) {
                "" => return Err("a store's folder is written \"file://FOLDER\"".to_owned()),
                folder => Self::Folder(folder.into()),
            },
            _ => {
                let seen = units::without_secrets(&url);
                return Err(format!("a store is \"file://FOLDER\" or \"memory:\", not {seen:?}"));
            }
        };
        Ok(())
    }
}
