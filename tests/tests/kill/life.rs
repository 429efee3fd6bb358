//! One life of the example: a process from its start to its end, which is often a violent one.

use super::corpus;
use crate::program;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use std::{io, thread};

/// When a life is cut off.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after it has said so many lines.
    Said(usize, Duration),
    /// Not at all.
    Never,
}

/// What is known of a life when it is over.
pub(super) struct Life {
    pub(super) status: ExitStatus,
    /// What it said on stderr, whole lines only.
    pub(super) said: Vec<String>,
}

/// How the example is started.
pub(super) struct Review {
    pub(super) program: PathBuf,
    pub(super) root: PathBuf,
    pub(super) out: PathBuf,
    pub(super) data: PathBuf,
}

impl Review {
    /// Starts the example, kills it at that moment, and waits for its end.
    pub(super) fn live(&self, moment: Moment) -> io::Result<Life> {
        let mut child = self.command().spawn()?;
        let (sender, heard) = channel();
        let stderr = child.stderr.take().expect("it is piped");
        let listener = thread::spawn(move || listen(stderr, &sender));
        wait_for(moment, &heard);
        if !matches!(moment, Moment::Never) {
            child.kill()?;
        }
        let status = child.wait()?;
        let said = listener.join().expect("listening does not panic")?;
        Ok(Life { status, said })
    }

    fn command(&self) -> Command {
        let mut command = program::command(&self.program);
        command.arg(&self.root).arg("--out").arg(&self.out).arg("--data").arg(&self.data);
        // Four files at a time, 5 ms each: slow enough to be hit anywhere.
        command.args(["--tell", "--delay-ms", "5"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

fn listen(stderr: ChildStderr, sender: &Sender<()>) -> io::Result<Vec<String>> {
    let (mut stderr, mut said) = (BufReader::new(stderr), Vec::new());
    loop {
        let mut line = Vec::new();
        stderr.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(said); // the end, or words that a kill has cut short
        }
        said.push(String::from_utf8_lossy(&line).into_owned());
        let _enough_heard = sender.send(());
    }
}

#[expect(clippy::disallowed_methods, reason = "a delay before a kill is a fault, not a wait")]
fn wait_for(moment: Moment, heard: &Receiver<()>) {
    match moment {
        Moment::After(delay) => thread::sleep(delay),
        Moment::Said(lines, delay) => {
            // Fewer lines mean that it has ended by itself.
            if heard.iter().take(lines).count() == lines {
                thread::sleep(delay);
            }
        }
        Moment::Never => {}
    }
}

impl Life {
    /// The files whose analysis began.
    pub(super) fn analyzed(&self) -> BTreeSet<&str> {
        self.said.iter().filter_map(|line| line.strip_prefix("analyzing ")).collect()
    }

    /// How many files it said it need not analyze; `None` if it did not come so far, or had nothing to keep.
    pub(super) fn kept(&self) -> Option<usize> {
        self.said.iter().find_map(|line| line.strip_prefix("kept ")?.split(' ').next()?.parse().ok())
    }

    /// How many files it has shown as done: what is shown is durable.
    pub(super) fn shown(&self) -> usize {
        let done = |line: &String| line.split_once(&format!(" of {} files, ", corpus::FILES))?.0.parse().ok();
        self.said.iter().filter_map(done).max().unwrap_or(0)
    }
}
