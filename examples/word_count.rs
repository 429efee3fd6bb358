//! Map and reduce over a folder of text: a child task for each file, eight at a time, and the sum of what they found.
//!
//!     cargo run --example word_count -- docs
//!
//! The director is an ordinary async function. Each file's count is recorded when it is there, so a crash costs the files
//! that were being read and no other; a file that can not be read costs itself, as long as nine of ten can.

use callboard::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Asks for the words of a whole folder.
#[task(output = Counted)]
pub struct Survey {
    pub folder: PathBuf,
}

/// Asks for the words of one file.
#[task(output = BTreeMap<String, u64>, capability = "words.count")]
pub struct Count {
    pub file: PathBuf,
}

#[payload]
pub struct Counted {
    pub files: usize,
    pub unread: Vec<String>,
    pub words: BTreeMap<String, u64>,
}

pub async fn survey(ctx: Ctx, task: Survey) -> Result<Counted> {
    // Recorded: whoever comes here again counts the same files.
    let files: Vec<PathBuf> = ctx.step("list", || async { texts(&task.folder) }).await?;
    let counts = files.iter().map(|file| Count { file: file.clone() });
    let joined = ctx.map(counts).width(8).min_ok(files.len() * 9 / 10).joined().await?;
    let mut words = BTreeMap::new();
    for (word, count) in joined.outputs.iter().flat_map(|(_, counts)| counts) {
        *words.entry(word.clone()).or_default() += count;
    }
    let unread = joined.failed.iter().map(|(n, error)| format!("{}: {error:#}", files[*n].display())).collect();
    Ok(Counted { files: joined.outputs.len(), unread, words })
}

pub async fn count(_: Ctx, task: Count) -> Result<BTreeMap<String, u64>> {
    let text = fs::read_to_string(&task.file).terminal()?;
    let mut words = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3) {
        *words.entry(word.to_lowercase()).or_default() += 1;
    }
    Ok(words)
}

/// The files of a folder that hold text, by name.
fn texts(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_text = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md" || ending == "txt");
    let entries =
        fs::read_dir(folder).context(format!("the folder {:?} can not be read", folder.display())).terminal()?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_text).collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::terminal(format!("there is no text (.md, .txt) in {:?}", folder.display())));
    }
    Ok(files)
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "docs".to_owned()));
    let board = Callboard::dev().ephemeral().task_fn(survey).task_fn(count).start().await?;
    let found = board.call(Survey { folder }).await?;
    println!("{} files, {} words, {} different", found.files, found.words.values().sum::<u64>(), found.words.len());
    let mut most: Vec<(&String, &u64)> = found.words.iter().collect();
    most.sort_by_key(|(word, count)| (std::cmp::Reverse(**count), (*word).clone()));
    for (word, count) in most.iter().take(5) {
        println!("{count} times {word}");
    }
    found.unread.iter().for_each(|unread| println!("not read: {unread}"));
    board.shutdown().await
}
