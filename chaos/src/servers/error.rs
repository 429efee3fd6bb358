//! What can go wrong with a server, in words that say what to do.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a server could not be started, asked or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program is not on this machine.
    #[error("{program} is not installed: run `make services`, which installs it")]
    Missing {
        /// The program that was looked for.
        program: String,
    },
    /// The program is there and cannot be run.
    #[error("{program} cannot be run")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder of the server cannot be written or read.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process ended although it should serve.
    #[error("{server} ended with {status} before it answered: {last}; all of it is in {}", log.display())]
    Ended {
        /// The server.
        server: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last line that it wrote.
        last: String,
        /// Where the others are.
        log: PathBuf,
    },
    /// Somebody else has taken one of the ports between the choice and the start; another try takes others.
    #[error("{server} found one of its ports taken: start it again; its words are in {}", log.display())]
    PortTaken {
        /// The server.
        server: &'static str,
        /// Its words.
        log: PathBuf,
    },
    /// The process lives and does not serve.
    #[error("{server} did not answer within {limit:?} ({seen}): read {}", log.display())]
    Silent {
        /// The server.
        server: &'static str,
        /// How long it was waited for.
        limit: Duration,
        /// What the last question met.
        seen: String,
        /// What the server wrote.
        log: PathBuf,
    },
    /// The server is not running now: it was killed or stopped.
    #[error("{server} is not running: call `start_again` first")]
    Stopped {
        /// The server.
        server: &'static str,
    },
    /// The server, or a program that manages it, said no.
    #[error("{asked} was refused: {said}")]
    Refused {
        /// What was asked.
        asked: String,
        /// The answer.
        said: String,
    },
    /// The connection to the server broke, or it did not answer in time.
    #[error("{asked} got no answer")]
    NoAnswer {
        /// What was asked.
        asked: String,
        /// What the system said.
        source: io::Error,
    },
    /// The shared servers have not been started.
    #[error("no servers ({}): run `make services`", seen)]
    NoServers {
        /// What was found instead.
        seen: String,
    },
}

impl Error {
    /// For `map_err`: an error of this file or folder.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
