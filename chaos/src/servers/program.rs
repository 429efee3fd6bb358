//! Where the programs of the servers are: on this machine, or below the root of another Debian, for other versions of them.

use super::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Looked at after `PATH`, which has no place for servers in it for everybody.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Names the folder of the other Debian, which `chaos/install` makes.
const ROOT: &str = "CHAOS_SERVERS_ROOT";
/// Runs a program in it, with all folders of this machine that are not of the system; what is mounted for that is seen by
/// nobody else, and gone with the program.
const ENTER: &str = r#"
root=$1; shift
for place in /*; do
    case $place in
    /bin | /boot | /etc | /lib* | /lost+found | /sbin | /usr | /var) ;;
    *) [ ! -d "$place" ] || { mkdir -p "$root$place" && mount --rbind "$place" "$root$place"; } || exit ;;
    esac
done
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
"#;

/// The other Debian, if there is one.
fn root() -> Option<PathBuf> {
    std::env::var_os(ROOT).filter(|root| !root.is_empty()).map(PathBuf::from)
}

/// Where on this machine that is which servers find at this path.
pub(crate) fn outside(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    root().map_or_else(|| path.to_owned(), |root| root.join(path.strip_prefix("/").unwrap_or(path)))
}

/// Where servers find what is at this path of this machine.
pub(crate) fn inside(path: &Path) -> PathBuf {
    let below = root().and_then(|root| path.strip_prefix(root).ok().map(|path| Path::new("/").join(path)));
    below.unwrap_or_else(|| path.to_owned())
}

/// The command that runs a program by its name, in an environment without settings of other servers.
pub(crate) fn command(name: &str) -> Result<Command, Error> {
    let path = find(name)?;
    Ok(bare(&path))
}

/// The command that runs the program that servers find at this path.
pub(crate) fn bare(path: &Path) -> Command {
    let mut command = match root() {
        None => Command::new(path),
        Some(root) => {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", ENTER, "enter"]).arg(root).arg(path);
            command
        }
    };
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
    // A link of the other Debian leads nowhere from here.
    paths
        .find(|path| outside(path).symlink_metadata().is_ok_and(|found| !found.is_dir()))
        .ok_or_else(|| Error::Missing { program: name.to_owned() })
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
