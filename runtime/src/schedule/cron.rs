//! Cron expressions in time zones.

use callboard_core::{Millis, closest};
use chrono::{DateTime, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::CronDateTime;
use croner::errors::CronError;
use std::str::FromStr;
use std::time::Duration;

/// The longest expression that is looked at.
const BYTES_MAX: usize = 256;

/// How much a zone has ever skipped at once, a day (Samoa, 30 December 2011), and how far its clocks are from UTC at most.
const GAP_MAX: Duration = Duration::from_secs((24 + 14) * 3_600);
/// Such gaps that are looked behind.
const GAPS_MAX: u32 = 4;

/// A cron expression in a time zone.
#[derive(Clone, Debug)]
pub(crate) struct Cron {
    cron: croner::Cron,
    zone: Tz,
    expression: String,
}

impl Cron {
    /// Reads an expression and finds a zone.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in words.
    pub(crate) fn new(expression: &str, zone: &str) -> Result<Self, String> {
        if expression.len() > BYTES_MAX {
            return Err(format!("a cron expression has at most {BYTES_MAX} bytes, not {}", expression.len()));
        }
        let zone = self::zone(zone)?;
        let cron = croner::Cron::from_str(expression).map_err(|error| {
            format!(
                "the cron expression {expression:?} can not be read: {}; write minute, hour, day of the month, \
                 month and day of the week, as in \"0 3 * * 1-5\"",
                in_words(&error)
            )
        })?;
        Ok(Self { cron, zone, expression: expression.to_owned() })
    }

    /// The first match behind `moment`, if there is one before the year 5000.
    pub(crate) fn after(&self, moment: Millis) -> Result<Option<Millis>, String> {
        let mut from = moment;
        for _ in 0..GAPS_MAX {
            let Some(begin): Option<DateTime<Tz>> = self.zone.timestamp_millis_opt(from.0).earliest() else {
                return Ok(None); // so far off that there is no calendar
            };
            if let Some(next) = self.search(&begin)? {
                return Ok(Some(next));
            }
            // The search ends at a gap of more than two hours as if nothing came behind it. By clocks that never change
            // something comes, or it does not; and behind that the search goes on.
            match self.search(&begin.naive_local().and_utc())? {
                Some(next) => from = next.after(GAP_MAX),
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    fn search<Z: TimeZone>(&self, from: &DateTime<Z>) -> Result<Option<Millis>, String>
    where
        DateTime<Z>: CronDateTime,
    {
        match self.cron.find_next_occurrence(from, false) {
            Ok(next) => Ok(Some(Millis(next.timestamp_millis()))),
            Err(CronError::TimeSearchLimitExceeded) => Ok(None),
            Err(error) => Err(format!("the cron expression {:?} leads nowhere: {}", self.expression, in_words(&error))),
        }
    }
}

/// The zone of this name.
fn zone(name: &str) -> Result<Tz, String> {
    Tz::from_str(name).map_err(|_| {
        let shown: String = name.chars().take(80).collect();
        let same = TZ_VARIANTS.iter().map(|zone| zone.name()).find(|known| known.eq_ignore_ascii_case(name));
        // Most write the city alone.
        let city = || {
            let is_of = |known: &&str| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name));
            TZ_VARIANTS.iter().map(|zone| zone.name()).find(is_of)
        };
        let meant = same.or_else(city).or_else(|| closest(name, TZ_VARIANTS.iter().map(|zone| zone.name())));
        let meant =
            meant.map_or_else(|| "a zone is named as in \"Europe/Berlin\"".into(), |n| format!("did you mean {n:?}?"));
        format!("there is no time zone {shown:?}; {meant}")
    })
}

/// An error of croner as part of a sentence.
fn in_words(error: &CronError) -> String {
    let text = match error {
        CronError::InvalidPattern(text) | CronError::IllegalCharacters(text) | CronError::ComponentError(text) => {
            text.clone()
        }
        other => other.to_string(),
    };
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
