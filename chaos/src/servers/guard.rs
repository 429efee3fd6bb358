//! Ends our servers when we end without having ended them.

use super::Error;
use rustix::process::Pid;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Keeps the list of what runs, and kills all of it at the end of its input: we hold the other end, so that comes when
/// this process ends, in whatever way. (The system's own signal at a parent's death follows the thread that started the
/// child, and the threads of a test come and go.)
const SCRIPT: &str = r#"
groups=' '
while read -r sign group; do
    case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
    esac
done
for group in $groups; do kill -KILL "-$group"; done
"#;

/// One for all servers of this process, never dropped: its input is closed by the system.
static GUARD: OnceLock<Mutex<Child>> = OnceLock::new();

/// From now on the group dies with this process.
pub(super) fn watch(group: Pid) -> Result<(), Error> {
    let program = || "sh".to_owned();
    if GUARD.get().is_none() {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Not killed together with us from the keyboard.
        command.process_group(0);
        let guard = command.spawn().map_err(|source| Error::Spawn { program: program(), source })?;
        // Of two at the same time one is first; the other's input is closed, and it ends.
        if let Err(second) = GUARD.set(Mutex::new(guard)) {
            drop(second);
        }
    }
    tell('+', group).map_err(|source| Error::Spawn { program: program(), source })
}

/// The group has been killed, and its number may become somebody else's.
pub(super) fn forget(group: Pid) {
    // Without a guard there is nobody who could kill the wrong one.
    let _told = tell('-', group);
}

fn tell(sign: char, group: Pid) -> std::io::Result<()> {
    let Some(guard) = GUARD.get() else { return Ok(()) };
    let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
    match guard.stdin.as_mut() {
        Some(input) => input.write_all(format!("{sign} {}\n", group.as_raw_nonzero()).as_bytes()),
        None => Ok(()),
    }
}
