//! A data folder of the first format, written by a real node, still means the same.
//!
//! `TEST_GOLDEN=write` writes it anew; that is for a new format beside the old one, never in its place.

use callboard::prelude::*;
use callboard::{Callboard, RunOutcome, Settings};
use futures::StreamExt;
use std::path::{Path, PathBuf};

#[task(output = String)]
struct Shout {
    text: String,
}

#[task(output = u64)]
struct Measure {
    parts: In<Vec<String>>,
}

#[task(output = String, capability = "nobody.offers.this")]
struct Wait {
    text: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/data-v1")
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.partitions = 2;
    settings.snapshot_events = 8;
    settings.closed_max = 1;
    settings
}

fn board(data: &Path) -> callboard::Builder {
    Callboard::builder(settings()).data(data).task_fn(|_, t: Shout| async move {
        match t.text.as_str() {
            "fail" => Err(Error::terminal("told to fail")),
            "long" => Ok("A".repeat(100_000)),
            text => Ok(text.to_uppercase()),
        }
    })
}

fn words(texts: &[&str]) -> (Workflow, Vec<Node<String>>, Node<u64>) {
    let workflow = Workflow::new("words").label("colour", "blue");
    let parts = workflow.map("shout", texts.iter().map(|text| Shout { text: (*text).into() }));
    let sum = workflow.task("measure", Measure { parts: parts.gather() }).priority(Priority::High);
    (workflow, parts, sum)
}

fn waits() -> (Workflow, Node<String>) {
    let workflow = Workflow::new("waits");
    let node = workflow.task("wait", Wait { text: "for years".into() });
    (workflow, node)
}

async fn write() -> Result<()> {
    let data = folder();
    let _absent = std::fs::remove_dir_all(&data);
    let board = board(&data).task_fn(|_, t: Measure| async move { Ok(t.parts.iter().map(|p| p.len() as u64).sum()) });
    let board = board.start().await?;
    for (key, texts) in [("good", ["a", "bc"]), ("bad", ["a", "fail"]), ("large", ["long", "b"])] {
        board.start(words(&texts).0).key(key).await?.outcome().await?;
    }
    let cancelled = board.start(waits().0).key("cancelled").await?;
    cancelled.cancel("no longer needed").await?;
    board.start(waits().0).key("waiting").await?;
    for n in 0..20 {
        board.call(Shout { text: format!("filler {n}") }).key(format!("filler {n}")).await?;
    }
    board.shutdown().await?;
    std::fs::remove_dir_all(data.join("tmp"))?;
    std::fs::remove_file(data.join("lock"))?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l14_a_folder_of_format_v1_means_what_it_meant() -> Result<()> {
    if std::env::var("TEST_GOLDEN").is_ok_and(|what| what == "write") {
        write().await?;
    }
    let data = tempfile::tempdir()?;
    copy(&folder(), data.path())?;
    // What was recorded is not computed again: nothing here could measure or shout as it did then.
    let board = Callboard::builder(settings())
        .data(data.path())
        .task_fn(|_, t: Wait| async move { Ok(format!("waited {}", t.text)) })
        .start()
        .await?;

    let run = |key: &str| board.run(board.run_id_of_key(key));
    let (_, parts, sum) = words(&["a", "bc"]);
    assert_eq!(run("good").outcome().await?, RunOutcome::Completed);
    assert_eq!(run("good").output(&parts[1]).await?, "BC");
    assert_eq!(run("good").output(&sum).await?, 3);
    let told: Vec<String> = run("good").events().map(|event| event.to_string()).collect().await;
    assert_eq!(told.first().map(String::as_str), Some("words submitted, 3 tasks"));
    assert_eq!(told.last().map(String::as_str), Some("words ended: completed"));
    assert_eq!(told.len(), 8);

    assert_eq!(run("bad").outcome().await?, RunOutcome::Failed);
    let error = run("bad").output(&sum).await.expect_err("it was skipped");
    assert_eq!(format!("{error:#}"), "task \"shout[1]\" failed: told to fail");

    assert_eq!(run("large").output(&parts[0]).await?.len(), 100_000);
    assert_eq!(run("large").output(&sum).await?, 100_001);

    let (workflow, node) = waits();
    let error = run("cancelled").output(&node).await.expect_err("it was cancelled");
    assert_eq!((error.kind(), format!("{error:#}").contains("no longer needed")), (ErrorKind::Cancelled, true));
    assert_eq!(run("waiting").output(&node).await?, "waited for years");

    // The same key is the same run, in the archive too.
    let again = board.start(workflow).key("waiting").await?;
    assert_eq!(again.id(), board.run_id_of_key("waiting"));
    let other = board.start(waits().0).key("good").await.expect_err("another workflow");
    assert_eq!(other.kind(), ErrorKind::Conflict);
    board.shutdown().await
}
