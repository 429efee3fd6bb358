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
    /// No port could be had for a proxy.
    #[error("a proxy can not be started")]
    Proxy(#[source] io::Error),
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
    /// The environment of a node is not as the suite sets it.
    #[error("a node of the suite is started by the suite alone: {0}")]
    Environment(String),
    /// A node could not be started, or has ended by itself.
    #[error("the node has ended: {0}")]
    Node(String),
}

impl Error {
    pub(super) fn file(file: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let file = file.as_ref().to_owned();
        |source| Self::File { file, source }
    }
}
