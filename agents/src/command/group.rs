//! One running program and all that it starts: a process group that does not outlive its value.

use super::CommandSettings;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::process::ExitStatus;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// A process group. Dropping it kills all of the group; tokio reaps the leader.
///
/// The number of a group is free again once its leader is reaped and its members are gone. So the group is killed
/// *before* the leader is reaped, always: the number can not have become another's.
pub(super) struct Group {
    child: Child,
    id: Pid,
    reaped: bool,
}

/// How it came to its end.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself.
    Exited { status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8> },
    /// It was killed, because it printed more than it may.
    TooMuch,
    /// It was killed, because its time was over.
    TooLong,
}

impl Group {
    /// Starts the program, as the leader of a new group.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other("the program has no process id"))?;
        Ok(Self { child, id, reaped: false })
    }

    /// Gives it its input and waits for its end, within the limits.
    pub(super) async fn run(mut self, input: &[u8], limits: &CommandSettings) -> io::Result<Ended> {
        let talked = timeout(limits.timeout, self.talk(input, limits)).await;
        // Whatever the leader has left behind goes with it.
        self.kill();
        let status = self.child.wait().await?;
        self.reaped = true;
        Ok(match talked {
            Ok(Ok((stdout, stderr))) => Ended::Exited { status, stdout, stderr },
            Ok(Err(Trouble::TooMuch)) => Ended::TooMuch,
            Ok(Err(Trouble::Io(error))) => return Err(error),
            Err(_elapsed) => Ended::TooLong,
        })
    }

    /// Until the leader has ended, and everybody has closed what it printed to.
    async fn talk(&mut self, input: &[u8], limits: &CommandSettings) -> Result<(Vec<u8>, Vec<u8>), Trouble> {
        let (stdin, stdout, stderr) = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program need not read its input: a closed pipe is no fault.
                let _unread = stdin.write_all(input).await;
            }
            Ok(())
        };
        let ended = async {
            exited(self.id).await?;
            self.kill();
            Ok(())
        };
        let stdout = all_of(stdout, limits.stdout_bytes_max);
        let stderr = last_of(stderr, limits.stderr_bytes_max);
        let ((), (), stdout, stderr) = tokio::try_join!(write, ended, stdout, stderr)?;
        Ok((stdout, stderr))
    }

    /// Kills every process of the group. The leader is not reaped yet.
    fn kill(&self) {
        let _gone = kill_process_group(self.id, Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
        }
    }
}

enum Trouble {
    TooMuch,
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Returns when the process has ended, and leaves it to be reaped.
async fn exited(id: Pid) -> io::Result<()> {
    // Listening begins before the first look, so that no end is missed.
    let mut children = signal(SignalKind::child())?;
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while waitid(WaitId::Pid(id), look)?.is_none() {
        children.recv().await;
    }
    Ok(())
}

/// All that comes, if it is not more than `bytes_max`.
async fn all_of(from: Option<impl AsyncRead + Unpin>, bytes_max: usize) -> Result<Vec<u8>, Trouble> {
    let Some(from) = from else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    from.take(bytes_max as u64 + 1).read_to_end(&mut all).await?;
    if all.len() > bytes_max { Err(Trouble::TooMuch) } else { Ok(all) }
}

/// The last `bytes_max` bytes of what comes.
async fn last_of(from: Option<impl AsyncRead + Unpin>, bytes_max: usize) -> Result<Vec<u8>, Trouble> {
    let Some(mut from) = from else { return Ok(Vec::new()) };
    let mut last = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(last);
        }
        last.extend_from_slice(&chunk[..read]);
        last.drain(..last.len().saturating_sub(bytes_max));
    }
}
