//! Moments as CloudEvents writes them: RFC 3339.

use std::time::{Duration, UNIX_EPOCH};

/// The last millisecond of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;

/// A moment in milliseconds since 1970, or nothing before that year and after 9999.
pub(super) fn text(unix_ms: i64) -> Option<String> {
    let since = u64::try_from(unix_ms).ok().filter(|since| *since <= LAST_MS)?;
    Some(humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(since)).to_string())
}

/// The moment in milliseconds since 1970; what is finer is cut off.
pub(super) fn read(text: &str) -> Option<i64> {
    let (utc, ahead_ms) = match text.strip_suffix(['Z', 'z']) {
        Some(utc) => (utc, 0),
        None => offset(text)?,
    };
    let moment = humantime::parse_rfc3339(&format!("{}Z", utc.replacen('t', "T", 1))).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()?.checked_sub(ahead_ms)
}

/// What stands before `+hh:mm` or `-hh:mm`, and how far ahead of UTC that is.
fn offset(text: &str) -> Option<(&str, i64)> {
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (sign, clock) = match offset.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then(|| (local, sign * (i64::from(hours) * 60 + i64::from(minutes)) * 60_000))
}
