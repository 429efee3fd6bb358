//! Programs of somebody else's that do something to their cluster, and undo it.

use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How much of what a command writes is kept in the history, in lines from its end; the whole is in the log.
const LINES: usize = 20;
/// How long such a line is at most, in characters.
const LINE: usize = 300;

/// What came of a command.
#[derive(Debug, Default)]
pub(super) struct Ran {
    /// What it was, what it wrote and how it ended, a line each.
    pub(super) said: Vec<String>,
    /// Why it has not done what it was to do.
    pub(super) error: Option<String>,
}

/// A command that undoes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undo {
    pub(super) words: Vec<String>,
    pub(super) limit: Duration,
    pub(super) log: PathBuf,
}

/// What is still to be undone: also by whoever is interrupted.
#[derive(Clone, Debug, Default)]
pub struct Undos(Arc<Mutex<Vec<Undo>>>);

impl Undos {
    pub(super) fn add(&self, undo: &Undo) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(undo.clone());
    }

    /// Undoes it, once.
    pub(super) async fn undo(&self, undo: &Undo) -> Ran {
        let ran = run(&undo.words, undo.limit, &undo.log).await;
        let mut undos = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = undos.iter().position(|other| other == undo) {
            undos.remove(at);
        }
        ran
    }

    /// Undoes what is left, the last first, and says what came of it, a line each.
    pub async fn all(&self) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).last().cloned();
            let Some(undo) = last else { return said };
            said.extend(self.undo(&undo).await.said);
        }
    }
}

/// Runs a program to its end, within the limit; what it writes goes to the end of the log, too. What it has left running goes on,
/// unless it is late itself.
pub(super) async fn run(words: &[String], limit: Duration, log: &Path) -> Ran {
    let mut said = vec![format!("$ {}", words.join(" "))];
    let begun = Instant::now();
    let (how, is_done, written) = match ended(words, limit, log).await {
        Ok((Some(status), written)) => (status.to_string(), status.success(), written),
        Ok((None, written)) => (format!("killed, for it had not ended within {limit:?}"), false, written),
        Err(error) => (error.to_string(), false, String::new()),
    };
    let lines: Vec<&str> = written.lines().collect();
    said.extend(lines[lines.len().saturating_sub(LINES)..].iter().map(|line| line.chars().take(LINE).collect()));
    said.push(format!("({how}, after {:.1} s)", begun.elapsed().as_secs_f64()));
    let error = (!is_done).then(|| format!("`{}` has failed: {how}", words.join(" ")));
    Ran { said, error }
}

/// How it has ended, if it has within the limit, and what it has written.
async fn ended(words: &[String], limit: Duration, log: &Path) -> io::Result<(Option<ExitStatus>, String)> {
    let [program, arguments @ ..] = words else { return Err(io::Error::other("there is no program")) };
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(log)?;
    let from = file.metadata()?.len();
    let mut command = Command::new(program);
    // To a file and not to us: what it leaves running may write for as long as it likes.
    command.args(arguments).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?).process_group(0);
    let mut running = Running::of(command.spawn()?);
    let status = timeout(limit, running.child.wait()).await.ok().transpose()?;
    if status.is_some() {
        running.group = None;
    }
    drop(running);
    Ok((status, written(&mut file, from)?))
}

fn written(file: &mut File, from: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A command that has not ended: with all that it has started it is killed when nobody waits for it any more.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn of(child: Child) -> Self {
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Self { child, group }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}
