//! The secret that Erlang's programs show one another.

use crate::servers::Error;
use std::path::Path;

/// That of a folder, made at the first start.
pub(super) fn made(folder: &Path) -> Result<String, Error> {
    if let Ok(cookie) = std::fs::read_to_string(folder.join(FILE)) {
        return Ok(cookie);
    }
    let id =
        std::fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(Error::file("/proc/sys/kernel/random/uuid"))?;
    let cookie = id.trim().replace('-', "");
    given(folder, &cookie)?;
    Ok(cookie)
}

const FILE: &str = ".erlang.cookie";

/// Gives it to a folder that has none.
pub(super) fn given(folder: &Path, cookie: &str) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(FILE);
    if path.exists() {
        return Ok(());
    }
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o400).open(&path).map_err(Error::file(&path))?;
    std::io::Write::write_all(&mut file, cookie.as_bytes()).map_err(Error::file(&path))
}
