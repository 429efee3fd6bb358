//! Amounts as people write them: `0.50usd`, `60000tokens`, `12calls`, `10m`, or several with commas between.

use super::{AMOUNT_MAX, Budget, Cost};
use std::fmt;
use std::str::FromStr;

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// It has none of the forms.
    #[error(
        "not an amount: {0:?}; write \"0.50usd\", \"60000tokens\", \"12calls\", \"10m\", or several with commas between"
    )]
    Form(String),
    /// It says more of one thing than there may be.
    #[error("{0:?} is too much: the limit is {AMOUNT_MAX} calls, tokens, millionths of a dollar or milliseconds")]
    TooMuch(String),
    /// Money has at most six places.
    #[error("{0:?} has more than six places: the smallest amount is 0.000001usd")]
    Places(String),
    /// It says one thing twice.
    #[error("{0:?} says how many {1} twice")]
    Twice(String, &'static str),
    /// A cost has no time.
    #[error("{0:?} is a time, and a cost has none: write \"0.50usd\", \"60000tokens\" or \"12calls\"")]
    Time(String),
}

/// Milliseconds by unit, the largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The beginning of a text that may be long.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

impl FromStr for Budget {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut budget = Self::default();
        for part in text.split(',').map(str::trim) {
            let (number, unit) = part.split_at(part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len()));
            let (number, unit) = (number.trim_end(), unit.trim_end());
            let (slot, what, amount) = match unit {
                "usd" | "USD" => (&mut budget.usd_micros, "usd", micros(number, text)?),
                "token" | "tokens" => (&mut budget.tokens, "tokens", whole(number, 1, text)?),
                "call" | "calls" => (&mut budget.calls, "calls", whole(number, 1, text)?),
                unit => {
                    let time = TIMES.iter().find(|(name, _)| *name == unit);
                    let (_, ms) = time.ok_or_else(|| ParseAmountError::Form(shown(text)))?;
                    (&mut budget.wall_ms, "milliseconds", whole(number, *ms, text)?)
                }
            };
            if slot.replace(amount).is_some() {
                return Err(ParseAmountError::Twice(shown(text), what));
            }
        }
        Ok(budget)
    }
}

impl FromStr for Cost {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Budget { calls, tokens, usd_micros, wall_ms } = text.parse()?;
        if wall_ms.is_some() {
            return Err(ParseAmountError::Time(shown(text)));
        }
        let amount = Option::unwrap_or_default;
        Ok(Self { calls: amount(calls), tokens: amount(tokens), usd_micros: amount(usd_micros) })
    }
}

/// A whole number of something, each of which is `each`.
fn whole(number: &str, each: u64, text: &str) -> Result<u64, ParseAmountError> {
    let digits = number.replace('_', "");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseAmountError::Form(shown(text)));
    }
    let amount = digits.parse().ok().and_then(|number: u64| number.checked_mul(each));
    amount.filter(|amount| *amount <= AMOUNT_MAX).ok_or_else(|| ParseAmountError::TooMuch(shown(text)))
}

/// Dollars with at most six places, in millionths.
fn micros(number: &str, text: &str) -> Result<u64, ParseAmountError> {
    let (dollars, places) = number.split_once('.').unwrap_or((number, ""));
    if places.is_empty() && number.contains('.') || !places.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseAmountError::Form(shown(text)));
    }
    if places.len() > 6 {
        return Err(ParseAmountError::Places(shown(text)));
    }
    let dollars = whole(dollars, 1_000_000, text)?;
    let micros = whole(&format!("{places:0<6}"), 1, text)?;
    Some(dollars + micros).filter(|sum| *sum <= AMOUNT_MAX).ok_or_else(|| ParseAmountError::TooMuch(shown(text)))
}

/// As it is read: `0.5usd, 60000tokens, 12calls, 10m`; `nothing` if it says nothing.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.usd_micros.map(dollars));
        parts.extend(self.tokens.map(|amount| counted(amount, "token")));
        parts.extend(self.calls.map(|amount| counted(amount, "call")));
        parts.extend(self.wall_ms.map(time));
        if parts.is_empty() { f.write_str("nothing") } else { f.write_str(&parts.join(", ")) }
    }
}

/// As it is read: `0.02usd, 4000tokens, 1call`; `nothing` if it costs nothing.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |amount: u64| (amount > 0).then_some(amount);
        let (calls, tokens, usd_micros) = (some(self.calls), some(self.tokens), some(self.usd_micros));
        Budget { calls, tokens, usd_micros, wall_ms: None }.fmt(f)
    }
}

fn counted(amount: u64, what: &str) -> String {
    format!("{amount}{what}{}", if amount == 1 { "" } else { "s" })
}

fn dollars(micros: u64) -> String {
    let (dollars, places) = (micros / 1_000_000, format!("{:06}", micros % 1_000_000));
    match places.trim_end_matches('0') {
        "" => format!("{dollars}usd"),
        places => format!("{dollars}.{places}usd"),
    }
}

fn time(ms: u64) -> String {
    let fitting = TIMES.iter().find(|(_, unit)| ms >= *unit && ms.is_multiple_of(*unit));
    fitting.map_or_else(|| "0ms".to_owned(), |(name, unit)| format!("{}{name}", ms / unit))
}
