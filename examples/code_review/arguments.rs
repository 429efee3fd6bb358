//! The command line of `code_review`.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
Reviews Rust code: one ranked Markdown report on a folder, or on a single file.

    cargo run --example code_review -- PATH [--out FILE] [--data DIR] [--fresh] [--delay-ms N]

    PATH          the folder or file to review
    --out FILE    where the report goes; code-review.md if left out
    --data DIR    where the state is kept; .callboard if left out
    --fresh       start over, whatever is left of an earlier run
    --delay-ms N  take so much longer for each file, to leave time for a kill -9
    --help        show this

Killed and started again, it goes on with what is left.
";

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) path: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) fresh: bool,
    /// Makes every file take so much longer, for tests that kill the program in the middle.
    pub(crate) delay: Duration,
    /// Tells of every file when its analysis begins, for the same tests.
    pub(crate) tell: bool,
}

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Help,
    Wrong(String),
}

/// Reads the arguments behind the name of the program.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Stop> {
    let wrong = |what: &str| Stop::Wrong(what.to_string());
    let (mut path, mut out, mut data) = (None, PathBuf::from("code-review.md"), PathBuf::from(".callboard"));
    let (mut fresh, mut delay, mut tell) = (false, Duration::ZERO, false);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = |flag: &str| arguments.next().ok_or_else(|| wrong(&format!("{flag} wants a value")));
        match argument.to_str() {
            Some("--help" | "-h") => return Err(Stop::Help),
            Some("--fresh") => fresh = true,
            Some("--tell") => tell = true,
            Some(flag @ "--out") => out = value(flag)?.into(),
            Some(flag @ "--data") => data = value(flag)?.into(),
            Some(flag @ "--delay-ms") => {
                let millis = value(flag)?.to_str().and_then(|text| text.parse().ok());
                delay = Duration::from_millis(millis.ok_or_else(|| wrong("--delay-ms wants a number"))?);
            }
            Some(flag) if flag.starts_with('-') => return Err(wrong(&format!("unknown flag {flag}"))),
            _ if path.is_some() => return Err(wrong("more than one PATH")),
            _ => path = Some(PathBuf::from(argument)),
        }
    }
    let path = path.ok_or_else(|| wrong("a PATH is missing"))?;
    Ok(Arguments { path, out, data, fresh, delay, tell })
}
