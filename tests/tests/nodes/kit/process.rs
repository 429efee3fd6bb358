//! A node as a process.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a node may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// It is killed when it is dropped.
pub(crate) struct Process {
    /// What the node is called.
    pub(crate) id: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts it, and waits until it is ready.
    pub(super) async fn start(variables: &[(&str, String)], log: PathBuf) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = timeout(PATIENCE, lines.next_line()).await;
        let ready = ready.ok().and_then(Result::ok).flatten();
        let id = ready.and_then(|line| line.strip_prefix("ready ").map(str::to_owned));
        let id = id.unwrap_or_else(|| {
            panic!("a node did not start:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        });
        Self { id, log, child }
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and its end.
    pub(crate) async fn stop(mut self) {
        self.signal("TERM");
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let said = self.said();
        assert!(ended.is_ok_and(|ended| ended.unwrap().success()), "a node did not end cleanly:\n{said}");
    }

    /// SIGSTOP.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// What its log says.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}
