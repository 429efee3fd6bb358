use super::address::{Address, Topology, Transport};
use super::failure::{Cause, Failure};
use super::keys::Keys;
use super::{ConnectError, Eviction, RedisDirectory, RedisOptions, millis};
use crate::port::directory::Error;
use deadpool_redis::redis::{self, ErrorKind, RedisError};
use std::collections::HashSet;
use std::io;
use std::time::Duration;

fn read(url: &str) -> String {
    match Address::read(url) {
        Ok(address) => format!("{:?} {:?} {}", address.topology, address.transport, address.urls().join(" ")),
        Err(reason) => reason,
    }
}

#[test]
fn addresses_are_read() {
    let check = |url: &str, wanted: &str| assert_eq!(read(url), wanted, "{url}");
    check("redis://cache", "Server Tcp redis://cache:6379/0");
    check("redis://cache:7000/", "Server Tcp redis://cache:7000/0");
    check("rediss://u:p%40@[::1]:7000/3", "Server Tls rediss://u:p%40@[::1]:7000/3");
    check("redis://:a@b@cache", "Server Tcp redis://:a@b@cache:6379/0");
    check("redis+cluster://:p@a,b:7001", "Cluster Tcp redis://:p@a:6379/0 redis://:p@b:7001/0");
    check("rediss+cluster://a/0", "Cluster Tls rediss://a:6379/0");
    let sentinel = "Sentinel { master: \"m\" } Tcp redis://a:26379 redis://b:7001";
    check("redis+sentinel://u:p@a,b:7001/m/2", sentinel);
    check("redis+sentinel://a,b:7001/m", sentinel);
    let master = Address::read("rediss+sentinel://u:p@a/m/2").unwrap();
    assert_eq!((master.topology, master.transport), (Topology::Sentinel { master: "m".into() }, Transport::Tls));
    assert_eq!(Address::read("rediss+sentinel://u:p@a/m/2").unwrap().url(), "rediss://u:p@a:26379/2");
}

#[test]
fn addresses_are_refused_in_words() {
    let check = |url: &str, wanted: &str| assert!(read(url).contains(wanted), "{url}: {}", read(url));
    check("cache:6379", "a directory is redis://HOST:PORT/DATABASE");
    check("valkey://cache", "a directory is redis://HOST:PORT/DATABASE");
    check("redis://", "a host is HOST or HOST:PORT with a port of 1 to 65535, not \"\"");
    check("redis://cache:0", "not \"cache:0\"");
    check("redis://cache:99999", "not \"cache:99999\"");
    check("redis+cluster://a,,b", "not \"\"");
    check("redis://a,b", "redis:// names one host");
    check("redis://cache/main", "the database of Redis is a number, not \"main\"");
    check("redis+cluster://a/1", "a cluster of Redis has the database 0 alone, not 1");
    check("redis+sentinel://a", "names a master after its hosts");
    check("redis://u:geheim@cache/0?protocol=resp3", "nothing follows the database");
    check("rediss://cache#insecure", "nothing follows the database");
    for url in ["redis://u:geheim@cache:0", "redis://u:geheim@a,b", "redis://u:geheim@cache/main"] {
        assert!(!read(url).contains("geheim"), "{}", read(url));
    }
}

#[test]
fn an_address_is_shown_without_its_secrets() {
    let shown = |url| Address::read(url).unwrap().to_string();
    assert_eq!(shown("redis://u:geheim@cache/1"), "cache:6379");
    assert_eq!(shown("redis+cluster://u:geheim@a,b"), "a:6379,b:6379");
    assert_eq!(shown("redis+sentinel://u:geheim@a/m"), "the master \"m\" of the Sentinels a:26379");
    let directory = RedisDirectory::new(RedisOptions::new("redis://u:geheim@cache/1", "test")).unwrap();
    assert_eq!(format!("{directory:?}"), "RedisDirectory(cache:6379)");
}

#[test]
fn keys_have_one_hash_tag_and_documented_names() {
    let keys = Keys::new("default");
    assert_eq!(keys.of_kind("agent"), ["{cb:default}:agent", "{cb:default}:agent/values"]);
    assert_eq!(keys.of_kind("node")[0], "{cb:default}:node");
    assert_eq!(keys.of_kind("capability:text.review")[0], "{cb:default}:capability:text.review");
    assert_eq!(keys.of_kind("partition")[0], "{cb:default}:kind:partition");
    assert_eq!(keys.lease("partition.3"), "{cb:default}:lease:partition.3");
}

#[test]
fn no_two_things_share_a_key() {
    let keys = Keys::new("ns");
    let names =
        ["a", "agent", "agents", "agent:a", "kind", "kind:a", "kind:agent", "lease", "lease:a", "probe", "values"];
    let of_kinds = names.iter().flat_map(|kind| keys.of_kind(kind));
    let of_leases = names.iter().map(|name| keys.lease(name));
    let all: Vec<String> = of_kinds.chain(of_leases).chain([keys.probe()]).collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 3 * names.len() + 1, "{all:?}");
    assert!(all.iter().all(|key| key.starts_with("{cb:ns}:")));
}

#[test]
fn a_time_to_live_is_never_shortened() {
    assert_eq!(millis(Duration::from_millis(1)).unwrap(), "1");
    assert_eq!(millis(Duration::from_micros(1_001)).unwrap(), "2");
    assert_eq!(millis(Duration::MAX).unwrap(), "31536000000000");
    assert!(matches!(millis(Duration::from_micros(999)), Err(Error::Refused { .. })));
}

#[test]
fn what_was_not_done_is_told_from_what_may_have_been() {
    let check = |error: RedisError, wanted: &str| {
        let failure = Failure::of(&error);
        let name = format!("{failure:?}");
        let kind = name.split('(').next().unwrap_or_default();
        assert_eq!(kind, wanted, "{error}");
    };
    let server = |line: &str| redis::parse_redis_value(line.as_bytes()).unwrap().extract_error().unwrap_err();
    for code in ["READONLY", "LOADING", "MASTERDOWN", "MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN"] {
        check(server(&format!("-{code} 1 127.0.0.1:1\r\n")), "Displaced");
    }
    for code in ["ERR", "NOAUTH", "OOM", "MISCONF", "WRONGTYPE", "NOPERM"] {
        check(server(&format!("-{code} no\r\n")), "Refused");
    }
    check(io::Error::from(io::ErrorKind::BrokenPipe).into(), "Unanswered");
    check(io::Error::from(io::ErrorKind::TimedOut).into(), "Unanswered");
    check((ErrorKind::Parse, "no").into(), "Unanswered");
    check((ErrorKind::UnexpectedReturnType, "no").into(), "Unanswered");
}

#[test]
fn what_was_seen_is_in_words() {
    let of = |error: RedisError| {
        let trouble = Failure::of(&error).trouble();
        (trouble.cause, trouble.seen)
    };
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused).into();
    assert_eq!(of(refused), (Cause::Away, "it refuses the connection".into()));
    let late = io::Error::from(io::ErrorKind::TimedOut).into();
    assert_eq!(of(late), (Cause::Away, "it does not answer in time".into()));
    let tls = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::HandshakeNotComplete).into();
    assert_eq!(of(tls), (Cause::Tls, "handshake not complete".into()));
}

#[test]
fn the_policy_of_a_full_memory_is_read() {
    assert_eq!(Eviction::read("used_memory:1\r\nmaxmemory_policy:noeviction\r\n"), Eviction::Refuses);
    let forgets = Eviction::Forgets { policy: "allkeys-lru".into() };
    assert_eq!(Eviction::read("maxmemory_policy:allkeys-lru\r\n"), forgets);
    assert_eq!(Eviction::read(""), Eviction::Untold);
}

#[test]
fn options_that_fit_nothing_are_refused() {
    let refused = |options: RedisOptions| match RedisDirectory::new(options) {
        Err(ConnectError::Options { reason }) => reason,
        other => panic!("{other:?}"),
    };
    let with = |url: &str| RedisOptions { ca_file: Some("/nowhere.pem".into()), ..RedisOptions::new(url, "test") };
    assert!(refused(RedisOptions::new("redis://cache", "a}b")).starts_with("a name space is"));
    assert!(refused(RedisOptions::new("http://cache", "test")).starts_with("a directory is redis://"));
    assert!(refused(with("redis://cache")).contains("write rediss instead of redis"));
    assert!(refused(with("rediss+cluster://cache")).contains("set SSL_CERT_FILE to /nowhere.pem"));
    assert!(refused(with("rediss://cache")).contains("can not be read from /nowhere.pem"));
}
