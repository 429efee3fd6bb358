//! From what the core says of a graph back to the places of its document.

use super::fault::{Faults, Path};
use super::tree::{Located, Member, Place, Value};
use callboard_core::{Graph, GraphFault};
use std::collections::{HashMap, HashSet, VecDeque};

/// A reference, or what should have been one.
struct Suspect {
    place: Place,
    path: Path,
}

/// Adds the core's faults to `faults`, each with its place.
pub(super) fn trace(graph: &Graph, root: &Located, found: &[GraphFault], faults: &mut Faults) {
    if found.is_empty() {
        return;
    }
    let mut tracer = Tracer::new(graph, root);
    for fault in found {
        let (place, path, message) = tracer.place(fault);
        faults.add(place, &path, message);
    }
}

struct Tracer<'a> {
    root: &'a Located,
    tasks: HashMap<String, &'a Member>,
    /// Bad references of each task, in the order in which the core tells them.
    suspects: HashMap<String, VecDeque<Suspect>>,
    /// Capabilities as the core shows them, with the tasks that name them.
    capabilities: HashMap<String, VecDeque<&'a Member>>,
}

impl<'a> Tracer<'a> {
    fn new(graph: &Graph, root: &'a Located) -> Self {
        let names: HashSet<&str> = graph.tasks.iter().map(|task| task.name.as_str()).collect();
        let mut tracer = Self { root, tasks: HashMap::new(), suspects: HashMap::new(), capabilities: HashMap::new() };
        for member in root.get("tasks").map(Located::members).unwrap_or_default() {
            let name = shown(&member.key.name);
            if let Some(Value::Text(capability)) = member.value.get("capability").map(|value| &value.value) {
                tracer.capabilities.entry(shown(capability)).or_default().push_back(member);
            }
            tracer.suspects.insert(name.clone(), suspects(member, &names));
            tracer.tasks.insert(name, member);
        }
        tracer
    }

    fn place(&mut self, fault: &GraphFault) -> (Place, Path, String) {
        let said = fault.to_string();
        match fault {
            GraphFault::UnknownReference { task, reference, closest } => {
                let hint = closest.as_ref().map_or_else(String::new, |name| format!("; the closest is {name:?}"));
                self.suspect(task, format!("{reference:?} is no task of this workflow{hint}"))
            }
            GraphFault::BadReference { task, reason } => self.suspect(task, reason.clone()),
            GraphFault::InputTooLarge { task, seen, limit } => {
                let message =
                    format!("the input takes {seen} bytes, more than the limit of {limit} (payload_bytes_max)");
                self.field(task, "input", message)
            }
            GraphFault::InputTooDeep { task, .. } => self.field(task, "input", said),
            GraphFault::ListTooLong { task, list, .. } => self.field(task, list, said),
            GraphFault::TimeoutTooShort { task: Some(task), which, .. } => self.field(task, which, said),
            GraphFault::TimeoutTooShort { task: None, which, .. } => (self.of(which), path(&[which]), said),
            GraphFault::TooManyLabels { .. }
            | GraphFault::LabelTooLarge { .. }
            | GraphFault::LabelWithoutKey { .. } => (self.of("labels"), path(&["labels"]), said),
            GraphFault::BudgetTooLarge { .. } => (self.of("budget"), path(&["budget"]), said),
            GraphFault::TenantTooLong { .. } => (self.of("tenant"), path(&["tenant"]), said),
            GraphFault::BadName { what: "workflow", reason, .. } => {
                (self.of("name"), path(&["name"]), (*reason).to_owned())
            }
            GraphFault::BadName { what: "capability", seen, reason } => {
                let member = self.capabilities.get_mut(seen).and_then(VecDeque::pop_front);
                let message = format!("{seen:?}: {reason}");
                match member {
                    Some(Member { key, value }) => {
                        let place = value.get("capability").map_or(value.place, |value| value.place);
                        (place, path(&["tasks", &key.name, "capability"]), message)
                    }
                    None => (self.of("tasks"), path(&["tasks"]), message),
                }
            }
            GraphFault::BadName { seen: task, reason, .. } => {
                let (place, path) = self.task(task);
                (place, path, (*reason).to_owned())
            }
            GraphFault::DuplicateName { name } => {
                let (place, path) = self.task(name);
                (place, path, said)
            }
            GraphFault::Cycle { path: cycle } => {
                let (place, path) = self.task(cycle.first().map_or("", String::as_str));
                (place, path, said)
            }
            GraphFault::Empty | GraphFault::TooManyTasks { .. } | GraphFault::TooManyBytes { .. } => {
                (self.of("tasks"), path(&["tasks"]), said)
            }
        }
    }

    /// The place of a field of a task, or of the task if the field is left out.
    fn field(&self, task: &str, field: &str, said: String) -> (Place, Path, String) {
        let place = self.tasks.get(task).and_then(|member| member.value.get(field)).map(|field| field.place);
        (place.unwrap_or_else(|| self.task(task).0), path(&["tasks", task, field]), said)
    }

    /// The place of a task's name.
    fn task(&self, name: &str) -> (Place, Path) {
        let place = self.tasks.get(name).map_or_else(|| self.of("tasks"), |member| member.key.place);
        (place, path(&["tasks", name]))
    }

    /// The next of the bad references of a task.
    fn suspect(&mut self, task: &str, message: String) -> (Place, Path, String) {
        match self.suspects.get_mut(task).and_then(VecDeque::pop_front) {
            Some(suspect) => (suspect.place, suspect.path, message),
            None => {
                let (place, path) = self.task(task);
                (place, path, message)
            }
        }
    }

    fn of(&self, key: &str) -> Place {
        self.root.get(key).map_or(self.root.place, |value| value.place)
    }
}

fn path(keys: &[&str]) -> Path {
    let mut path = Path::default();
    let mut found = Path::default();
    deepen(&mut path, keys, &mut found);
    found
}

fn deepen(path: &mut Path, keys: &[&str], found: &mut Path) {
    match keys {
        [] => *found = path.clone(),
        [first, rest @ ..] => path.at_key(first, |path| deepen(path, rest, found)),
    }
}

/// As much of a name as the core repeats in a fault.
fn shown(name: &str) -> String {
    name.chars().take(160).collect()
}

/// What is no good reference in a task, in the order in which the core comes upon it: first what stands in `after`,
/// then the input from its beginning to its end.
fn suspects(member: &Member, names: &HashSet<&str>) -> VecDeque<Suspect> {
    let mut search = Search { names, found: VecDeque::new() };
    let mut path = Path::default();
    path.at_key("tasks", |path| {
        path.at_key(&member.key.name, |path| {
            if let Some(after) = member.value.get("after") {
                path.at_key("after", |path| search.names(after, path));
            }
            if let Some(input) = member.value.get("input") {
                path.at_key("input", |path| search.value(input, path));
            }
        });
    });
    search.found
}

struct Search<'a> {
    names: &'a HashSet<&'a str>,
    found: VecDeque<Suspect>,
}

impl Search<'_> {
    fn add(&mut self, place: Place, path: &Path) {
        self.found.push_back(Suspect { place, path: path.clone() });
    }

    fn name(&mut self, value: &Located, path: &Path) {
        if let Value::Text(name) = &value.value
            && !self.names.contains(name.as_str())
        {
            self.add(value.place, path);
        }
    }

    fn names(&mut self, list: &Located, path: &mut Path) {
        if let Value::List(items) = &list.value {
            for (n, item) in items.iter().enumerate() {
                path.at_index(n, |path| self.name(item, path));
            }
        }
    }

    fn value(&mut self, value: &Located, path: &mut Path) {
        match &value.value {
            Value::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    path.at_index(n, |path| self.value(item, path));
                }
            }
            Value::Map(members) => {
                for Member { key, value } in members {
                    let is_alone = members.len() == 1;
                    match key.name.as_str() {
                        "$from" | "$all" | "$literal" if !is_alone => {
                            path.at_key(&key.name, |path| self.add(key.place, path))
                        }
                        "$literal" => {}
                        "$from" => match &value.value {
                            Value::Text(_) => self.name(value, path),
                            _ => self.add(value.place, path),
                        },
                        "$all" => match &value.value {
                            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Text(_))) => {
                                self.names(value, path);
                            }
                            _ => self.add(value.place, path),
                        },
                        name => path.at_key(name, |path| self.value(value, path)),
                    }
                }
            }
            _ => {}
        }
    }
}
