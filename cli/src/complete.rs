//! What the tab key offers: the words of the command, and the names of what a node has at present.
//!
//! A node is asked for a short time and in silence: where there is none, nothing is offered.

use crate::args::ADDRESS;
use crate::client::{Client, escaped};
use crate::failure::{Failure, Result};
use crate::output::{member, value};
use callboard::Code;
use clap_complete::env::Shells;
use clap_complete::{CompletionCandidate, Shell};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// The variable by which a shell asks for what could come next.
pub(crate) const VARIABLE: &str = "CALLBOARD_COMPLETE";

/// How long a node may take: a person waits at the prompt.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// Writes what makes a shell ask: the program that was called, by its name if it is found by that.
pub(crate) fn register(shell: Shell) -> Result<String> {
    let said = std::env::args().next().unwrap_or_default();
    let path = if said.contains('/') { std::env::current_exe().ok() } else { None };
    let program = path.as_deref().and_then(Path::to_str).unwrap_or("callboard");
    let (shells, name) = (Shells::builtins(), shell.to_string());
    let mut script = Vec::new();
    let written = match shells.completer(&name) {
        Some(shell) => shell.write_registration(VARIABLE, "callboard", "callboard", program, &mut script),
        None => return Err(Failure::new(Code::Usage, format!("nothing is known of the shell {name}"))),
    };
    written.map_err(|error| Failure::new(Code::Internal, format!("cannot write: {error}")))?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Runs, the latest first.
pub(crate) fn runs(current: &OsStr) -> Vec<CompletionCandidate> {
    let runs = items("/v1/runs?limit=200");
    offered(current, runs.iter().map(|run| (member(run, "id"), about(run, &["workflow", "status"]))))
}

/// Runs, and behind the slash the tasks of one.
pub(crate) fn tasks(current: &OsStr) -> Vec<CompletionCandidate> {
    match current.to_str().and_then(|current| current.split_once('/')) {
        Some((run, _)) => {
            let tasks = items(&format!("/v1/runs/{}/tasks?limit=1000", escaped(run)));
            let task =
                |task: &Value| (format!("{run}/{}", member(task, "name")), about(task, &["status", "capability"]));
            offered(current, tasks.iter().map(task))
        }
        None => {
            let runs = items("/v1/runs?limit=200");
            let run = |run: &Value| (format!("{}/", member(run, "id")), about(run, &["workflow", "status"]));
            offered(current, runs.iter().map(run))
        }
    }
}

/// The ids of agents.
pub(crate) fn agents(current: &OsStr) -> Vec<CompletionCandidate> {
    let agents = items("/v1/agents");
    offered(current, agents.iter().map(|agent| (member(agent, "id"), about(agent, &["status", "breaker"]))))
}

/// What agents offer.
pub(crate) fn capabilities(current: &OsStr) -> Vec<CompletionCandidate> {
    let agents = items("/v1/agents");
    let of = |agent: &Value| agent["capabilities"].as_array().cloned().unwrap_or_default();
    let all: BTreeSet<String> = agents.iter().flat_map(of).map(|capability| member(&capability, "name")).collect();
    offered(current, all.into_iter().map(|name| (name, String::new())))
}

/// The names of workflows of which there are runs.
pub(crate) fn workflows(current: &OsStr) -> Vec<CompletionCandidate> {
    let all: BTreeSet<String> = items("/v1/runs?limit=1000").iter().map(|run| member(run, "workflow")).collect();
    offered(current, all.into_iter().map(|name| (name, String::new())))
}

/// The names of circuit breakers.
pub(crate) fn breakers(current: &OsStr) -> Vec<CompletionCandidate> {
    let breakers = items("/v1/breakers");
    offered(current, breakers.iter().map(|breaker| (member(breaker, "name"), about(breaker, &["state"]))))
}

/// The keys of documents.
pub(crate) fn documents(current: &OsStr) -> Vec<CompletionCandidate> {
    let prefix = current.to_str().unwrap_or_default();
    let keys = items(&format!("/v1/state?limit=200&prefix={}", escaped(prefix)));
    offered(current, keys.iter().map(|key| (member(key, "key"), format!("version {}", member(key, "version")))))
}

/// The codes of errors.
pub(crate) fn codes(current: &OsStr) -> Vec<CompletionCandidate> {
    let upper = current.to_string_lossy().to_ascii_uppercase();
    let codes = Code::ALL.iter().map(|code| (code.as_str().to_owned(), code.title().to_owned()));
    offered(upper.as_ref(), codes)
}

/// Those that begin as what is there already.
fn offered(current: &OsStr, all: impl Iterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let fitting = all.filter(|(name, _)| name.starts_with(&*current));
    let offer = |(n, (name, about)): (usize, (String, String))| {
        let about = Some(about).filter(|about| !about.is_empty());
        CompletionCandidate::new(name).help(about.map(Into::into)).display_order(Some(n))
    };
    fitting.enumerate().map(offer).collect()
}

/// Some members in a few words.
fn about(item: &Value, keys: &[&str]) -> String {
    keys.iter().map(|key| member(item, key)).collect::<Vec<_>>().join(", ")
}

/// The items of a list of the node; none if nobody answers soon.
fn items(path: &str) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let asked = async { Client::new(&address()).ok()?.get(path).text().await.ok() };
    let answer = runtime.block_on(async { timeout(ANSWER_MAX, asked).await.ok().flatten() });
    let answer = answer.and_then(|text| value(&text).ok()).unwrap_or_default();
    answer["items"].as_array().cloned().unwrap_or_default()
}

/// Which node is asked: as the words on the line say, or the environment.
fn address() -> String {
    let words: Vec<String> = std::env::args().collect();
    let said = words.iter().zip(words.iter().skip(1)).find(|(flag, _)| *flag == "--addr").map(|(_, address)| address);
    let said = said.map(String::as_str).or_else(|| words.iter().find_map(|word| word.strip_prefix("--addr=")));
    said.map(str::to_owned).or_else(|| std::env::var("CALLBOARD_ADDR").ok()).unwrap_or_else(|| ADDRESS.to_owned())
}
