//! One server process of our own, and the signals to it.

use super::{Error, guard};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a process is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// A process with all that it starts: the leader of a process group. It ends when it is dropped, and with us.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    group: Pid,
    /// Whether it was killed or stopped: the ids are somebody else's from then on.
    is_over: bool,
    log: PathBuf,
    /// Where its own words begin in the log; those of earlier ones are before.
    from: u64,
}

impl Process {
    /// Starts the program with its output at the end of the log, in a process group of its own.
    pub(crate) fn spawn(name: &'static str, mut command: Command, log: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().create(true).append(true).open(log).map_err(Error::file(log))?;
        let from = file.metadata().map_err(Error::file(log))?.len();
        let also = file.try_clone().map_err(Error::file(log))?;
        command.stdin(Stdio::null()).stdout(file).stderr(also).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|source| Error::Spawn { program, source })?;
        let group = Pid::from_child(&child);
        let process = Self { name, child, group, is_over: false, log: log.to_owned(), from };
        guard::watch(group)?;
        Ok(process)
    }

    /// The id of the process, which is that of its group too.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Leaves it running when we end, and gives its id.
    pub(crate) fn detach(self) -> u32 {
        guard::forget(self.group);
        let id = self.id();
        std::mem::forget(self); // what is dropped is killed
        id
    }

    /// Its last line of output that says something.
    pub(crate) fn last_words(&self) -> String {
        let all = read(&self.log, self.from);
        let last = all.lines().rev().find(|line| !line.trim().is_empty());
        last.unwrap_or("it wrote nothing").trim().to_owned()
    }

    /// What is wrong with it, if it is not running.
    pub(crate) fn ended(&mut self) -> Option<Error> {
        let status = self.child.try_wait().ok()??;
        let (server, log) = (self.name, self.log.clone());
        if port_taken(&read(&log, self.from)) {
            return Some(Error::PortTaken { server, log });
        }
        Some(Error::Ended { server, status, last: self.last_words(), log })
    }

    /// Asks until the probe is content; gives up when the process ends or the limit is over.
    ///
    /// The probe's error says what it met.
    pub(crate) async fn answers(
        &mut self,
        limit: Duration,
        probe: impl AsyncFn() -> Result<(), String>,
    ) -> Result<(), Error> {
        let until = Instant::now() + limit;
        let mut seen = "no answer".to_owned();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, probe()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(met)) => seen = met,
                Err(_) => {}
            }
            if let Some(error) = self.ended() {
                return Err(error);
            }
            if left.is_zero() {
                return Err(Error::Silent { server: self.name, limit, seen, log: self.log.clone() });
            }
            sleep(LOOK).await;
        }
    }

    /// The same until it has written these words.
    pub(crate) async fn says(&mut self, limit: Duration, words: &str) -> Result<(), Error> {
        let (log, from) = (self.log.clone(), self.from);
        let said = async || match read(&log, from).contains(words) {
            true => Ok(()),
            false => Err(format!("it has not said `{words}`")),
        };
        self.answers(limit, said).await
    }

    /// SIGKILL to the whole group; returns when the leader is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.reap();
    }

    /// SIGTERM, and SIGKILL for what is still there after the limit.
    pub(crate) async fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Ok(Some(_)) = self.child.try_wait() {
                return self.reap();
            }
            sleep(LOOK).await;
        }
        self.signal(Signal::KILL);
        self.reap()
    }

    /// SIGSTOP: the process keeps its connections and does nothing.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: it goes on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// As long as the leader has not been waited for, its id and that of its group are nobody else's.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_over {
            return;
        }
        // A group that has ended by itself needs no signal.
        let _gone = kill_process_group(self.group, signal);
    }

    fn reap(&mut self) -> ExitStatus {
        if !self.is_over {
            self.signal(Signal::KILL); // what it has left behind
            guard::forget(self.group);
            self.is_over = true;
        }
        // A child that was killed is there to be waited for; the only error is that somebody has done so.
        self.child.wait().unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What redis, RabbitMQ and Ceph say when a port is somebody else's.
fn port_taken(log: &str) -> bool {
    let tail: Vec<&str> = log.lines().rev().take(60).collect();
    let says = ["address already in use", "eaddrinuse", "address in use"];
    tail.iter().any(|line| says.iter().any(|word| line.to_ascii_lowercase().contains(word)))
}

/// What is in the log from there on; nothing if it cannot be read.
fn read(log: &Path, from: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut bytes)
    });
    read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
