//! What a setting is: a row of the table, with its unit and its range, and a field of the settings.

use super::{tokens, units};
use std::net::SocketAddr;
use std::time::Duration;
use toml::de::DeValue;

/// A setting.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name in a file, with the tables it stands in: `retry.base`.
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// As it is written in a file.
    pub(super) default: &'static str,
    /// The least and the most it may be; of a text, how many bytes.
    pub(super) range: [&'static str; 2],
    /// What it means, in sentences.
    pub(super) meaning: &'static str,
    /// What gets worse when it grows.
    pub(super) worse: &'static str,
    /// Of a choice, the words that it is made among.
    pub(super) words: &'static [&'static str],
}

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A duration with its unit.
    Time,
    /// A size with its unit.
    Bytes,
    /// A whole number.
    Count,
    /// A number.
    Factor,
    /// A text of `A-Z a-z 0-9 _ -`.
    Name,
    /// Where something is: perhaps with a password in it.
    Url,
    /// One of a few words.
    Choice,
    /// An IP address and a port.
    Address,
    /// The path of a file or a folder.
    Path,
    /// Tokens with their secrets: a text, or a list of texts.
    Tokens,
    /// Which lines of the log are written.
    Filter,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Amount {
    Time(Duration),
    Number(u64),
    Factor(f64),
    Text(String),
}

/// A value as somebody wrote it.
#[derive(Clone, Copy)]
pub(super) enum Raw<'a> {
    /// In a file.
    Toml(&'a DeValue<'a>),
    /// In a variable or a flag, where everything is a text.
    Word(&'a str),
}

/// A field of the settings.
pub(super) trait Field {
    fn amount(&self) -> Amount;

    /// # Errors
    ///
    /// What was wrong with the amount, in words; the field is as it was then.
    fn set(&mut self, amount: Amount) -> Result<(), String>;
}

impl Row {
    /// Reads a value, if it is within the range.
    pub(super) fn read(&self, raw: Raw<'_>) -> Result<Amount, String> {
        let amount = self.kind.read(raw).map_err(|reason| format!("{}: {reason}", self.key))?;
        self.fault(&amount).map_or(Ok(amount), Err)
    }

    /// What is wrong with an amount, in words.
    pub(super) fn fault(&self, amount: &Amount) -> Option<String> {
        let [least, most] = self.range;
        let measured = match amount {
            Amount::Text(text) => &Amount::Number(text.len() as u64),
            number => number,
        };
        let range_kind = if matches!(amount, Amount::Text(_)) { Kind::Count } else { self.kind };
        let bound = |text| range_kind.read(Raw::Word(text)).ok();
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let fits = match (self.kind, amount) {
            (Kind::Name, Amount::Text(text)) => text.chars().all(usable),
            _ => true,
        };
        if fits
            && bound(least).is_none_or(|least| *measured >= least)
            && bound(most).is_none_or(|most| *measured <= most)
        {
            return None;
        }
        let unit = match self.kind {
            Kind::Name => " of A-Z a-z 0-9 _ -",
            Kind::Url | Kind::Path | Kind::Address | Kind::Tokens | Kind::Filter => " bytes",
            Kind::Time | Kind::Bytes | Kind::Count | Kind::Factor | Kind::Choice => "",
        };
        Some(format!("{} is {least} to {most}{unit}, not {}", self.key, self.kind.show(amount)))
    }
}

impl Kind {
    /// Whether it may hold a secret, so that it may be read from a file of its own.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Url | Self::Tokens)
    }

    fn read(self, raw: Raw<'_>) -> Result<Amount, String> {
        let text = match raw {
            Raw::Word(word) => Some(word),
            Raw::Toml(value) => value.as_str(),
        };
        match (self, raw, text) {
            (Self::Time, _, Some(text)) => units::time(text).map(Amount::Time),
            (Self::Bytes, _, Some(text)) => units::bytes(text).map(Amount::Number),
            (
                Self::Name | Self::Url | Self::Choice | Self::Address | Self::Path | Self::Tokens | Self::Filter,
                _,
                Some(text),
            ) => Ok(Amount::Text(text.to_owned())),
            (Self::Tokens, Raw::Toml(DeValue::Array(texts)), _) => {
                let texts: Option<Vec<&str>> = texts.iter().map(|text| text.get_ref().as_str()).collect();
                let texts = texts.ok_or_else(|| format!("{} is wanted", self.in_words()))?;
                Ok(Amount::Text(texts.join(" ")))
            }
            (Self::Count, Raw::Word(word), _) => count(word, 10),
            (Self::Count, Raw::Toml(DeValue::Integer(integer)), _) => count(integer.as_str(), integer.radix()),
            (Self::Factor, Raw::Word(word), _) => factor(word),
            (Self::Factor, Raw::Toml(DeValue::Integer(integer)), _) if integer.radix() == 10 => {
                factor(integer.as_str())
            }
            (Self::Factor, Raw::Toml(DeValue::Float(float)), _) => factor(float.as_str()),
            (_, Raw::Toml(value), _) => Err(format!("{} is wanted, not a TOML {}", self.in_words(), value.type_str())),
            (_, Raw::Word(word), None) => Err(format!("{} is wanted, not {word:?}", self.in_words())),
        }
    }

    /// Writes an amount as a file has it.
    pub(super) fn write(self, amount: &Amount) -> String {
        let shown = match (self, amount) {
            (Self::Url, Amount::Text(url)) => units::without_secrets(url),
            (Self::Tokens, Amount::Text(text)) => tokens::without_secrets(text),
            (_, Amount::Text(text)) => text.clone(),
            (_, Amount::Time(time)) => units::show_time(*time),
            (Self::Bytes, Amount::Number(bytes)) => units::show_bytes(*bytes),
            (_, Amount::Number(number)) => return number.to_string(),
            (_, Amount::Factor(factor)) => return format!("{factor:?}"),
        };
        // What JSON escapes, TOML escapes alike; only a deletion is a control character to TOML alone.
        serde_json::Value::String(shown).to_string().replace('\u{7f}', "\\u007f")
    }

    /// Writes an amount as a sentence has it.
    fn show(self, amount: &Amount) -> String {
        let written = self.write(amount);
        let quoted = matches!(self, Self::Time | Self::Bytes);
        if quoted { written.trim_matches('"').to_owned() } else { written }
    }

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Time => "a duration with its unit, such as \"30s\",",
            Self::Bytes => "a size with its unit, such as \"8MiB\",",
            Self::Count => "a whole number",
            Self::Factor => "a number",
            Self::Name | Self::Url | Self::Choice | Self::Address | Self::Path | Self::Filter => "a text",
            Self::Tokens => "a text or a list of texts",
        }
    }
}

fn count(text: &str, radix: u32) -> Result<Amount, String> {
    let number = u64::from_str_radix(&text.replace('_', ""), radix);
    number.map(Amount::Number).map_err(|error| format!("{text:?} is no whole number: {error}"))
}

fn factor(text: &str) -> Result<Amount, String> {
    let number = text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Amount::Factor).ok_or_else(|| format!("{text:?} is no number"))
}

pub(super) fn misfit(amount: &Amount) -> String {
    format!("{amount:?} does not fit")
}

impl Field for Duration {
    fn amount(&self) -> Amount {
        Amount::Time(*self)
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let Amount::Time(time) = amount else { return Err(misfit(&amount)) };
        *self = time;
        Ok(())
    }
}

impl Field for String {
    fn amount(&self) -> Amount {
        Amount::Text(self.clone())
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let Amount::Text(text) = amount else { return Err(misfit(&amount)) };
        *self = text;
        Ok(())
    }
}

impl Field for SocketAddr {
    fn amount(&self) -> Amount {
        Amount::Text(self.to_string())
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let Amount::Text(text) = amount else { return Err(misfit(&amount)) };
        let hint = "an address is an IP address and a port, such as \"127.0.0.1:7420\"";
        *self = text.parse().map_err(|_| format!("{hint}, not {text:?}"))?;
        Ok(())
    }
}

impl Field for f64 {
    fn amount(&self) -> Amount {
        Amount::Factor(*self)
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let Amount::Factor(factor) = amount else { return Err(misfit(&amount)) };
        *self = factor;
        Ok(())
    }
}

macro_rules! number {
    ($($type:ty),+) => {$(
        impl Field for $type {
            fn amount(&self) -> Amount {
                #[allow(clippy::allow_attributes, clippy::useless_conversion, reason = "one of the types is u64 itself")]
                Amount::Number(u64::try_from(*self).unwrap_or(u64::MAX))
            }

            fn set(&mut self, amount: Amount) -> Result<(), String> {
                let Amount::Number(number) = amount else { return Err(misfit(&amount)) };
                *self = number.try_into().map_err(|_| format!("{number} is too large for this machine"))?;
                Ok(())
            }
        }
    )+};
}

number!(u16, u32, u64, usize);
