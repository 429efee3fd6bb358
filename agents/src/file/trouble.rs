//! What the system says of a file, as an error of the runtime.

use callboard::Error;
use rustix::io::Errno;

/// The error of `what` was being done to `path`. What will not mend itself is terminal.
pub(super) fn error(what: &str, path: &str, errno: Errno) -> Error {
    let why = match errno {
        Errno::LOOP => "a part of the path is a symbolic link".to_owned(),
        Errno::NOTDIR => "a part of the path is no folder, or a symbolic link".to_owned(),
        other => other.to_string(),
    };
    let message = format!("cannot {what} {path:?}: {why}");
    match errno {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::ISDIR
        | Errno::LOOP
        | Errno::ACCESS
        | Errno::PERM
        | Errno::ROFS
        | Errno::EXIST
        | Errno::NOTEMPTY
        | Errno::NXIO
        | Errno::NAMETOOLONG
        | Errno::INVAL => Error::terminal(message),
        _ => Error::retryable(message),
    }
}
