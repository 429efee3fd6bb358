use super::*;

fn noted(content: &str, generation: u32, run: &str) -> (tempfile::TempDir, Memory) {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Memory::of(folder.path(), "key");
    let last = Last { content: content.to_string(), generation, run: run.to_string() };
    memory.note(&last).expect("noted");
    assert_eq!(memory.last(), Some(last));
    (folder, memory)
}

#[test]
fn the_first_review_has_nothing_to_replace() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(Memory::of(folder.path(), "key").plan("abc", false), Plan::Join { generation: 0 });
    assert_eq!(Memory::of(folder.path(), "key").plan("abc", true), Plan::Join { generation: 0 });
}

#[test]
fn the_same_content_joins_and_another_replaces() {
    let (_folder, memory) = noted("abc", 3, "run-1");
    let replace = |changed| Plan::Replace { generation: 4, run: "run-1".to_string(), changed };
    assert_eq!(memory.plan("abc", false), Plan::Join { generation: 3 });
    assert_eq!(memory.plan("def", false), replace(true));
    assert_eq!(memory.plan("abc", true), replace(false));
    assert_eq!(memory.plan("def", true), replace(false));
}

#[test]
fn a_failed_review_is_replaced_without_a_word_of_change() {
    let (_folder, memory) = noted("-", 3, "run-1");
    assert_eq!(memory.plan("abc", false), Plan::Replace { generation: 4, run: "run-1".to_string(), changed: false });
}

#[test]
fn a_damaged_memory_is_none() {
    let (_folder, memory) = noted("abc", 3, "run-1");
    for text in ["", "abc", "abc x run-1", "abc 3 run-1 more"] {
        fs::write(&memory.file, text).expect("written");
        assert_eq!(memory.plan("abc", false), Plan::Join { generation: 0 }, "{text:?}");
    }
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.md");
    write_whole(&path, "one").expect("written");
    write_whole(&path, "two").expect("written");
    assert_eq!(fs::read_to_string(&path).expect("read"), "two");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing else is left there");
    let nowhere = folder.path().join("missing/report.md");
    let error = write_whole(&nowhere, "no").expect_err("no such folder");
    assert!(error.to_string().starts_with(&format!("cannot write {}: ", nowhere.display())), "{error}");
}
