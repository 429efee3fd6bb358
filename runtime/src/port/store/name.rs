//! Names of objects: which are well formed, and how they split into folder and file.

use super::Error;

/// The longest name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 512;

/// Refuses a name that breaks the rules of [`Store`](super::Store).
pub(super) fn check(name: &str) -> Result<(), Error> {
    let fault = if name.len() > NAME_BYTES_MAX {
        format!("it has {} bytes, more than {NAME_BYTES_MAX}", name.len())
    } else if let Some(segment) = name.split('/').find(|segment| !is_segment(segment)) {
        format!("its segment {segment:?} is empty, `.`, `..` or holds a character outside [A-Za-z0-9._=-]")
    } else {
        return Ok(());
    };
    Err(Error::Refused { reason: format!("malformed name {name:?}: {fault}") })
}

/// Whether `text` may stand between two slashes of a name.
pub(super) fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._=-".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(allowed)
}

/// Splits `a/b/c` into `a/b` and `c`, and `c` into `` and `c`.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}
