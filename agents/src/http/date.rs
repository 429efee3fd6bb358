//! The dates of HTTP.

#[cfg(test)]
mod tests;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that servers may send (RFC 9110,
/// section 5.6.7). Leap seconds count as the second after.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let parts: Vec<_> = text.split_ascii_whitespace().collect();
    let [_weekday, day, month, year, time, "GMT"] = parts[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let [hour, minute, second]: [i64; 3] =
        time.split(':').map(|part| part.parse().ok()).collect::<Option<Vec<_>>>()?.try_into().ok()?;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let in_range = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    let in_day = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    (in_range && in_day).then(|| days(year, month as i64 + 1, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days since 1970. The year is counted from March, so that the leap day is its last (Hinnant, "chrono-compatible
/// low-level date algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
