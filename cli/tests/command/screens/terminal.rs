//! The command on a terminal, which `script` of util-linux plays.

use super::super::node::{Node, Said, program, scripts};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the program on a terminal of so many columns, and gives what that was sent.
fn on_terminal(address: &str, columns: u16, words: &[&str]) -> Said {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let line = format!("stty cols {columns} rows 20; exec {} {}", env!("CARGO_BIN_EXE_callboard"), quoted.join(" "));
    let mut command = Command::new("script");
    // Its environment is that of the program, in which nothing of the tests is left.
    for (name, value) in program(words).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env_remove("NO_COLOR").env("TERM", "xterm").env("CALLBOARD_ADDR", address);
    Said::of(command.args(["-qec", &line, "/dev/null"]).stdin(std::process::Stdio::null()))
}

fn node(folder: &Path) -> Node {
    let script =
        format!("[ -e {0} ] && echo 1 || {{ touch {0}; echo no disk >&2; exit 1; }}", folder.join("tried").display());
    scripts(&folder.join("agents"), &[("flaky", &script)]);
    fs::write(
        folder.join("w.yaml"),
        "name: w\ntasks:\n  first: {capability: flaky, retry: {base: 1ms, cap: 1ms}}\n  \
         last: {capability: echo, input: 1, after: [first]}\n",
    )
    .expect("a file");
    Node::dev(["--ephemeral", "--agents", folder.join("agents").to_str().expect("a name")])
}

#[test]
fn a_run_is_drawn_over_and_over_in_one_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path());
    let run = node.submit(&folder.path().join("w.yaml"));
    let said = on_terminal(&node.address, 80, &["run", "show", &run, "--watch"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Each picture is three lines, each cleared to its end, and the next is drawn over it.
    let pictures: Vec<&str> = said.out.split("\u{1b}[J").collect();
    let (last, pictures) = pictures.split_last().expect("a picture");
    assert_eq!((*last, pictures.is_empty()), ("", false), "{said:?}");
    for (n, picture) in pictures.iter().enumerate() {
        assert_eq!(picture.starts_with("\u{1b}[3A\r"), n > 0, "{picture:?}");
        assert_eq!(picture.matches("\u{1b}[K\r\n").count(), 3, "{picture:?}");
    }
    let end = pictures.last().expect("a picture");
    assert!(end.contains("w  completed  2 of 2 done  "), "{end:?}");
    assert!(end.contains("  first  \u{1b}[32m██████████\u{1b}[0m  \u{1b}[32mcompleted\u{1b}[0m  "), "{end:?}");
    assert!(end.contains("attempt 2"), "{end:?}");

    // Whoever submits and waits sees it, too, and then the run.
    let file = folder.path().join("w.yaml").display().to_string();
    let waits = on_terminal(&node.address, 80, &["task", "submit", &file, "--wait"]);
    let (drawn, shown) = waits.out.rsplit_once("\u{1b}[J").expect("a picture");
    assert!(drawn.contains("2 of 2 done") && shown.contains("\nworkflow      w\r\n"), "{waits:?}");

    // Elsewhere than on a terminal every event has a line, and nothing is painted.
    let plain = node.ask(["run", "show", &run, "--watch"]).out;
    assert!(plain.contains("w: first failed attempt 1, next in ") && !plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn a_table_fits_a_terminal_and_has_its_colours() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path());
    let run = node.submit(&folder.path().join("w.yaml"));
    assert_eq!(node.ask(["run", "show", &run, "--watch"]).code, Some(0));
    let list = |columns| on_terminal(&node.address, columns, &["run", "list"]);
    let wide = list(120);
    assert!(wide.out.contains(&run) && wide.out.contains("\u{1b}[32mcompleted"), "{wide:?}");
    assert!(wide.out.contains("s ago"), "times are told from now on: {wide:?}");
    let narrow = list(40);
    assert!(narrow.out.contains(&format!("{run}\r\n    w ")), "no id is cut: {narrow:?}");
    let lines = narrow.out.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
    assert!(lines.lines().all(|line| line.chars().count() <= 40), "{lines}");
    let mut quiet = node.command(["run", "list"]);
    let plain = Said::of(&mut quiet);
    assert!(plain.out.contains(&run) && !plain.out.contains('\u{1b}') && plain.out.contains('Z'), "{plain:?}");
}
