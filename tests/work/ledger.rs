//! The ledger: what was really done, told by those who did it.

use callboard::{Error, Result};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A file that all processes append to, a line at a time: the kernel keeps lines whole and in order.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<File>);

impl Ledger {
    /// Opens it, or begins it.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    /// A handler begins on a task. Answers what its life is called.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn begin(&self, task: &str) -> Result<String> {
        let life = uuid();
        self.say(&format!("begin {task} {life}"))?;
        Ok(life)
    }

    /// The code of a step runs. Answers a value that no other run of it has.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn execute(&self, key: &str, life: &str) -> Result<String> {
        let value = uuid();
        self.say(&format!("execute {key} {life} {value}"))?;
        Ok(value)
    }

    /// A handler was given the value of a step: it is recorded.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn given(&self, key: &str, value: &str) -> Result<()> {
        self.say(&format!("given {key} {value}"))
    }

    fn say(&self, line: &str) -> Result<()> {
        // One write to a file opened for appending: lines of several processes do not mix.
        let written = (&*self.0).write_all(format!("{line}\n").as_bytes());
        written.map_err(|error| Error::terminal(format!("the ledger can not be written: {error}")))
    }
}

fn uuid() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// What the ledger of a test says when it is over.
#[derive(Debug, Default)]
pub struct Audit {
    /// How often a handler began.
    pub begun: usize,
    /// How often the code of a step ran.
    pub executed: usize,
    /// How many steps have a recorded value.
    pub recorded: usize,
    /// What must not be.
    pub wrong: Vec<String>,
}

impl Audit {
    /// Reads the ledger.
    ///
    /// A step whose value a handler was given is recorded: no handler that begins later runs its code, and everybody is given
    /// that value.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn of(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let mut audit = Self::default();
        let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
        let mut recorded: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["begin", _, life] => {
                    begun.insert(life, at);
                }
                ["execute", key, life, value] => {
                    audit.executed += 1;
                    let began = begun.get(life).copied().unwrap_or(usize::MAX);
                    if let Some((first, since)) = recorded.get(key).filter(|(_, since)| *since < began) {
                        let wrong = format!("{key}: recorded as {first} in line {since}, run again as {value} in {at}");
                        audit.wrong.push(wrong);
                    }
                }
                ["given", key, value] => {
                    let (first, _) = *recorded.entry(key).or_insert((value, at));
                    if first != *value {
                        audit.wrong.push(format!("{key}: {first}, and then {value} in line {at}"));
                    }
                }
                _ => audit.wrong.push(format!("line {at} is no line of a ledger: {line:?}")),
            }
        }
        (audit.begun, audit.recorded) = (begun.len(), recorded.len());
        Ok(audit)
    }
}
