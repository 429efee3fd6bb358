//! What an operator says about a program.

use super::Argument;
use crate::fault::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// How a program is run.
#[derive(Clone, Debug)]
pub struct CommandSettings {
    /// An absolute path, or a bare name that is looked up in [`Command::PATH`](super::Command::PATH).
    pub program: PathBuf,
    /// Its arguments, without the program's name: exactly these, in this order. At most 256.
    pub arguments: Vec<Argument>,
    /// Variables of its environment, which is empty but for `PATH` otherwise.
    pub environment: BTreeMap<String, String>,
    /// Variables that it gets as this process has them; what this process lacks it lacks too.
    pub pass_environment: Vec<String>,
    /// Where it works.
    pub folder: OwnFolder,
    /// How long it may take, 1 ms to 24 h; 30 s by default. What takes longer occupies the instance longer.
    pub timeout: Duration,
    /// How many bytes it may print as its answer, 1 B to 16 MiB; 1 MiB by default. They are held in memory.
    pub stdout_bytes_max: usize,
    /// How many bytes of its standard error are kept, the last ones, 0 to 3 KiB; 2 KiB by default. They become part of
    /// the journal when it fails, which keeps 4,096 characters of a failure. Printing more is no fault.
    pub stderr_bytes_max: usize,
    /// Exit codes after which another attempt would not help; 64 to 78 without 75 by default.
    pub terminal_codes: BTreeSet<i32>,
}

/// Where a program works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OwnFolder {
    /// In a new and empty folder for each task, which is removed afterwards.
    #[default]
    Temporary,
    /// In this folder, always; two instances meet there.
    Fixed(PathBuf),
}

/// Arguments of one program at most.
const ARGUMENTS_MAX: usize = 256;
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const STDOUT_BYTES_MAX: usize = 16 << 20;
const STDERR_BYTES_MAX: usize = 3 << 10;
/// `EX_TEMPFAIL` of sysexits.h, which asks for another attempt.
const TEMPORARY: i32 = 75;

impl CommandSettings {
    /// The defaults, for this program and no arguments.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            pass_environment: Vec::new(),
            folder: OwnFolder::Temporary,
            timeout: Duration::from_secs(30),
            stdout_bytes_max: 1 << 20,
            stderr_bytes_max: 2 << 10,
            terminal_codes: (64..=78).filter(|code| *code != TEMPORARY).collect(),
        }
    }

    /// Every fault but those of the program itself.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, key: &str, message: String| {
            if !holds {
                faults.push(Fault::new(key, message));
            }
        };
        let count = self.arguments.len();
        check(count <= ARGUMENTS_MAX, "arguments", format!("at most {ARGUMENTS_MAX}, not {count}"));
        let time = humantime::format_duration(self.timeout);
        let in_range = (Duration::from_millis(1)..=TIMEOUT_MAX).contains(&self.timeout);
        check(in_range, "timeout", format!("1ms to 24h, not {time}"));
        let bytes = self.stdout_bytes_max;
        check((1..=STDOUT_BYTES_MAX).contains(&bytes), "stdout_max", format!("1B to 16MiB, not {bytes} bytes"));
        let bytes = self.stderr_bytes_max;
        check(bytes <= STDERR_BYTES_MAX, "stderr_max", format!("0B to 3KiB, not {bytes} bytes"));
        for code in &self.terminal_codes {
            check((1..=255).contains(code), "terminal_codes", format!("1 to 255, not {code}"));
        }
        for name in self.environment.keys() {
            check(is_variable(name), "environment", format!("no name of a variable: {name:?}"));
        }
        for (name, value) in &self.environment {
            check(!value.contains('\0'), "environment", format!("the value of {name} contains a NUL"));
        }
        for name in &self.pass_environment {
            check(is_variable(name), "pass_environment", format!("no name of a variable: {name:?}"));
        }
        if let OwnFolder::Fixed(path) = &self.folder {
            check(path.is_absolute(), "folder", format!("an absolute path, not {:?}", path.display()));
            check(path.is_dir(), "folder", format!("no such folder: {}", path.display()));
        }
        for (index, argument) in self.arguments.iter().enumerate() {
            let key = format!("arguments[{index}]");
            argument.faults(&key, &mut faults);
        }
        faults
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.len() <= 256 && !name.contains(['=', '\0'])
}
