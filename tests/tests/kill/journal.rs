//! What the journal of the example says, read through the library.

use super::corpus;
use callboard::{Callboard, Result, Run, RunEvent, RunId, RunOutcome, Settings, What};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

/// The files whose result is recorded, by path.
///
/// A copy is opened, so that the next life of the example finds what the last one left.
pub(super) async fn recorded(data: &Path) -> Result<BTreeSet<String>> {
    // Before the run is noted no file is analyzed.
    let Some(id) = noted_run(data)? else { return Ok(BTreeSet::new()) };
    let copy = tempfile::tempdir()?;
    copy_folder(&data.join("objects"), &copy.path().join("objects"))?;
    let board = Callboard::builder(Settings::default()).data(copy.path()).start().await?;
    let run = board.run(id);
    let completed = run.progress().await?.expect("a noted run is recorded").completed;
    let events = run.events().filter(|event| std::future::ready(event.what == What::Completed));
    let files = events.take(completed).filter_map(|event| std::future::ready(file(&event))).collect().await;
    board.shutdown().await?;
    Ok(files)
}

/// Asserts that the run has ended well, and that nothing was done again after it was completed.
pub(super) async fn check_history(data: &Path) -> Result<()> {
    let id = noted_run(data)?.expect("the run is noted");
    let board = Callboard::builder(Settings::default()).data(data).start().await?;
    let run: Run = board.run(id);
    assert_eq!(run.outcome().await?, RunOutcome::Completed);
    let events: Vec<RunEvent> = run.events().collect().await;
    let (mut started, mut lost, mut completed) = (0, 0, BTreeMap::new());
    for event in &events {
        let task = event.task.clone().unwrap_or_default();
        match &event.what {
            What::Completed => assert_eq!(completed.insert(task, event.position), None, "completed twice: {event:?}"),
            What::Started { .. } => {
                started += 1;
                assert_eq!(completed.get(&task), None, "started after it was completed: {event:?}");
            }
            What::Lost { again, .. } => {
                lost += 1;
                assert!(again, "given up because of kills: {event:?}");
            }
            What::Submitted { .. } | What::Ended { .. } => {}
            other => panic!("nothing else happens in a review: {other:?}"),
        }
    }
    println!("{} events: {started} starts, {lost} cut short, {} completed", events.len(), completed.len());
    assert_eq!(completed.len(), corpus::FILES + 1, "all files and the document");
    board.shutdown().await
}

/// The id of the run, as the example has noted it.
fn noted_run(data: &Path) -> io::Result<Option<RunId>> {
    let folder = data.join("code_review");
    if !folder.exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none() {
            let text = fs::read_to_string(path)?;
            let id = text.split_whitespace().nth(2).expect("a note is written in one piece");
            return Ok(Some(id.parse().expect("the id of a run")));
        }
    }
    Ok(None)
}

/// The path of the file that the task of an event analyzes; `None` for the document.
fn file(event: &RunEvent) -> Option<String> {
    let number = event.task.as_deref()?.strip_prefix("analyze[")?.strip_suffix(']')?.parse().ok()?;
    Some(corpus::path(number))
}

pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
