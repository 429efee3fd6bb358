//! Durations and sizes with their units, and locations without their secrets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Milliseconds by unit, the largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Bytes by unit, the largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A duration of the table; a malformed one does not compile.
pub(super) const fn time_of(text: &str) -> Duration {
    Duration::from_millis(number_of(text, &TIMES))
}

/// A size of the table; a malformed one does not compile.
pub(super) const fn bytes_of(text: &str) -> u64 {
    number_of(text, &SIZES)
}

/// An address of the table. A test sees to it that none is malformed.
pub(super) fn address_of(text: &str) -> SocketAddr {
    text.parse().unwrap_or(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))
}

const fn number_of(text: &str, units: &[(&str, u64)]) -> u64 {
    let (text, mut number, mut at) = (text.as_bytes(), 0, 0);
    while at < text.len() && text[at].is_ascii_digit() {
        number = number * 10 + (text[at] - b'0') as u64;
        at += 1;
    }
    let (_, unit) = text.split_at(at);
    let mut n = 0;
    while n < units.len() {
        if is_same(unit, units[n].0.as_bytes()) {
            return number * units[n].1;
        }
        n += 1;
    }
    panic!("a number with a unit");
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Reads a duration: `"250ms"`, `"30s"`, `"1h 30m"`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{text:?} is no duration such as \"30s\": {error}"))
}

/// Reads a size in bytes: `"64KiB"`, `"8MiB"`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let size: Result<bytesize::ByteSize, _> = text.parse();
    size.map(|size| size.as_u64()).map_err(|error| format!("{text:?} is no size such as \"8MiB\": {error}"))
}

/// Writes a duration so that [`time`] reads the same: in the largest unit of which it is a whole number.
pub(crate) fn show_time(time: Duration) -> String {
    match u64::try_from(time.as_millis()) {
        Ok(0) if time.is_zero() => "0s".to_owned(),
        Ok(millis) if time == Duration::from_millis(millis) => show(millis, &TIMES),
        _ => humantime::format_duration(time).to_string(),
    }
}

/// Writes a size so that [`bytes`] reads the same.
pub(super) fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZES)
}

fn show(number: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().find(|(_, size)| number >= *size && number.is_multiple_of(*size));
    fitting.map_or_else(
        || format!("{number}{}", units[units.len() - 1].0),
        |(unit, size)| format!("{}{unit}", number / size),
    )
}

/// A location without what must not be shown of it: passwords, and whatever is said after a question mark.
///
/// What has no proper form loses more rather than less: a password that was not escaped is one all the same.
pub(super) fn without_secrets(url: &str) -> String {
    let (place, query) = url.split_once('?').map_or((url, ""), |(place, _)| (place, "?***"));
    let Some((scheme, rest)) = place.split_once("://") else {
        let shown = place.rsplit_once('@').map_or_else(|| place.to_owned(), |(_, host)| format!("***@{host}"));
        return shown + query;
    };
    // Without a colon before it, an "@" behind a slash is a part of the path.
    let secret = rest.rsplit_once('@').filter(|(user, _)| user.contains(':') || !user.contains('/'));
    let shown = match secret.map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{user}:***@{host}"),
        Some((None, _)) | None => rest.to_owned(),
    };
    format!("{scheme}://{shown}{query}")
}
