//! The analyzer as an agent, and what it is asked.

#[cfg(test)]
mod tests;

use super::files::{Skipped, SourceFile};
use super::{FileReport, Summary, analyze, to_markdown};
use callboard::{Agent, Ctx, Error, In, Result, ResultExt, payload, task};
use std::path::{Component, Path, PathBuf};

/// Asks for a report on one file, as capability `code.analyze`.
///
/// The hash of its content makes sure that it is still the file that was listed; who does not know the content learns
/// nothing of it.
#[task(output = FileReport, capability = "code.analyze")]
pub struct Analyze {
    /// The folder under which it was listed.
    pub root: PathBuf,
    /// The file.
    pub file: SourceFile,
}

/// Reads Rust files and says what deserves an engineer's time, one file at a time: make a pool of it.
///
/// A file that has changed, or that does not belong to it, is a terminal error; that a file cannot be read is terminal,
/// too, for a review is of what was listed.
#[derive(Clone, Debug, Default)]
pub struct Analyzer {
    within: Option<PathBuf>,
}

impl Analyzer {
    /// An analyzer of files below this folder only; one by [`default`](Self::default) reads what its process may read.
    ///
    /// # Errors
    ///
    /// If there is no such folder.
    pub fn within(folder: impl AsRef<Path>) -> std::io::Result<Self> {
        Ok(Self { within: Some(folder.as_ref().canonicalize()?) })
    }

    /// Refuses what is not below the folder of this agent, or not below the root of the task.
    fn admit(&self, task: &Analyze) -> Result<()> {
        let path = Path::new(&task.file.path);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Error::terminal(format!("the path leads out of its root: {:?}", task.file.path)));
        }
        let Some(within) = &self.within else { return Ok(()) };
        let file = if task.root.is_file() { task.root.clone() } else { task.root.join(path) };
        let file = file.canonicalize().terminal().context(format!("cannot read {}", task.file.path))?;
        match file.starts_with(within) {
            true => Ok(()),
            false => Err(Error::terminal(format!("{} is not below {}", file.display(), within.display()))),
        }
    }
}

impl Agent<Analyze> for Analyzer {
    async fn run(&mut self, _ctx: &Ctx, task: Analyze) -> Result<FileReport> {
        let agent = self.clone();
        // Reading and parsing would block the runtime's threads. A file that has changed will not change back, so
        // that error is terminal.
        let work = move || {
            agent.admit(&task)?;
            Ok(analyze(&task.file.path, &task.file.read(&task.root).terminal()?))
        };
        tokio::task::spawn_blocking(work).await?
    }
}

/// Asks for one document on all files, as capability `code.document`. `reports` are the outputs of other tasks: those are
/// the edges of the graph.
#[task(output = Document, capability = "code.document")]
pub struct Compose {
    /// The heading of the document.
    pub title: String,
    /// What was left out of the listing.
    pub skipped: Vec<Skipped>,
    /// A report for each file.
    pub reports: In<Vec<FileReport>>,
}

/// A review, ranked by what matters most.
#[payload]
pub struct Document {
    /// The text, in Markdown.
    pub markdown: String,
    /// What did not parse: path, line, column and reason.
    pub unparsed: Vec<String>,
}

/// Writes one document: a plain function is an agent, too.
///
/// # Errors
///
/// None.
pub async fn compose(_ctx: Ctx, task: Compose) -> Result<Document> {
    let summary = Summary { skipped: task.skipped, ..Summary::of(&task.reports) };
    let unparsed = summary.unparsed.iter();
    let unparsed = unparsed.map(|f| format!("{}:{}:{}: {}", f.path, f.error.line, f.error.column, f.error.message));
    Ok(Document { unparsed: unparsed.collect(), markdown: to_markdown(&summary, &task.title) })
}
