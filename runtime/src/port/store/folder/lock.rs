//! The lock that keeps a folder to one process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::OpenError;

/// How the process that held the lock before went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Former {
    /// It closed the store, or there was none.
    Left,
    /// It was killed: what its last operations changed may not be durable yet.
    Died,
}

/// The exclusive advisory lock on the file `lock`, which names its holder. The kernel lets go of it when
/// the process ends, however it ends.
pub(super) struct Lock {
    file: File,
}

/// How long a holder that has no name is waited for, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

impl Lock {
    /// Takes the lock, or says who holds it.
    #[expect(clippy::disallowed_methods, reason = "to open a folder blocks anyway, and is done before anything runs")]
    pub(super) fn take(root: &Path) -> Result<(Self, Former), OpenError> {
        let path = root.join("lock");
        let failed = |what| OpenError::io(what, &path);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(failed("open"))?;
        let mut patience = PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Nobody has written that the folder is its own, or the last one has left: a process that begins or ends, or a
                // child of it that has not come to its own program yet and has this file open until then.
                Err(TryLockError::WouldBlock) if is_unnamed(&file) && !patience.is_zero() => {
                    thread::sleep(PAUSE);
                    patience = patience.saturating_sub(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::Held { root: root.to_owned(), holder: holder(&path) });
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
            }
        }
        let former = match file.metadata().map_err(failed("read"))?.len() {
            0 => Former::Left,
            _ => Former::Died,
        };
        write_holder(&mut file).map_err(failed("write"))?;
        Ok((Self { file }, former))
    }

    /// Says that the holder leaves with nothing undone.
    pub(super) fn leave(&self) {
        // If this fails the next process only syncs once too often.
        let _ = self.file.set_len(0);
    }
}

fn is_unnamed(file: &File) -> bool {
    file.metadata().is_ok_and(|about| about.len() == 0)
}

fn write_holder(file: &mut File) -> io::Result<()> {
    let host = rustix::system::uname();
    let program = std::env::current_exe().unwrap_or_default();
    file.set_len(0)?;
    let host = host.nodename().to_string_lossy();
    write!(file, "process {} on host {host}, program {}", process::id(), program.display())
}

/// Who holds the lock, in words.
fn holder(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The file was last written when the lock was taken, which spares us a clock.
    let since = fs::metadata(path).and_then(|about| about.modified()).map(utc);
    match (text.as_str(), since) {
        ("", _) => "another process that is just starting or ending".to_owned(),
        (text, Ok(since)) => format!("{text}, since {since}"),
        (text, Err(_)) => text.to_owned(),
    }
}

/// `time` as `2026-11-20T10:36:20Z`; civil-from-days of Howard Hinnant, `chrono`-Compatible Low-Level Date
/// Algorithms`.
pub(super) fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
