//! The place of a run in somebody's trace.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// A span of a trace, as the header `traceparent` of W3C Trace Context names it: `00-<trace>-<span>-<flags>`.
///
/// The machine only keeps it. What `tracestate` says beside it is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace; never zero.
    pub trace: u128,
    /// The span in it; never zero.
    pub span: u64,
    /// What was decided of the trace; the lowest bit says that it is recorded.
    pub flags: u8,
}

/// A text that is no `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent, as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01: {seen:?}")]
pub struct ParseTraceError {
    seen: String,
}

/// The flag that says that a trace is recorded.
const SAMPLED: u8 = 1;
/// The length of all that version 00 says; a later version may say more behind it.
const LENGTH: usize = 55;

impl TraceParent {
    /// A span of a trace; `None` if one of the two is zero, which names nothing.
    pub fn new(trace: u128, span: u64, sampled: bool) -> Option<Self> {
        (trace != 0 && span != 0).then_some(Self { trace, span, flags: if sampled { SAMPLED } else { 0 } })
    }

    /// Whether the trace is recorded.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl FromStr for TraceParent {
    type Err = ParseTraceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseTraceError { seen: text.chars().take(80).collect() };
        let fields = text.get(..LENGTH).filter(|fields| fields.is_ascii()).ok_or_else(bad)?;
        let mut fields = fields.split('-');
        let mut field = |digits: usize| {
            let lower = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
            let field = fields.next().filter(|field| field.len() == digits && field.bytes().all(lower));
            field.and_then(|field| u128::from_str_radix(field, 16).ok()).ok_or_else(bad)
        };
        let (version, trace, span, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        let rest = &text[LENGTH..];
        let is_known = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let (span, flags) = (u64::try_from(span).map_err(|_| bad())?, u8::try_from(flags).map_err(|_| bad())?);
        let is_some = trace != 0 && span != 0;
        (is_known && is_some).then_some(Self { trace, span, flags }).ok_or_else(bad)
    }
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
