//! The first contact, which says in words what is wrong.

use super::address::Address;
use super::failure::{Cause, Failure};
use super::options::RedisOptions;
use super::script::{self, Request};
use super::{RedisDirectory, Repeat};
use crate::port::directory::Error;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Why there is no directory on this Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The options can not be used, whatever is there.
    #[error("{reason}")]
    Options {
        /// What is wrong with them, and what they may be.
        reason: String,
    },
    /// It could not be reached, or took no writes, for as long as it was tried.
    #[error("the directory at {at} can not be used: {seen}; start Redis there, or correct the address")]
    Away {
        /// Where.
        at: String,
        /// What was seen last.
        seen: String,
    },
    /// It is there and lets nobody in with this user and password.
    #[error("the directory at {at} refuses: {seen}; give the user and the password in its URL")]
    Denied {
        /// Where.
        at: String,
        /// What it said.
        seen: String,
    },
    /// Something else listens there.
    #[error("what listens at {at} is no Redis that can be used: {seen}")]
    NotRedis {
        /// Where.
        at: String,
        /// What it said.
        seen: String,
    },
    /// There is no trust between the two.
    #[error("TLS with the directory at {at} fails: {seen}; are its port and its authority the right ones?")]
    Tls {
        /// Where.
        at: String,
        /// What was seen.
        seen: String,
    },
}

/// What a Redis does when its memory is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It refuses writes, and keeps what it has: what is wanted.
    Refuses,
    /// It forgets keys by this policy, registrations and leases among them.
    Forgets {
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// It does not say.
    Untold,
}

impl Eviction {
    /// From the section `memory` of `INFO`.
    pub(super) fn read(info: &str) -> Self {
        match info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim) {
            Some("noeviction") => Self::Refuses,
            Some(policy) => Self::Forgets { policy: policy.to_owned() },
            None => Self::Untold,
        }
    }
}

impl RedisDirectory {
    /// A directory on a Redis that is there: waits for it for as long as [`RedisOptions::start`] says, and has it take a
    /// write. Warns in the log of one that forgets when its memory is full.
    ///
    /// # Errors
    ///
    /// What is wrong, in words. What waiting can not mend is told at once.
    pub async fn connect(options: RedisOptions) -> Result<Self, ConnectError> {
        let (deadline, directory) = (Instant::now() + options.start, Self::new(options)?);
        let eviction = loop {
            match directory.probe().await {
                Ok(eviction) => break eviction,
                Err(failure) => {
                    let trouble = failure.trouble();
                    let is_over = Instant::now() + PAUSE >= deadline;
                    if trouble.cause != Cause::Away || is_over {
                        return Err(ConnectError::of(&directory.address, trouble.cause, trouble.seen));
                    }
                    sleep(PAUSE).await;
                }
            }
        };
        let at = &directory.address;
        match eviction {
            Eviction::Refuses => {}
            Eviction::Forgets { policy } => tracing::warn!(
                %at, policy,
                "the directory forgets registrations and leases when its memory is full; set maxmemory-policy to noeviction"
            ),
            Eviction::Untold => tracing::debug!(%at, "the directory does not say what it does when its memory is full"),
        }
        Ok(directory)
    }

    /// Asks what the Redis does when its memory is full.
    ///
    /// # Errors
    ///
    /// As every call of a directory.
    pub async fn eviction(&self) -> Result<Eviction, Error> {
        Ok(self.probe().await?)
    }

    async fn probe(&self) -> Result<Eviction, Failure> {
        let request = Request::new(&script::PROBE, [self.keys.probe()]);
        let info: String = self.call(&request, Repeat::Always).await?;
        Ok(Eviction::read(&info))
    }
}

impl ConnectError {
    fn of(address: &Address, cause: Cause, seen: String) -> Self {
        let at = address.to_string();
        match cause {
            Cause::Away => Self::Away { at, seen },
            Cause::Denied => Self::Denied { at, seen },
            Cause::NotRedis => Self::NotRedis { at, seen },
            Cause::Tls => Self::Tls { at, seen },
        }
    }
}
