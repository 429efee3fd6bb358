//! Settings that are one of a few words.

use super::row::{Amount, Field, misfit};
use callboard_core::OnCycle;

/// What is chosen among a few words.
pub(super) trait Choice {
    /// All of them, as a file has them.
    const WORDS: &'static [&'static str];
}

/// Of which kind the queues are that nodes share, on RabbitMQ. A queue of one's own and a subscription are always classic: no
/// other kind ends with its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueKind {
    /// On one node of the broker. A restart keeps what it holds, the loss of that node does not; Callboard sends it again.
    #[default]
    Classic,
    /// Replicated over the broker's nodes by consensus. Slower, and it counts deliveries.
    Quorum,
}

/// How a bucket is named in a request to S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addressing {
    /// By path at an endpoint that somebody has named, by host at Amazon's.
    #[default]
    Auto,
    /// `https://ENDPOINT/BUCKET/KEY`: most servers that are not Amazon's.
    Path,
    /// `https://BUCKET.ENDPOINT/KEY`.
    Virtual,
}

/// What is done with a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreMode {
    /// What there is to do.
    #[default]
    ReadWrite,
    /// It holds a copy, which is looked at: nothing runs, nothing is written, and whoever wants to change something is refused.
    ReadOnly,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people: the time, the level, the place, the message, and the fields behind it.
    #[default]
    Human,
    /// For programs: a JSON object a line.
    Json,
}

impl LogFormat {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

macro_rules! choice {
    ($($type:ident { $($word:literal = $variant:ident),+ })+) => {$(
        impl Choice for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl Field for $type {
            fn amount(&self) -> Amount {
                let word = match self { $(Self::$variant => $word),+ };
                Amount::Text(word.to_owned())
            }

            fn set(&mut self, amount: Amount) -> Result<(), String> {
                let Amount::Text(text) = amount else { return Err(misfit(&amount)) };
                *self = match text.as_str() {
                    $($word => Self::$variant,)+
                    _ => return Err(format!("it is one of {}, not {text:?}", Self::WORDS.join(", "))),
                };
                Ok(())
            }
        }
    )+};
}

choice! {
    OnCycle { "reject" = Reject, "fail-least-urgent" = FailLeastUrgent }
    StoreMode { "read-write" = ReadWrite, "read-only" = ReadOnly }
    QueueKind { "classic" = Classic, "quorum" = Quorum }
    LogFormat { "human" = Human, "json" = Json }
    Addressing { "auto" = Auto, "path" = Path, "virtual" = Virtual }
}
