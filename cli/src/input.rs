//! What a command reads: a file, or standard input.

use crate::failure::{Failure, Result};
use callboard::{Code, Json};
use std::fs::File;
use std::io::{ErrorKind, Read, stdin};
use std::path::Path;

/// How much is read at most, in bytes; the node may allow less.
const BYTES_MAX: u64 = 1 << 30;

/// Reads a file, or standard input if it is called "-".
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let done = match file.to_str() {
        Some("-") => stdin().take(BYTES_MAX).read_to_end(&mut bytes),
        _ => File::open(file).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes)),
    };
    match done {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let code = if error.kind() == ErrorKind::NotFound { Code::NotFound } else { Code::Usage };
            let failure = Failure::new(code, format!("{} can not be read", file.display()));
            Err(failure.seen(error.to_string()).next("ls"))
        }
    }
}

/// A value on the command line: JSON, "@" and the name of a file, or "-" for standard input; as it was written, so that
/// numbers keep every digit.
pub(crate) fn json(said: &str, what: &str) -> Result<Json> {
    let faulty = |why: String| Failure::new(Code::Usage, format!("{what} is JSON: {why}")).next("'\"text\"'");
    let file = said.strip_prefix('@').or(Some(said).filter(|said| *said == "-"));
    let text = match file {
        Some(file) => String::from_utf8(read(Path::new(file))?).map_err(|error| faulty(error.to_string()))?,
        None => said.to_owned(),
    };
    Json::parse(text).map_err(|error| faulty(error.to_string()))
}
