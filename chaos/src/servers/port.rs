//! Ports of 127.0.0.1 that are free.

use super::Error;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};

/// Below these no port is taken.
const FIRST: u16 = 15_000;
/// Where outgoing connections begin to get their ports, if the system does not say.
const EPHEMERAL: u16 = 32_768;
/// How often a start is tried when somebody else was faster.
const TRIES: u32 = 4;

/// A port of 127.0.0.1 that nobody listens on.
///
/// It lies below those that the system gives to outgoing connections: a client that calls a killed server again and
/// again would otherwise be given the very port that it calls, connect to itself, and keep the server from coming back.
/// Nothing holds the port until the server has it; see [`retry`].
pub(crate) fn free() -> u16 {
    let last = ephemeral().saturating_sub(1).max(FIRST + 1);
    loop {
        // A hasher's keys are random: that is all the randomness that is needed here.
        let port = FIRST + (RandomState::new().hash_one(FIRST) % u64::from(last - FIRST)) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn ephemeral() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok());
    first.filter(|first| *first > FIRST + 1000).unwrap_or(EPHEMERAL)
}

/// Starts with ports that are chosen anew as long as somebody else takes them first, a few times.
pub(crate) async fn retry<T>(start: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..TRIES {
        match start().await {
            Err(Error::PortTaken { .. }) => {}
            done => return done,
        }
    }
    start().await
}
