//! What a document may be called.

use crate::{Error, Result};
use std::fmt::Write;

/// The longest key of a document, in bytes.
pub(super) const KEY_BYTES_MAX: usize = 128;

/// The name of a key in the store, one segment: what is not `A-Z a-z 0-9 . _ -` is written as `=` and two hexadecimal digits.
///
/// # Errors
///
/// `Invalid` for an empty key, and for one that is too long.
pub(super) fn segment(key: &str) -> Result<String> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let message = format!("the key of a document has 1 to {KEY_BYTES_MAX} bytes, not {}", key.len());
        return Err(Error::invalid(message));
    }
    let mut segment = String::with_capacity(key.len());
    for (at, byte) in key.bytes().enumerate() {
        // A segment of dots alone is no name, and one that begins with a dot is hidden where the store is a folder.
        let is_plain = byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || (byte == b'.' && at > 0);
        if is_plain {
            segment.push(char::from(byte));
        } else {
            write!(segment, "={byte:02X}").expect("a string takes everything");
        }
    }
    Ok(segment)
}

/// The key of a name in the store; `None` if it is none.
pub(super) fn key(segment: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(segment.len()), segment.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'=' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}
