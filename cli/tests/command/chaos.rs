//! `callboard chaos`: another program, to which everything is handed over.

use super::node::Said;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A program that says what it was called with, and ends with this.
fn program(folder: &Path, code: i32) {
    let file = folder.join("callboard-chaos");
    fs::write(&file, format!("#!/bin/sh\nfor word in \"$@\"; do echo \"<$word>\"; done\nexit {code}\n"))
        .expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("may be run");
}

/// The command in a folder of its own, so that nothing lies beside it but what a test puts there.
fn asked(folder: &Path, path: &Path, words: &[&str]) -> Said {
    let us = folder.join("callboard");
    if !us.exists() {
        fs::copy(env!("CARGO_BIN_EXE_callboard"), &us).expect("copied");
    }
    Said::of(Command::new(us).env("PATH", path).arg("chaos").args(words))
}

#[test]
fn what_was_said_is_handed_over_with_the_exit_code() {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let none = asked(folder.path(), other.path(), &["list"]);
    assert_eq!(none.code, Some(3), "{none:?}");
    let place = folder.path().display();
    assert_eq!(
        none.err,
        format!(
            "error[CB2001]: the chaos suite is a program of its own, callboard-chaos, which is not there\n  \
             seen: it is neither in {place} nor on the PATH\n  \
             try:  cargo build -p callboard-chaos --features suite\n"
        )
    );
    program(other.path(), 10);
    let words = ["run", "node-kill", "--seed", "7", "--report", "a folder"];
    let on_the_path = asked(folder.path(), other.path(), &words);
    assert_eq!((on_the_path.code, &*on_the_path.err), (Some(10), ""));
    assert_eq!(on_the_path.out, "<run>\n<node-kill>\n<--seed>\n<7>\n<--report>\n<a folder>\n");
    program(folder.path(), 0);
    let beside = asked(folder.path(), other.path(), &["--help"]);
    assert_eq!((beside.code, &*beside.out), (Some(0), "<--help>\n"), "{beside:?}");
    assert_eq!(asked(folder.path(), other.path(), &[]).out, "");
}
