//! Hazards of the journal that show only in a whole node, and the page that names the test of each.

use callboard::port::store::{Create, FolderStore, MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Builder, Callboard, Settings};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[task(output = u64)]
struct Count {
    n: u64,
}

fn node(store: &MemoryStore, partitions: u16) -> Builder {
    let mut settings = Settings::default();
    settings.partitions = partitions;
    Callboard::builder(settings).store(Arc::new(store.clone())).task_fn(|_, t: Count| async move { Ok(t.n) })
}

#[tokio::test]
async fn l12_the_number_of_partitions_is_fixed_when_a_name_space_is_created() -> Result<()> {
    let store = MemoryStore::new();
    let board = node(&store, 3).start().await?;
    for n in 0..20 {
        board.call(Count { n }).key(format!("count {n}")).await?;
    }
    board.shutdown().await?;
    let board = node(&store, 11).start().await?;
    let commits = board.journal_counters().commits;
    for n in 0..20 {
        assert_eq!(board.call(Count { n }).key(format!("count {n}")).await?, n, "the run is found where it was put");
    }
    assert_eq!(board.journal_counters().commits, commits, "nothing was submitted again");
    board.shutdown().await
}

#[tokio::test]
async fn l24_a_reader_that_falls_behind_misses_nothing_and_holds_up_nobody() -> Result<()> {
    let board = node(&MemoryStore::new(), 1).start().await?;
    let workflow = Workflow::new("many");
    let counts = workflow.map("count", (0..1_000).map(|n| Count { n }));
    let run = board.start(workflow).await?;
    let mut events = run.events();
    let first = events.next().await.expect("a run begins with its submission");
    run.outcome().await?; // the reader sleeps meanwhile, and the run ends all the same
    let rest: Vec<_> = events.collect().await;
    let mut position = first.position;
    for event in &rest {
        assert!(event.position > position, "in order, and each once");
        position = event.position;
    }
    assert_eq!(rest.len(), 2 * counts.len() + 1);
    board.shutdown().await
}

#[tokio::test]
async fn l25_a_name_space_whose_root_is_newer_or_damaged_is_refused_in_words() -> Result<()> {
    for (root, words) in [
        (r#"{"format":2,"id":"00000000-0000-4000-8000-000000000000","partitions":4}"#, "newer"),
        (r#"{"format":1,"id":"00000000-0000-4000-8000-000000000000","partitions":0}"#, "0 partitions"),
        ("{", "can not be read"),
    ] {
        let store = MemoryStore::new();
        assert_eq!(store.create("default/root", root.into()).await?, Create::Created);
        let error = node(&store, 4).start().await.expect_err("it is refused");
        assert!(format!("{error:#}").contains(words), "{error:#}");
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_the_name_of_its_holder() -> Result<()> {
    let data = tempfile::tempdir()?;
    let held = FolderStore::open(data.path())?;
    let error = Callboard::builder(Settings::default()).data(data.path()).start().await.expect_err("it is held");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(format!("{error:#}").contains(&std::process::id().to_string()), "{error:#}");
    drop(held);
    Callboard::builder(Settings::default()).data(data.path()).start().await?.shutdown().await
}

/// The page names a test for each hazard; a test that is renamed or gone makes the page a lie.
#[test]
fn every_test_that_the_page_names_is_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let page = std::fs::read_to_string(top.join("docs/hazards.md")).expect("the page");
    let mut there = BTreeSet::new();
    for folder in ["runtime", "tests", "examples", "agents"] {
        functions(&top.join(folder), &mut there);
    }
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|name| is_test_name(name)).collect();
    assert!(named.len() >= 25, "the page names tests in back quotes");
    let missing: Vec<_> = named.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "no such test: {missing:?}");
    for hazard in (1..=25).map(|n| format!("| L{n} ")) {
        assert!(page.contains(&hazard), "{hazard} is missing");
    }
}

fn is_test_name(name: &str) -> bool {
    name.matches('_').count() >= 2 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the workspace");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    for path in paths {
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            for line in text.lines() {
                let name = line.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
                found.extend(name.map(str::to_owned));
            }
        }
    }
}
