//! Runs a program of the operator's choice: JSON on its standard input, JSON on its standard output.
//!
//! Which program runs, and with which arguments, is settled when the agent is made ([`CommandSettings`]); a task gives
//! data and nothing else. There is no shell. A program that should see a part of the input as an argument says so
//! argument by argument, see [`Argument`].
//!
//! What surrounds the program is small and always the same: an environment with `PATH` and what the settings name (and, on
//! a board, `CALLBOARD_RUN`, `CALLBOARD_TASK` and `CALLBOARD_ATTEMPT`; the first two together are the same in each attempt,
//! and so are a key for whatever must happen only once), a folder of its own that is gone afterwards, a limit on the time, a limit on what it prints. It is the leader of a new
//! process group, and the whole group is killed when the time is over, when it prints too much, when the task is
//! cancelled, and when the leader has ended; a program that leaves its group (`setsid`) escapes that. So does every program when the node is killed and can not clean up.
//!
//! | what the program does | what becomes of the attempt |
//! |---|---|
//! | ends with 0 and has printed one JSON value | that value is the output |
//! | ends with 0 and has printed something else | fails, terminal, with the begin of what was printed |
//! | ends with a code of `terminal_codes` (64 to 78 without 75) | fails, terminal, with the end of standard error |
//! | ends with another code, or by a signal | fails, retryable, with the end of standard error |
//! | takes too long | fails, retryable |
//! | prints more than `stdout_max` | fails, terminal |
//!
//! The codes are those of `sysexits.h`, where 64 to 78 say that the input, the program or its settings are wrong, and
//! 75 that trying again may help.
//!
//! ```
//! use callboard::Json;
//! use callboard_agents::command::{Command, CommandSettings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> callboard::Result<()> {
//! let cat = Command::new(CommandSettings::of("cat")).map_err(|faults| faults[0].clone())?;
//! let input = Json::parse(r#"{"text":"Half hour, please."}"#)?;
//! assert_eq!(cat.run(&input).await?, input);
//! # Ok(())
//! # }
//! ```

mod argument;
mod group;
mod output;
mod program;
mod settings;
#[cfg(test)]
mod tests;

pub use argument::Argument;
pub use settings::{CommandSettings, OwnFolder};

use crate::fault::Fault;
use callboard::{Error, Json, Result, ResultExt};
use group::{Ended, Group};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tempfile::TempDir;

/// Runs one program, as its settings say.
#[derive(Debug)]
pub struct Command {
    settings: CommandSettings,
    program: PathBuf,
}

impl Command {
    /// Checks the settings and finds the program.
    ///
    /// A bare name is looked up once, here, in [`PATH`](Self::PATH); the `PATH` of this process is not asked.
    ///
    /// # Errors
    ///
    /// Every fault of the settings.
    pub fn new(settings: CommandSettings) -> Result<Self, Vec<Fault>> {
        let mut faults = settings.faults();
        match program::find(&settings.program) {
            Ok(program) if faults.is_empty() => return Ok(Self { settings, program }),
            Ok(_) => {}
            Err(message) => faults.push(Fault::new("program", message)),
        }
        Err(faults)
    }

    /// Where a program without a path is looked for, and the `PATH` that it gets unless the settings name another.
    pub const PATH: &str = program::PATH;

    /// The program, with its path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs the program on `input`.
    ///
    /// Dropping the future kills the process group. Nothing of it is left behind then but what it did to the world.
    ///
    /// # Errors
    ///
    /// As the table of the [module](self) says.
    pub async fn run(&self, input: &Json) -> Result<Json> {
        self.run_with(input, &[]).await
    }

    /// The same with variables for this one run, which win over those of the settings.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_with(&self, input: &Json, variables: &[(&str, String)]) -> Result<Json> {
        let arguments = argument::fill(&self.settings.arguments, input)?;
        let folder = Folder::of(&self.settings.folder)?;
        let mut command = tokio::process::Command::new(&self.program);
        command.args(arguments).current_dir(folder.path()).env_clear().env("PATH", Self::PATH).envs(self.variables());
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let group = Group::start(command).context(format!("cannot start {}", self.program.display()))?;
        let ended = group.run(input.as_str().as_bytes(), &self.settings).await;
        match ended.context(format!("{} was lost sight of", self.program.display()))? {
            Ended::Exited { status, stdout, stderr } => self.judge(status, &stdout, &stderr),
            Ended::TooMuch => Err(Error::terminal(format!(
                "{} printed more than stdout_max, {} bytes",
                self.program.display(),
                self.settings.stdout_bytes_max
            ))),
            Ended::TooLong => Err(Error::timeout(format!(
                "{} was killed after timeout, {}",
                self.program.display(),
                humantime::format_duration(self.settings.timeout)
            ))),
        }
    }

    fn variables(&self) -> impl Iterator<Item = (String, std::ffi::OsString)> {
        let passed = self.settings.pass_environment.iter();
        let passed = passed.filter_map(|name| Some((name.clone(), std::env::var_os(name)?)));
        passed.chain(self.settings.environment.iter().map(|(name, value)| (name.clone(), value.into())))
    }

    fn judge(&self, status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Result<Json> {
        use std::os::unix::process::ExitStatusExt;
        let program = self.program.display();
        let said = output::tail(stderr);
        match (status.code(), status.signal()) {
            (Some(0), _) => output::json(stdout).map_err(|what| Error::terminal(format!("{program} {what}"))),
            (Some(code), _) if self.settings.terminal_codes.contains(&code) => {
                Err(Error::terminal(format!("{program} ended with exit code {code}{said}")))
            }
            (Some(code), _) => Err(Error::retryable(format!("{program} ended with exit code {code}{said}"))),
            (None, signal) => {
                let signal = signal.unwrap_or_default();
                Err(Error::retryable(format!("{program} was ended by signal {signal}{said}")))
            }
        }
    }
}

/// Where the program works.
enum Folder<'a> {
    Temporary(TempDir),
    Fixed(&'a Path),
}

impl<'a> Folder<'a> {
    fn of(folder: &'a OwnFolder) -> Result<Self> {
        match folder {
            OwnFolder::Fixed(path) => Ok(Self::Fixed(path)),
            OwnFolder::Temporary => {
                let made = tempfile::Builder::new().prefix("callboard-").tempdir();
                made.map(Self::Temporary).context("no folder could be made for the program")
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Fixed(path) => path,
        }
    }
}
