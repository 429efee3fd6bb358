//! One file: one agent.

use super::resilience;
use super::runs;
use super::section::{Entry, Notes, Section};
use super::{tree, yaml};
use crate::echo::Echo;
use crate::ready_made::{ReadyMade, Runner};
use callboard::{Amount, BreakerRules, Capability, Described, Limit, Pool};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// An agent as its file describes it, checked and ready to be added to a board.
#[derive(Clone, Debug)]
pub struct AgentFile {
    /// The file.
    pub file: PathBuf,
    /// Its id: 1 to 128 of `A-Z a-z 0-9 . _ -`; the name of the file without its ending by default.
    pub name: String,
    /// What it is good for.
    pub description: String,
    /// Its version, as its author counts.
    pub version: String,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// Tools that a task may require.
    pub tools: BTreeSet<String>,
    /// Facts that a task may require.
    pub labels: BTreeMap<String, String>,
    /// Bounds that a task may require.
    pub constraints: BTreeMap<String, Amount>,
    /// How many tasks it performs at a time, 1 to 1,000; 1 by default.
    pub instances: usize,
    /// When it is left alone, and for how long; the settings of the node by default.
    pub breaker: Option<BreakerRules>,
    /// How often tasks of its capabilities may be begun, by whomever, and how many at a time.
    pub limits: BTreeMap<String, Limit>,
    /// The line of its name, where another file with the same name is told of.
    pub(super) name_line: usize,
    agent: ReadyMade,
}

/// Names of agents and capabilities.
const NAME_BYTES_MAX: usize = 128;
const DESCRIPTION_BYTES_MAX: usize = 4 << 10;
const VERSION_BYTES_MAX: usize = 64;
/// Keys and values of labels, keys of constraints, and tools.
const TRAIT_BYTES_MAX: usize = 256;
const CAPABILITIES_MAX: usize = 64;
const TRAITS_MAX: usize = 64;
const INSTANCES_MAX: u32 = 1_000;

impl AgentFile {
    /// Reads the text of a file; what is wrong by line and key.
    pub(super) fn read(file: &Path, text: &str) -> Result<Self, Vec<(usize, String, String)>> {
        let form = if file.extension().is_some_and(|ending| ending == "toml") { tree::toml } else { yaml::yaml };
        let located = form(text).map_err(|faults| {
            faults.into_iter().map(|(line, message)| (line, String::new(), message)).collect::<Vec<_>>()
        })?;
        let notes = Notes::default();
        let read = Self::of(file, &Entry::top(&notes, &located));
        match (read, notes.into_sorted()) {
            (Some(read), faults) if faults.is_empty() => Ok(read),
            (_, faults) => Err(faults),
        }
    }

    fn of(file: &Path, top: &Entry<'_>) -> Option<Self> {
        let section = top.section()?;
        let (name, name_line) = name(&section, file, top);
        let description = section.take("description").and_then(|entry| entry.text_of(0..=DESCRIPTION_BYTES_MAX));
        let version = section.take("version").and_then(|entry| entry.text_of(0..=VERSION_BYTES_MAX));
        let instances = section.take("instances").and_then(|entry| entry.whole(1..=INSTANCES_MAX));
        let tools = section.take("tools").map(|entry| tools(&entry));
        let labels = section.take("labels").map(|entry| labels(&entry));
        let constraints = section.take("constraints").map(|entry| constraints(&entry));
        let capabilities = section.require("capabilities").map(|entry| capabilities(&entry)).unwrap_or_default();
        let breaker = section.take("breaker").and_then(|entry| resilience::breaker(&entry));
        let runner = section.require("runs").and_then(|entry| runs::runner(&entry, file));
        section.finish();
        // Without a runner the file is refused, but what else is wrong with it is told as well.
        let is_run = runner.is_some();
        let mut agent = ReadyMade::new(runner.unwrap_or(Runner::Echo(Echo)));
        for (entry, capability, _) in &capabilities {
            match agent.clone().offering(capability.clone()) {
                Ok(offering) => agent = offering,
                Err(fault) => entry.faults(vec![fault]),
            }
        }
        Some(Self {
            file: file.to_path_buf(),
            name: name?,
            description: description.unwrap_or_default(),
            version: version.unwrap_or_default(),
            limits: capabilities.iter().filter_map(limit_of).collect(),
            capabilities: capabilities.into_iter().map(|(_, capability, _)| capability).collect(),
            tools: tools.unwrap_or_default(),
            labels: labels.unwrap_or_default(),
            constraints: constraints.unwrap_or_default(),
            instances: usize::try_from(instances.unwrap_or(1)).unwrap_or(1),
            breaker,
            name_line,
            agent,
        })
        .filter(|_| is_run)
    }

    /// A pool of the agent, to be added to a board.
    pub fn pool(&self) -> Pool<Described<ReadyMade>> {
        let pool = self.agent.pool().id(&*self.name).instances(self.instances);
        let pool = pool.description(&*self.description).version(&*self.version);
        let pool = self.breaker.iter().fold(pool, |pool, rules| pool.breaker(rules.clone()));
        let pool = self.tools.iter().fold(pool, |pool, tool| pool.tool(tool));
        let pool = self.labels.iter().fold(pool, |pool, (key, value)| pool.label(key, value));
        self.constraints.iter().fold(pool, |pool, (key, amount)| pool.constraint(key, *amount))
    }
}

/// The name, and the line where it stands.
fn name(section: &Section<'_>, file: &Path, top: &Entry<'_>) -> (Option<String>, usize) {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    match section.take("name") {
        Some(entry) => (entry.text().filter(|name| is_name(name, &entry)), entry.line()),
        None if is_name(&stem, top) => (Some(stem.into_owned()), 1),
        None => (None, 1),
    }
}

fn is_name(name: &str, entry: &Entry<'_>) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let holds = letters && (1..=NAME_BYTES_MAX).contains(&name.len());
    if !holds {
        let shown: String = name.chars().take(60).collect();
        entry.fault(format!("a name is 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -, not {shown:?}"));
    }
    holds
}

fn tools(entry: &Entry<'_>) -> BTreeSet<String> {
    let tools = entry.list();
    at_most(entry, tools.len(), TRAITS_MAX);
    tools.iter().filter_map(|tool| tool.text_of(1..=TRAIT_BYTES_MAX)).collect()
}

fn labels(entry: &Entry<'_>) -> BTreeMap<String, String> {
    let labels = entry.members();
    at_most(entry, labels.len(), TRAITS_MAX);
    let label = |(key, value): (&str, Entry<'_>)| {
        is_key(key, &value).then(|| Some((key.to_owned(), value.text_of(0..=TRAIT_BYTES_MAX)?))).flatten()
    };
    labels.into_iter().filter_map(label).collect()
}

fn constraints(entry: &Entry<'_>) -> BTreeMap<String, Amount> {
    let constraints = entry.members();
    at_most(entry, constraints.len(), TRAITS_MAX);
    let constraint = |(key, value): (&str, Entry<'_>)| {
        let text = value.number()?;
        let Ok(amount) = text.parse() else {
            value.fault(format!("a decimal number with at most six places is expected, not {text}"));
            return None;
        };
        is_key(key, &value).then(|| (key.to_owned(), amount))
    };
    constraints.into_iter().filter_map(constraint).collect()
}

fn is_key(key: &str, entry: &Entry<'_>) -> bool {
    let holds = (1..=TRAIT_BYTES_MAX).contains(&key.len());
    if !holds {
        entry.fault(format!("a key has 1 to {TRAIT_BYTES_MAX} bytes, not {}", key.len()));
    }
    holds
}

fn at_most(entry: &Entry<'_>, count: usize, max: usize) {
    if count > max {
        entry.fault(format!("at most {max}, not {count}"));
    }
}

/// A capability, where it stands, and its limit if it has one.
type Offered<'a> = (Entry<'a>, Capability, Option<Limit>);

fn limit_of((_, capability, limit): &Offered<'_>) -> Option<(String, Limit)> {
    Some((capability.name.to_string(), limit.clone()?))
}

fn capabilities<'a>(entry: &Entry<'a>) -> Vec<Offered<'a>> {
    let all = entry.list();
    at_most(entry, all.len(), CAPABILITIES_MAX);
    if all.is_empty() {
        entry.fault("at least one");
    }
    all.into_iter().filter_map(capability).collect()
}

fn capability(entry: Entry<'_>) -> Option<Offered<'_>> {
    let section = entry.section()?;
    let name = section.require("name").and_then(|entry| entry.text().filter(|name| is_name(name, &entry)));
    let description = section.take("description").and_then(|entry| entry.text_of(0..=DESCRIPTION_BYTES_MAX));
    let input = section.take("input_schema").and_then(|entry| entry.json());
    let output = section.take("output_schema").and_then(|entry| entry.json());
    let limit = section.take("limit").and_then(|entry| resilience::limit(&entry));
    section.finish();
    let capability = Capability::new(name?).description(description.unwrap_or_default());
    let capability = input.into_iter().fold(capability, Capability::input_schema);
    Some((entry, output.into_iter().fold(capability, Capability::output_schema), limit))
}
