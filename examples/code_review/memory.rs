//! What one review remembers for the next: which run it was, and of what content.
//!
//! The results themselves are kept by the runtime. This is the one line that finds them again.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The last review of one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Last {
    /// The hash of what was listed; `-` when its results are of no use any more.
    pub(crate) content: String,
    /// Counts the runs that were started over.
    pub(crate) generation: u32,
    /// The id of its run.
    pub(crate) run: String,
}

/// How the next review begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// With the run of this generation, whether it exists or not.
    Join { generation: u32 },
    /// With a new run, because the content is another or because the user said so; the run before is of no use.
    Replace { generation: u32, run: String, changed: bool },
}

impl Plan {
    pub(crate) fn generation(&self) -> u32 {
        match self {
            Plan::Join { generation } | Plan::Replace { generation, .. } => *generation,
        }
    }
}

/// The file in which the last review of one path is noted.
pub(crate) struct Memory {
    file: PathBuf,
}

impl Memory {
    /// The memory of `root`, named by `key`, in the folder of the runtime's state.
    pub(crate) fn of(data: &Path, key: &str) -> Self {
        Memory { file: data.join("code_review").join(key) }
    }

    /// Decides how to begin with this content.
    pub(crate) fn plan(&self, content: &str, fresh: bool) -> Plan {
        match self.last() {
            None => Plan::Join { generation: 0 },
            Some(last) if last.content == content && !fresh => Plan::Join { generation: last.generation },
            Some(last) => {
                let changed = !fresh && last.content != "-";
                Plan::Replace { generation: last.generation.saturating_add(1), run: last.run, changed }
            }
        }
    }

    /// A memory that cannot be read is none: the review starts over.
    fn last(&self) -> Option<Last> {
        let text = fs::read_to_string(&self.file).ok()?;
        let [content, generation, run] = text.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        Some(Last { content: content.to_string(), generation: generation.parse().ok()?, run: run.to_string() })
    }

    /// Notes a review, durably and in one piece.
    pub(crate) fn note(&self, last: &Last) -> io::Result<()> {
        fs::create_dir_all(self.file.parent().unwrap_or(Path::new(".")))?;
        write_whole(&self.file, &format!("{} {} {}\n", last.content, last.generation, last.run))
    }
}

/// Writes a file beside its place and moves it there: a reader sees all of it or the one before.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut part = path.as_os_str().to_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    });
    written.map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())))
}
