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
    -) case $groups in
        *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
        esac ;;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What the script kills after this input.
    fn killed(input: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("kill() {{ echo \"$@\"; }}\n{SCRIPT}")]);
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        script.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        String::from_utf8(script.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn what_is_not_forgotten_is_killed_once() {
        assert_eq!(killed("+ 11\n+ 12\n+ 13\n- 12\n"), "-KILL -11\n-KILL -13\n");
    }

    #[test]
    fn what_is_forgotten_twice_or_was_never_there_changes_nothing() {
        assert_eq!(killed("+ 11\n+ 12\n- 11\n- 11\n- 11\n- 2\n"), "-KILL -12\n");
    }
}
