//! What a node is joined to: its store, its bus and its directory.

use super::row::{Amount, Field};
use super::server::ServerUrl;
use super::units;
use std::fmt;
use std::path::PathBuf;

/// Where the journal is kept; written `{ url = "file://FOLDER" }` or `{ url = "memory:" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreSettings {
    /// A folder, owned by one process at a time.
    Folder(PathBuf),
    /// The memory of this process: gone when it ends.
    Memory,
    /// A bucket, `s3://BUCKET/PREFIX`.
    S3(ServerUrl),
}

/// What carries tasks to agents; written `{ url = "memory:" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusSettings {
    /// This process.
    #[default]
    Memory,
    /// RabbitMQ, `amqp://HOST:PORT/VHOST` or `amqps://...`; several brokers of one cluster are `HOST:PORT,HOST:PORT`.
    Amqp(ServerUrl),
}

/// Where agents are registered; written `{ url = "memory:" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectorySettings {
    /// This process.
    #[default]
    Memory,
    /// Redis: `redis://HOST:PORT/DATABASE`, `redis+sentinel://HOST,HOST/MASTER/DATABASE`, `redis+cluster://HOST,HOST`, or
    /// the same with `rediss` for TLS.
    Redis(ServerUrl),
}

/// One server, the master that Sentinels know, a cluster; each with and without TLS.
const REDIS: [&str; 6] = ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"];

impl Default for StoreSettings {
    fn default() -> Self {
        Self::Folder(".callboard".into())
    }
}

/// Something that a setting may name and this build has no adapter for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lacking<'a> {
    /// What was named, in a word.
    pub(super) what: &'static str,
    pub(super) url: &'a ServerUrl,
    /// The feature of the crate that brings the adapter.
    pub(super) feature: &'static str,
}

impl StoreSettings {
    pub(super) fn lacking(&self) -> Option<Lacking<'_>> {
        match self {
            Self::S3(url) if !cfg!(feature = "s3") => Some(Lacking { what: "S3", url, feature: "s3" }),
            Self::S3(_) | Self::Folder(_) | Self::Memory => None,
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Folder(folder) => format!("file://{}", folder.display()),
            Self::Memory => "memory:".to_owned(),
            Self::S3(url) => url.with_secrets().to_owned(),
        }
    }
}

impl BusSettings {
    pub(super) fn lacking(&self) -> Option<Lacking<'_>> {
        match self {
            Self::Amqp(url) if !cfg!(feature = "rabbitmq") => {
                Some(Lacking { what: "RabbitMQ", url, feature: "rabbitmq" })
            }
            Self::Amqp(_) | Self::Memory => None,
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::Amqp(url) => url.with_secrets().to_owned(),
        }
    }
}

impl DirectorySettings {
    pub(super) fn lacking(&self) -> Option<Lacking<'_>> {
        match self {
            Self::Redis(url) if !cfg!(feature = "redis") => Some(Lacking { what: "Redis", url, feature: "redis" }),
            Self::Redis(_) | Self::Memory => None,
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::Redis(url) => url.with_secrets().to_owned(),
        }
    }
}

impl Lacking<'_> {
    /// Seen, known, and what to do.
    pub(super) fn in_words(&self, key: &str) -> String {
        let Self { what, url, feature } = self;
        format!(
            "{key} is {:?}, and this build has no adapter for {what}: leave {key} out, or build with the feature \
             {feature:?} of the crate callboard (\"cluster\" has all three)",
            url.to_string()
        )
    }
}

impl Field for StoreSettings {
    fn amount(&self) -> Amount {
        Amount::Text(self.url())
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let url = text(amount)?;
        *self = match url.split_once(':') {
            Some(("memory", "")) => Self::Memory,
            Some(("file", rest)) => match rest.strip_prefix("//").unwrap_or(rest) {
                "" => return Err("a store's folder is written \"file://FOLDER\"".to_owned()),
                folder => Self::Folder(folder.into()),
            },
            _ => Self::S3(server("a store is \"file://FOLDER\", \"memory:\" or \"s3://BUCKET\"", &url, &["s3"])?),
        };
        Ok(())
    }
}

impl Field for BusSettings {
    fn amount(&self) -> Amount {
        Amount::Text(self.url())
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let url = text(amount)?;
        *self = match url.as_str() {
            "memory:" => Self::Memory,
            _ => Self::Amqp(server("a bus is \"memory:\" or \"amqp://HOST\"", &url, &["amqp", "amqps"])?),
        };
        Ok(())
    }
}

impl Field for DirectorySettings {
    fn amount(&self) -> Amount {
        Amount::Text(self.url())
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let url = text(amount)?;
        *self = match url.as_str() {
            "memory:" => Self::Memory,
            _ => Self::Redis(server("a directory is \"memory:\" or \"redis://HOST\"", &url, &REDIS)?),
        };
        Ok(())
    }
}

fn text(amount: Amount) -> Result<String, String> {
    match amount {
        Amount::Text(url) => Ok(url),
        other => Err(format!("{other:?} is no location")),
    }
}

/// A server, or what was wanted and what was seen.
fn server(wanted: &str, url: &str, schemes: &[&str]) -> Result<ServerUrl, String> {
    ServerUrl::read(url, schemes).map_err(|reason| {
        let seen = units::without_secrets(url);
        let has_scheme = url.split_once("://").is_some_and(|(scheme, _)| schemes.contains(&scheme));
        let why = if has_scheme { format!(": {reason}") } else { String::new() };
        format!("{wanted}, not {seen:?}{why}")
    })
}

impl fmt::Display for StoreSettings {
    /// In words, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "the folder {}", folder.display()),
            Self::Memory => f.write_str("this process, gone when it ends"),
            Self::S3(url) => write!(f, "{url}"),
        }
    }
}

impl fmt::Display for BusSettings {
    /// In words, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("in process"),
            Self::Amqp(url) => write!(f, "{url}"),
        }
    }
}

impl fmt::Display for DirectorySettings {
    /// In words, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("in process"),
            Self::Redis(url) => write!(f, "{url}"),
        }
    }
}
