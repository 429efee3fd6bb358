//! All files of a folder: all agents of a program.

use super::agent_file::AgentFile;
use super::faults::{Faults, FileFault};
use callboard::{Builder, Error, Limit};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Files in one folder at most.
const FILES_MAX: usize = 1_000;
/// Bytes of one file at most.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// What files end with.
const ENDINGS: [&str; 4] = ["toml", "yaml", "yml", "json"];
/// Files that explain the others.
const IGNORED: &str = "md";

/// Reads every agent that is described in a folder, by file name.
///
/// Left alone are folders, hidden files, and those that end with `.md`. Blocks while it reads.
///
/// # Errors
///
/// Every fault of every file: form, unknown keys, values out of range, programs, folders and variables that do not
/// exist, two files with one name.
pub fn load(folder: impl AsRef<Path>) -> Result<Vec<AgentFile>, Faults> {
    let folder = folder.as_ref();
    let whole = |message: String| FileFault { file: folder.to_path_buf(), line: None, key: String::new(), message };
    let files = list(folder).map_err(|error| Faults(vec![whole(format!("cannot be read: {error}"))]))?;
    if files.len() > FILES_MAX {
        return Err(Faults(vec![whole(format!("at most {FILES_MAX} files, not {}", files.len()))]));
    }
    let (mut agents, mut faults) = (Vec::new(), Vec::new());
    for file in files {
        match read(&file) {
            Ok(agent) => agents.push(agent),
            Err(more) => faults.extend(more),
        }
    }
    faults.extend(doubles(&agents));
    faults.extend(disputes(&agents));
    if faults.is_empty() {
        return Ok(agents);
    }
    faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Err(Faults(faults))
}

/// By name, without what is left alone.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_ignored = path.extension().is_some_and(|ending| ending == IGNORED);
        // Links are followed: that is how files are mounted into a container.
        if !is_hidden && !is_ignored && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read(file: &Path) -> Result<AgentFile, Vec<FileFault>> {
    let fault = |line: Option<usize>, key: String, message: String| FileFault { file: file.into(), line, key, message };
    let whole = |message: String| vec![fault(None, String::new(), message)];
    if !file.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
        return Err(whole(format!("a file that describes an agent ends with .{}", ENDINGS.join(", ."))));
    }
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    opened.map_err(|error| whole(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(whole(format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| whole("is not UTF-8".to_owned()))?;
    let faults = |faults: Vec<(usize, String, String)>| {
        faults.into_iter().map(|(line, key, message)| fault(Some(line), key, message)).collect()
    };
    AgentFile::read(file, &text).map_err(faults)
}

/// A fault for every file that has the name of one before it.
fn doubles(agents: &[AgentFile]) -> Vec<FileFault> {
    let mut first: BTreeMap<&str, &AgentFile> = BTreeMap::new();
    let mut faults = Vec::new();
    for agent in agents {
        match first.get(&*agent.name) {
            None => {
                first.insert(&agent.name, agent);
            }
            Some(before) => faults.push(FileFault {
                file: agent.file.clone(),
                line: Some(agent.name_line),
                key: "name".to_owned(),
                message: format!("{:?} is the name of {} already", agent.name, before.file.display()),
            }),
        }
    }
    faults
}

/// A fault for every file that limits a capability otherwise than one before it: a limit is one of all agents.
fn disputes(agents: &[AgentFile]) -> Vec<FileFault> {
    let mut first: BTreeMap<&str, (&AgentFile, &Limit)> = BTreeMap::new();
    let mut faults = Vec::new();
    for (agent, (capability, limit)) in agents.iter().flat_map(|agent| agent.limits.iter().map(move |of| (agent, of))) {
        let (before, known) = first.entry(capability).or_insert((agent, limit));
        if *known != limit {
            faults.push(FileFault {
                file: agent.file.clone(),
                line: None,
                key: "capabilities.limit".to_owned(),
                message: format!("{capability:?} has another limit in {} already", before.file.display()),
            });
        }
    }
    faults
}

/// Adds every agent that is described in a folder, and the limits of their capabilities.
///
/// # Errors
///
/// Every fault of every file, as [`load`] says, in one error of kind `Invalid`.
pub fn from_folder(builder: Builder, folder: impl AsRef<Path>) -> callboard::Result<Builder> {
    let agents = load(folder).map_err(|Faults(faults)| {
        let error = Error::invalid("the described agents have faults");
        faults.iter().fold(error, Error::because)
    })?;
    let limits = agents.iter().flat_map(|agent| &agent.limits);
    let builder =
        limits.fold(builder, |builder, (capability, limit)| builder.limit_capability(&**capability, limit.clone()));
    Ok(agents.iter().fold(builder, |builder, agent| builder.add(agent.pool())))
}

/// Adds [`agents_from`](Self::agents_from) to the builder of a board.
pub trait AgentsFrom: Sized {
    /// Adds every agent that is described in a folder: see [`from_folder`].
    ///
    /// # Errors
    ///
    /// Every fault of every file, in one error of kind `Invalid`.
    fn agents_from(self, folder: impl AsRef<Path>) -> callboard::Result<Self>;
}

impl AgentsFrom for Builder {
    fn agents_from(self, folder: impl AsRef<Path>) -> callboard::Result<Self> {
        from_folder(self, folder)
    }
}
