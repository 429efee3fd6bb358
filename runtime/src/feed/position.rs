//! Where a reader of all runs is: how far in each partition.

use crate::{Error, ErrorKind};
use callboard_core::Millis;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How far a reader of all runs has come, to be kept and given back: how far in each partition.
///
/// Written `start`, or one part a partition: `0-12-1790000000000_3-7.2-1790000000123` (the partition, the last event of its
/// journal of which all is told, how much is told of the next, and when that event was).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FeedPosition(BTreeMap<u16, Spot>);

/// How far a reader has come in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spot {
    /// The last event of the journal of which all is told.
    pub(super) whole: u64,
    /// How many parts are told of the next one.
    pub(super) parts: u32,
    /// No later than when the last of them was, in milliseconds since 1970: runs that had ended before are told.
    pub(super) at: Millis,
}

const START: &str = "start";

impl FeedPosition {
    pub(super) fn of(&self, partition: u16) -> Spot {
        self.0.get(&partition).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, partition: u16, spot: Spot) {
        if spot != Spot::default() {
            self.0.insert(partition, spot);
        }
    }

    /// The highest partition that it knows.
    pub(super) fn highest(&self) -> Option<u16> {
        self.0.last_key_value().map(|(partition, _)| *partition)
    }
}

impl fmt::Display for FeedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(START);
        }
        for (n, (partition, Spot { whole, parts, at })) in self.0.iter().enumerate() {
            let between = if n == 0 { "" } else { "_" };
            write!(f, "{between}{partition}-{whole}")?;
            if *parts > 0 {
                write!(f, ".{parts}")?;
            }
            write!(f, "-{}", at.0)?;
        }
        Ok(())
    }
}

impl FromStr for FeedPosition {
    type Err = Error;

    /// # Errors
    ///
    /// `Invalid` for what is no position.
    fn from_str(text: &str) -> Result<Self, Error> {
        let read = |text: &str| {
            let mut spots = BTreeMap::new();
            for part in text.split('_').filter(|_| text != START) {
                let (partition, rest) = part.split_once('-')?;
                let (events, at) = rest.split_once('-')?;
                let (whole, parts) = events.split_once('.').unwrap_or((events, "0"));
                let at = Millis(at.parse().ok()?);
                let spot = Spot { whole: whole.parse().ok()?, parts: parts.parse().ok()?, at };
                if spots.insert(partition.parse().ok()?, spot).is_some() {
                    return None;
                }
            }
            Some(Self(spots))
        };
        read(text).ok_or_else(|| {
            let seen: String = text.chars().take(80).collect();
            Error::new(ErrorKind::Invalid, format!("not a position among the events of all runs: {seen:?}"))
        })
    }
}
