//! The program, run as a node and asked as a person does.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

/// The program without the settings that the environment of the tests may have.
pub(super) fn program<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CALLBOARD_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// How the program ended, and what it said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    pub(super) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What it wrote, which is JSON.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A process that is killed when nobody cares for it any more.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A node that has started.
pub(super) struct Node {
    child: Ending,
    said: BufReader<ChildStderr>,
    pub(super) report: Vec<String>,
    pub(super) address: String,
}

impl Node {
    /// Starts `callboard dev` on a free port.
    #[track_caller]
    pub(super) fn dev<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = program(["dev", "--listen", "127.0.0.1:0"]);
        Self::start(command.args(arguments))
    }

    /// Starts it, and reads its report.
    #[track_caller]
    pub(super) fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = Ending(child.expect("the program starts"));
        let mut node = Self::new(child);
        while node.address.is_empty() {
            let mut line = String::new();
            let read = node.said.read_line(&mut line).expect("it says something");
            assert!(read > 0, "it has ended: {:?}", node.report);
            if let Some((_, address)) = line.trim_end().split_once("listens     http://") {
                address.clone_into(&mut node.address);
            }
            node.report.push(line.trim_end().to_owned());
        }
        node
    }

    fn new(mut child: Ending) -> Self {
        let said = BufReader::new(child.0.stderr.take().expect("it is piped"));
        Self { child, said, report: Vec::new(), address: String::new() }
    }

    /// A question to it.
    pub(super) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = program(arguments);
        command.env("CALLBOARD_ADDR", &self.address);
        command
    }

    pub(super) fn ask<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Said {
        Said::of(&mut self.command(arguments))
    }

    /// Submits a document, and gives the id of its run.
    #[track_caller]
    pub(super) fn submit(&self, file: &Path) -> String {
        let said = self.ask([OsStr::new("task"), "submit".as_ref(), file.as_os_str(), "-o".as_ref(), "json".as_ref()]);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.json()["id"].as_str().expect("an id").to_owned()
    }

    pub(super) fn terminate(&self) {
        let pid = i32::try_from(self.child.0.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(pid, Signal::TERM).expect("it is there");
    }

    /// Waits for a line that begins so.
    #[track_caller]
    pub(super) fn says(&mut self, beginning: &str) {
        let mut line = String::new();
        while !line.starts_with(beginning) {
            line.clear();
            assert!(self.said.read_line(&mut line).expect("it says something") > 0, "it never said {beginning:?}");
        }
    }

    /// The next line with this text.
    #[track_caller]
    pub(super) fn line_with(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.said.read_line(&mut line).expect("it says something") > 0, "it never said {text:?}");
        }
        line
    }

    /// Waits for its end.
    pub(super) fn ended(mut self) -> ExitStatus {
        std::io::copy(&mut self.said, &mut std::io::sink()).expect("it says something");
        self.child.0.wait().expect("it ends")
    }

    /// Waits for its end, and for all that it has still to say.
    pub(super) fn ended_saying(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.said, &mut said).expect("it says something");
        (self.child.0.wait().expect("it ends"), said)
    }

    /// Ends it as a power cut does.
    pub(super) fn kill(self) {
        drop(self);
    }
}

/// Somebody who watches a run.
pub(super) struct Watcher {
    child: Ending,
    lines: BufReader<std::process::ChildStdout>,
}

impl Watcher {
    pub(super) fn of(node: &Node, run: &str) -> Self {
        let mut command = node.command(["run", "show", run, "--watch", "-o", "jsonl"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = Ending(child.expect("the program starts"));
        let lines = BufReader::new(child.0.stdout.take().expect("it is piped"));
        Self { child, lines }
    }

    /// Waits until this has happened to a task.
    #[track_caller]
    pub(super) fn sees(&mut self, task: &str, kind: &str) {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).expect("it writes") > 0, "it never saw {task} {kind}");
            let event: Value = serde_json::from_str(&line).expect("an event");
            if event["task"] == task && event["type"] == kind {
                return;
            }
        }
    }

    /// With what it ends, when it does.
    pub(super) fn code(mut self) -> Option<i32> {
        std::io::copy(&mut self.lines, &mut std::io::sink()).expect("it writes");
        self.child.0.wait().expect("it ends").code()
    }
}

/// A folder of agents that are shell scripts, by name.
pub(super) fn scripts(folder: &Path, scripts: &[(&str, &str)]) {
    fs::create_dir_all(folder).expect("a folder");
    for (name, script) in scripts {
        let script = Value::from(*script);
        let text = format!(
            "[[capabilities]]\nname = \"{name}\"\n[runs.command]\nprogram = \"/bin/sh\"\narguments = [\"-c\", {script}]\n"
        );
        fs::write(folder.join(format!("{name}.toml")), text).expect("a file");
    }
}
