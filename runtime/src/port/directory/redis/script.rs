//! The scripts, each atomic, and how a server is asked to run one.

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisResult, ServerErrorKind};
use std::sync::LazyLock;

/// A script of Redis. It changes only the keys that it is given, all of one hash tag, and checks before it writes.
pub(super) struct Script {
    source: &'static str,
    hash: LazyLock<String>,
}

macro_rules! script {
    ($($part:literal),+) => {{
        const SOURCE: &str = concat!($(include_str!(concat!("lua/", $part, ".lua"))),+);
        Script { source: SOURCE, hash: LazyLock::new(|| deadpool_redis::redis::Script::new(SOURCE).get_hash().to_owned()) }
    }};
}

pub(super) static PUT: Script = script!("now", "bury", "put");
pub(super) static REMOVE: Script = script!("remove");
pub(super) static SWEEP: Script = script!("now", "bury", "sweep");
pub(super) static ACQUIRE: Script = script!("acquire");
pub(super) static RENEW: Script = script!("renew");
pub(super) static RELEASE: Script = script!("release");
pub(super) static HOLD: Script = script!("now", "hold");
pub(super) static PROBE: Script = script!("probe");

/// One request: a script, and what may be read in the same transaction.
pub(super) struct Request {
    script: &'static Script,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
    read: Option<Cmd>,
}

/// How a script is named to the server.
#[derive(Clone, Copy)]
enum By {
    Hash,
    Source,
}

impl Request {
    pub(super) fn new<const K: usize>(script: &'static Script, keys: [String; K]) -> Self {
        Self { script, keys: keys.into(), args: Vec::new(), read: None }
    }

    pub(super) fn arg(mut self, arg: impl AsRef<[u8]>) -> Self {
        self.args.push(arg.as_ref().to_vec());
        self
    }

    /// Answers this instead, read after the script and before anybody else's command.
    ///
    /// What is long is not read by the script: it would be copied into Lua and back, which takes three times as long.
    pub(super) fn and_read(mut self, read: Cmd) -> Self {
        self.read = Some(read);
        self
    }

    /// Has it done by a server.
    ///
    /// A server that does not know the script (restarted, promoted, flushed) is told its text and does it at once: unlike
    /// `SCRIPT LOAD`, which a cluster's client sends to every master, this needs only the one that has the keys.
    pub(super) async fn send<T: FromRedisValue>(&self, connection: &mut impl ConnectionLike) -> RedisResult<T> {
        let unknown = ErrorKind::Server(ServerErrorKind::NoScript);
        match self.ask(By::Hash, connection).await {
            Err(error) if error.kind() == unknown => self.ask(By::Source, connection).await,
            answer => answer,
        }
    }

    async fn ask<T: FromRedisValue>(&self, by: By, connection: &mut impl ConnectionLike) -> RedisResult<T> {
        let run = self.command(by);
        let Some(read) = &self.read else {
            return run.query_async(connection).await;
        };
        let mut both = Pipeline::new();
        both.atomic().add_command(run).ignore().add_command(read.clone());
        both.query_async(connection).await.map(|(answer,)| answer)
    }

    fn command(&self, by: By) -> Cmd {
        let mut command = Cmd::new();
        match by {
            By::Hash => command.arg("EVALSHA").arg(&*self.script.hash),
            By::Source => command.arg("EVAL").arg(self.script.source),
        };
        command.arg(self.keys.len()).arg(&self.keys).arg(&self.args);
        command
    }
}
