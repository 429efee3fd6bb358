//! The chaos suite, which is a program of its own: what was said is handed over to it.

use crate::failure::{Failure, Result};
use callboard::Code;
use clap_complete::CompletionCandidate;
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What it is called.
const PROGRAM: &str = "callboard-chaos";

/// Its commands, for the tab key.
const COMMANDS: [(&str, &str); 6] = [
    ("list", "The scenarios that there are"),
    ("run", "Run scenarios, or plans of your own"),
    ("sabotage", "Have nodes break a promise at a time"),
    ("check", "Hold the history in a folder against what is promised, once more"),
    ("report", "Write the report of the history in a folder, once more"),
    ("services", "One RabbitMQ, one Redis and one radosgw for this checkout"),
];

/// What may come first.
pub(crate) fn commands() -> Vec<CompletionCandidate> {
    let candidate = |(name, about): (&str, &'static str)| CompletionCandidate::new(name).help(Some(about.into()));
    COMMANDS.into_iter().map(candidate).collect()
}

/// Becomes that program, with these words: signals reach it, and what it ends with is what we end with.
pub(crate) fn hand_over(words: &[OsString]) -> Result<Infallible> {
    let beside = std::env::current_exe().ok().and_then(|us| Some(us.parent()?.to_owned()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(program) = found(beside.iter().cloned().chain(std::env::split_paths(&path))) else {
        let place = beside.as_deref().map_or("the command".into(), Path::to_string_lossy);
        return Err(Failure::new(
            Code::NotFound,
            format!("the chaos suite is a program of its own, {PROGRAM}, which is not there"),
        )
        .seen(format!("it is neither in {place} nor on the PATH"))
        .next("cargo build -p callboard-chaos --features suite"));
    };
    let error = Command::new(&program).args(words).exec();
    Err(Failure::new(Code::Internal, format!("{} can not be run: {error}", program.display())))
}

/// The first of these folders that has it.
fn found(folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.map(|folder| folder.join(PROGRAM)).find(|program| program.is_file())
}
