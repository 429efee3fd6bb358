//! `callboard chaos`: another program, to which everything is handed over.

use super::node::Said;
use std::path::Path;
use std::process::Command;

/// A program that says what it was called with, and ends with this.
fn program(folder: &Path, code: i32) {
    let script = format!("#!/bin/sh\nfor word in \"$@\"; do echo \"<$word>\"; done\nexit {code}\n");
    let made = "printf %s \"$1\" > \"$0\"/callboard-chaos && chmod 755 \"$0\"/callboard-chaos";
    by_another(Command::new("sh").args(["-c", made]).arg(folder).arg(script));
}

/// Writes a program from a process of its own: one that a process has open for writing can not be run, and other tests fork.
fn by_another(command: &mut Command) {
    assert!(command.status().expect("it starts").success());
}

/// The command in a folder of its own, so that nothing lies beside it but what a test puts there.
fn asked(folder: &Path, path: &Path, words: &[&str]) -> Said {
    let us = folder.join("callboard");
    if !us.exists() {
        by_another(Command::new("cp").arg(env!("CARGO_BIN_EXE_callboard")).arg(&us));
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
