use super::super::files::rust_files;
use super::*;
use callboard::{Callboard, Gather, Workflow};
use std::fs;

#[tokio::test]
async fn a_board_reviews_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.rs"), "pub fn a() { b().unwrap() }\n").unwrap();
    fs::write(folder.path().join("b.rs"), "fn (\n").unwrap();
    let analyzer = Analyzer::within(folder.path()).unwrap();
    let board =
        Callboard::dev().ephemeral().agents(2, move || analyzer.clone()).task_fn(compose).start().await.unwrap();

    let listing = rust_files(folder.path()).unwrap();
    let workflow = Workflow::new("review");
    let root = folder.path().to_path_buf();
    let files =
        workflow.map("analyze", listing.files.iter().map(|file| Analyze { root: root.clone(), file: file.clone() }));
    let reports = files.gather();
    let document = workflow.task("document", Compose { title: "Review".into(), skipped: listing.skipped, reports });
    let document = board.start(workflow).await.unwrap().output(&document).await.unwrap();
    assert!(document.markdown.contains("1 `unwrap`"), "{}", document.markdown);
    assert!(document.unparsed.len() == 1 && document.unparsed[0].starts_with("b.rs:1:"), "{:?}", document.unparsed);

    // What it may not read, or what is another file by now, fails at once.
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a.rs"), "pub fn a() { b().unwrap() }\n").unwrap();
    fs::write(folder.path().join("b.rs"), "fn b() {}\n").unwrap();
    let file = |n: usize, path: &str| SourceFile { path: path.to_owned(), ..listing.files[n].clone() };
    for (root, file, expected) in [
        (outside.path(), file(0, "a.rs"), "is not below"),
        (folder.path(), file(0, "../a.rs"), "leads out of its root"),
        (folder.path(), file(0, "/a.rs"), "leads out of its root"),
        (folder.path(), file(0, "none.rs"), "cannot read none.rs"),
        (folder.path(), file(1, "b.rs"), "changed since it was listed"),
    ] {
        let error = board.call(Analyze { root: root.to_path_buf(), file }).await.unwrap_err();
        assert!(!error.is_retryable() && format!("{error:#}").contains(expected), "{expected}: {error:#}");
    }
    board.shutdown().await.unwrap();
}
