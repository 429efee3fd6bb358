//! What may go wrong between us and a Redis, sorted by what it means.

use crate::port::directory::Error;
use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind};
use deadpool_redis::{PoolError, TimeoutType};
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a request has no good answer, by what became of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// There was no connection: nothing was sent.
    Unsent(Trouble),
    /// The server has refused, and would again: nothing was done.
    Refused(Trouble),
    /// The server has refused for what it is at the moment: nothing was done. Another connection may lead to a better one.
    Displaced(Trouble),
    /// Sent, and not answered: it may have been done, or will be.
    Unanswered(Trouble),
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) cause: Cause,
    /// In words.
    pub(super) seen: String,
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Time, or whoever runs the server.
    Away,
    /// Whoever has the password.
    Denied,
    /// Whoever wrote the address.
    NotRedis,
    /// Whoever makes certificates.
    Tls,
}

impl Failure {
    /// From what came back instead of an answer.
    pub(super) fn of(error: &RedisError) -> Self {
        let trouble = Trouble::of(error);
        match error.kind() {
            _ if is_displaced(error) => Self::Displaced(trouble),
            ErrorKind::ClusterConnectionNotFound => Self::Displaced(trouble),
            ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::Client => Self::Refused(trouble),
            _ => Self::Unanswered(trouble),
        }
    }

    /// From a connection that there was none of.
    pub(super) fn without_connection(error: &PoolError) -> Self {
        Self::Unsent(match error {
            PoolError::Backend(error) => Trouble::of(error),
            PoolError::Timeout(TimeoutType::Wait) => Trouble::away("all connections are taken".to_owned()),
            PoolError::Timeout(_) => Trouble::away("it does not let us in in time".to_owned()),
            other => Trouble::away(other.to_string()),
        })
    }

    /// From having waited for a connection for as long as a call may take.
    pub(super) fn unsent(limit: Duration) -> Self {
        Self::Unsent(Trouble::away(format!("no connection within {limit:?}")))
    }

    /// From having waited for an answer for this long.
    pub(super) fn silent(limit: Duration) -> Self {
        Self::Unanswered(Trouble::away(format!("no answer within {limit:?}")))
    }

    /// Whether the connection is of no more use, and those like it are suspect.
    pub(super) fn blames_the_connection(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    pub(super) fn trouble(self) -> Trouble {
        match self {
            Self::Unsent(trouble) | Self::Refused(trouble) | Self::Displaced(trouble) | Self::Unanswered(trouble) => {
                trouble
            }
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unanswered(trouble) => Self::Unclear { reason: trouble.seen },
            Failure::Unsent(trouble) | Failure::Refused(trouble) | Failure::Displaced(trouble) => {
                Self::Refused { reason: trouble.seen }
            }
        }
    }
}

impl Trouble {
    pub(super) fn away(seen: String) -> Self {
        Self { cause: Cause::Away, seen }
    }

    fn of(error: &RedisError) -> Self {
        Self { cause: cause(error), seen: in_words(error) }
    }
}

/// What a server answers that is the wrong one for the moment: a replica, one that has lost its master or its place in the
/// cluster, one that is still loading.
const DISPLACED: [&str; 7] = ["ASK", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MOVED", "READONLY", "TRYAGAIN"];

fn is_displaced(error: &RedisError) -> bool {
    // In a transaction the reason is one of several errors.
    let errors = error.clone().into_server_errors();
    errors.is_some_and(|errors| errors.iter().any(|(_, error)| DISPLACED.contains(&error.code())))
}

fn cause(error: &RedisError) -> Cause {
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => Cause::Denied,
        ErrorKind::Parse | ErrorKind::RESP3NotSupported => Cause::NotRedis,
        ErrorKind::Server(ServerErrorKind::Moved) => Cause::NotRedis,
        _ if answered(error).is_some_and(|(code, _)| code == "NOAUTH" || code == "WRONGPASS") => Cause::Denied,
        _ if tls_fault(error).is_some() => Cause::Tls,
        _ => Cause::Away,
    }
}

fn in_words(error: &RedisError) -> String {
    if let Some(fault) = tls_fault(error) {
        return fault;
    }
    if error.kind() == ErrorKind::Server(ServerErrorKind::Moved) {
        return "it belongs to a cluster: write redis+cluster:// instead of redis://".to_owned();
    }
    if let Some((code, details)) = answered(error) {
        return format!("it answers {code}: {details}");
    }
    match error.kind() {
        ErrorKind::MasterNameNotFoundBySentinel => "they know no working master of this name".to_owned(),
        _ if error.is_connection_refusal() => "it refuses the connection".to_owned(),
        _ if error.is_timeout() => "it does not answer in time".to_owned(),
        ErrorKind::AuthenticationFailed => "it refuses the user or the password".to_owned(),
        ErrorKind::Parse => format!("it answers with something else than RESP: {error}"),
        _ => error.to_string(),
    }
}

/// The server's own words, the code apart.
fn answered(error: &RedisError) -> Option<(String, String)> {
    let errors = error.clone().into_server_errors()?;
    let (_, first) = errors.first()?;
    Some((first.code().to_owned(), first.details().unwrap_or_default().to_owned()))
}

/// What TLS has to say, however deep it lies.
fn tls_fault(error: &RedisError) -> Option<String> {
    let mut next = error.source();
    while let Some(fault) = next {
        if let Some(tls) = fault.downcast_ref::<rustls::Error>() {
            return Some(tls.to_string());
        }
        next = within(fault);
    }
    None
}

/// The next deeper one. A shared error and an I/O error name the source of what they hold, and leave out what they hold.
fn within<'a>(fault: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    if let Some(shared) = fault.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
        return Some(&**shared);
    }
    match fault.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(content) => Some(content),
        None => fault.source(),
    }
}
