//! Finds the program that a name stands for.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where a bare name is looked for. It is not the `PATH` of this process, which whoever starts it may set.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The path of the program; what is wrong in words.
pub(super) fn find(program: &Path) -> Result<PathBuf, String> {
    let shown = program.display();
    if program.is_absolute() {
        return match is_program(program) {
            true => Ok(program.to_path_buf()),
            false => Err(format!("no file that can be executed: {shown}")),
        };
    }
    if program.components().count() != 1 || program.file_name().is_none() {
        return Err(format!("an absolute path or a bare name, not {:?}", program.display()));
    }
    let found = PATH.split(':').map(|folder| Path::new(folder).join(program)).find(|path| is_program(path));
    found.ok_or_else(|| format!("no program {shown} in {PATH}"))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|entry| entry.is_file() && entry.permissions().mode() & 0o111 != 0)
}
