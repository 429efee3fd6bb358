//! Where the programs of the servers are.

use super::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Looked at after `PATH`, which has no place for servers in it for everybody.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The command that runs a program by its name, in an environment without settings of other servers.
pub(crate) fn command(name: &str) -> Result<Command, Error> {
    let path = find(name)?;
    Ok(bare(&path))
}

/// The command that runs the program of this path.
pub(crate) fn bare(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("PATH", search_path()).env("LANG", "C.UTF-8").current_dir("/");
    command
}

/// Where programs are looked for.
pub(crate) fn search_path() -> String {
    let mut places = std::env::var("PATH").unwrap_or_default();
    for place in PLACES {
        places.push(':');
        places.push_str(place);
    }
    places
}

fn find(name: &str) -> Result<PathBuf, Error> {
    let places = search_path();
    let mut paths = std::env::split_paths(&places).map(|place| place.join(name));
    paths.find(|path| path.is_file()).ok_or_else(|| Error::Missing { program: name.to_owned() })
}

/// Runs a program to its end and gives its output.
///
/// # Errors
///
/// [`Error::Refused`] with its words when it ends badly, [`Error::NoAnswer`] when it has not ended within the limit.
pub(crate) async fn run(command: Command, limit: Duration) -> Result<String, Error> {
    let asked = words(&command);
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true).stdin(std::process::Stdio::null());
    let output = match tokio::time::timeout(limit, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => return Err(Error::Spawn { program: asked, source }),
        Err(late) => return Err(Error::NoAnswer { asked, source: late.into() }),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(Error::Refused { asked, said: String::from_utf8_lossy(&said).trim().to_owned() })
}

fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(OsStr::to_string_lossy));
    words.join(" ")
}
