//! What went wrong, as a person reads it: a code, what was seen, and the next command.

use callboard::{Code, Error};
use serde_json::Value;
use std::fmt;

/// What went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    seen: Vec<String>,
    next: String,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), seen: Vec::new(), next: code.next().to_owned() }
    }

    /// An error of the library.
    pub(crate) fn of(code: Code, error: &Error) -> Self {
        error.causes().fold(Self::new(code, error.message()), Self::seen)
    }

    /// A problem document; `None` if it is none.
    pub(crate) fn of_problem(problem: &Value) -> Option<Self> {
        let text = |key: &str| problem.get(key).and_then(Value::as_str);
        let code = Code::ALL.iter().find(|code| Some(code.as_str()) == text("code"))?;
        let failure = Self::new(*code, text("detail")?);
        let seen = problem.get("seen").and_then(Value::as_array).into_iter().flatten();
        let failure = seen.filter_map(Value::as_str).fold(failure, Self::seen);
        Some(failure.next(text("try").unwrap_or(code.next())))
    }

    /// The same with one more thing that was seen.
    pub(crate) fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen.push(seen.into());
        self
    }

    /// The same with another command to try.
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: next.into(), ..self }
    }

    /// The same, but the command to try names this run.
    pub(crate) fn about(self, run: &str) -> Self {
        let next = self.next.replace("show ID", &format!("show {run}"));
        Self { next, ..self }
    }

    /// The same of a task that is written RUN/TASK: where the run has no such task, what to do is to look which it has.
    pub(crate) fn of_task(self, task: &str) -> Self {
        let run = task.split_once('/').map_or(task, |(run, _)| run);
        match self.message.starts_with("there is no task") {
            true => self.next(format!("callboard run show {run}")),
            false => self.about(run),
        }
    }

    /// Whether it is of this kind.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code
    }

    /// With what the command ends.
    pub(crate) fn exit(&self) -> u8 {
        self.code.exit()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        for (n, seen) in self.seen.iter().enumerate() {
            write!(f, "\n  {:<5} {seen}", if n == 0 { "seen:" } else { "" })?;
        }
        write!(f, "\n  try:  {}", self.next)
    }
}
