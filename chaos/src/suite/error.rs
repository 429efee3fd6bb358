//! Why the suite could not be run.

use crate::servers;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the suite could not be run: nothing is said of the cluster by it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server could not be started.
    #[error("a server can not be used")]
    Server(#[from] servers::Error),
    /// A file can not be written.
    #[error("{} can not be written", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file can not be read.
    #[error("{} can not be read", .file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No port could be had for a proxy.
    #[error("a proxy can not be started")]
    Proxy(#[source] io::Error),
    /// What sets the clocks of nodes is not there.
    #[error("the clocks of nodes can not be set: libfaketime is not installed, which chaos/install does")]
    NoClock,
    /// The client could not be connected.
    #[error("the client can not be connected: {0}")]
    Client(String),
    /// The cluster was never whole.
    #[error("not every partition had an owner {limit:?} after the nodes had started; their logs are in {}", .logs.display())]
    NotWhole {
        /// How long it was waited for.
        limit: Duration,
        /// Where the logs are.
        logs: PathBuf,
    },
    /// Nobody has said that this cluster is meant.
    #[error("the plan is for the cluster {cluster:?}, which is somebody's: say `--attached {cluster}` if it is meant{}", was_said(.said))]
    NotConfirmed {
        /// What it is called.
        cluster: String,
        /// What was said instead.
        said: Option<String>,
    },
    /// A cluster was named, and the plan builds one of its own.
    #[error("the plan {plan} builds a cluster of its own, and `--attached {cluster}` names one that is there")]
    NotAttached {
        /// Which plan.
        plan: String,
        /// What was named.
        cluster: String,
    },
    /// A workflow that is to be submitted can not be used.
    #[error("the workflow {} can not be submitted: {said}", .file.display())]
    Workflow {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        said: String,
    },
    /// The cluster is not well before anything is done to it.
    #[error("nothing was done to the cluster {cluster:?}, which is not well: {said}")]
    NotWell {
        /// What it is called.
        cluster: String,
        /// What was seen.
        said: String,
    },
    /// The environment of a node is not as the suite sets it.
    #[error("a node of the suite is started by the suite alone: {0}")]
    Environment(String),
    /// A node could not be started, or has ended by itself.
    #[error("the node has ended: {0}")]
    Node(String),
}

fn was_said(said: &Option<String>) -> String {
    said.as_ref().map(|said| format!(", not {said:?}")).unwrap_or_default()
}

impl Error {
    pub(super) fn unreadable(file: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let file = file.as_ref().to_owned();
        |source| Self::Unreadable { file, source }
    }

    pub(super) fn file(file: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let file = file.as_ref().to_owned();
        |source| Self::File { file, source }
    }
}
