//! Limits of what passes through a node, each named in its refusal.

#[cfg(test)]
mod tests;

use crate::{Error, ErrorKind, Result};
use callboard_core::Json;

/// Checks what a handler has returned.
///
/// # Errors
///
/// `Invalid` if it takes more bytes, or has more levels of arrays and objects, than is allowed.
pub(crate) fn check_output(output: &Json, bytes_max: usize, depth_max: usize) -> Result<()> {
    let bytes = output.as_str().len();
    if bytes > bytes_max {
        let message = format!("the output takes {bytes} bytes, more than the limit of {bytes_max} (payload_bytes_max)");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    // What has no more bytes than levels are allowed can not be too deep.
    let depth = if bytes > depth_max { output.depth() } else { 0 };
    if depth > depth_max {
        let message = format!("the output has {depth} levels, more than the limit of {depth_max} (input_depth_max)");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}
