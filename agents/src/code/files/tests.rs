use super::*;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("its folder");
        fs::write(path, content).expect("a file");
    }
    folder
}

fn paths(listing: &Listing) -> Vec<&str> {
    listing.files.iter().map(|file| file.path.as_str()).collect()
}

/// `path: reason` of what was skipped.
fn skipped(listing: &Listing) -> Vec<String> {
    listing.skipped.iter().map(|skipped| format!("{}: {}", skipped.path, skipped.reason)).collect()
}

#[test]
fn all_rust_files_are_listed_in_order() {
    let folder = folder(&[
        ("src/b.rs", b"b"),
        ("src/a/mod.rs", b"a"),
        ("build.rs", b""),
        ("README.md", b"no"),
        ("Cargo.toml", b""),
        ("target/debug/built.rs", b"no"),
        ("src/target/kept.rs", b"a module of that name"),
        ("cache/target/CACHEDIR.TAG", b""),
        ("cache/target/built.rs", b"no"),
        (".git/hook.rs", b"no"),
        (".hidden.rs", b"no"),
    ]);
    let listing = rust_files(folder.path()).expect("a listing");
    assert_eq!(paths(&listing), ["build.rs", "src/a/mod.rs", "src/b.rs", "src/target/kept.rs"]);
    assert_eq!(listing.skipped, []);
    assert_eq!(listing.files[2].hash, blake3::hash(b"b").to_hex().to_string());
    assert_eq!(listing.files[2].bytes, 1);
    assert_eq!(listing.files[2].read(folder.path()).expect("its text"), "b");
}

#[test]
fn a_single_file_is_a_listing_of_one() {
    let folder = folder(&[("a.rs", b"fn f() {}"), ("a.txt", b"")]);
    let root = folder.path().join("a.rs");
    let listing = rust_files(&root).expect("a listing");
    assert_eq!(paths(&listing), ["a.rs"]);
    assert_eq!(listing.files[0].read(&root).expect("its text"), "fn f() {}");
    let error = rust_files(&folder.path().join("a.txt")).expect_err("no Rust");
    assert!(matches!(error, ListError::NotRust(_)), "{error}");
}

#[test]
fn what_cannot_be_reviewed_is_named_with_the_reason() {
    let large = vec![b' '; usize::try_from(FILE_BYTES_MAX).expect("fits") + 1];
    let folder = folder(&[("a.rs", b"ok"), ("latin.rs", b"// \xFC"), ("large.rs", &large), ("exact.rs", &large[1..])]);
    let link = |to: &str, from: &str| symlink(folder.path().join(to), folder.path().join(from)).expect("a link");
    link("", "loop");
    link("a.rs", "alias.rs");
    link("nowhere", "broken");
    let listing = rust_files(folder.path()).expect("a listing");
    assert_eq!(paths(&listing), ["a.rs", "exact.rs"]);
    assert_eq!(
        skipped(&listing),
        [
            "alias.rs: a symbolic link, not followed",
            "large.rs: larger than 4 MiB: 4194305 bytes",
            "latin.rs: not UTF-8 from byte 3 on",
            "loop: a symbolic link, not followed",
        ]
    );
}

#[test]
fn a_folder_that_cannot_be_read_is_skipped_not_fatal() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(&[("a.rs", b"ok"), ("closed/b.rs", b"b")]);
    let closed = folder.path().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("closed");
    // The superuser reads everything: then there is nothing to see here.
    let readable = fs::read_dir(&closed).is_ok();
    let listing = rust_files(folder.path()).expect("a listing");
    let root = rust_files(&closed);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("open again");
    if !readable {
        assert_eq!((paths(&listing), skipped(&listing).len()), (vec!["a.rs"], 1));
        assert!(matches!(root, Err(ListError::Unreadable { .. })));
    }
}

#[test]
fn nothing_to_review_is_an_error_that_says_why() {
    let empty = folder(&[("a.md", b"")]);
    let error = rust_files(empty.path()).expect_err("nothing there");
    assert!(error.to_string().starts_with("no Rust file (.rs) to review in /"), "{error}");
    let only_bad = folder(&[("a.rs", b"\xFF"), ("b.rs", b"\xFF")]);
    let error = rust_files(only_bad.path()).expect_err("nothing there").to_string();
    assert!(error.ends_with("; skipped a.rs: not UTF-8 from byte 0 on, and 1 more"), "{error}");
    let missing = empty.path().join("missing");
    assert!(matches!(rust_files(&missing), Err(ListError::NotFound(path)) if path == missing));
}

#[test]
fn a_change_is_noticed() {
    let folder = folder(&[("a.rs", b"a"), ("b.rs", b"b")]);
    let before = rust_files(folder.path()).expect("a listing");
    assert_eq!(rust_files(folder.path()).expect("a listing").hash(), before.hash());
    fs::write(folder.path().join("a.rs"), "c").expect("written");
    assert_ne!(rust_files(folder.path()).expect("a listing").hash(), before.hash());
    assert!(matches!(before.files[0].read(folder.path()), Err(ReadError::Changed { path }) if path == "a.rs"));
    fs::remove_file(folder.path().join("b.rs")).expect("removed");
    assert!(matches!(before.files[1].read(folder.path()), Err(ReadError::Unreadable { path, .. }) if path == "b.rs"));
    fs::rename(folder.path().join("a.rs"), folder.path().join("b.rs")).expect("renamed");
    fs::write(folder.path().join("a.rs"), "b").expect("written");
    assert_ne!(rust_files(folder.path()).expect("a listing").hash(), before.hash(), "contents changed places");
}
