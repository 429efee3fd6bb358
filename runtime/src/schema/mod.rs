//! JSON Schemas: derived from types, and held against what a workflow says before it starts.

mod cache;
pub(crate) mod derived;
mod fit;
mod kinds;
mod place;

#[cfg(test)]
mod tests;

pub(crate) use cache::{Cache, check};

use crate::registry::Capability;
use callboard_core::{Graph, Json, TaskIndex, TaskSpec};
use place::{Place, Reference, places};
use std::collections::HashMap;

/// How many faults of one input are told.
const TOLD_MAX: usize = 20;

/// What of a graph can not fit the schemas of the capabilities it names, in words.
///
/// Only the inputs of `tasks` are looked at: those that no type has written. `known` says what is known of a capability,
/// by each agent that offers it; an input that one of them would take is no fault, and neither is one that nothing is
/// known of.
pub(crate) fn faults(
    graph: &Graph,
    tasks: &[TaskIndex],
    known: &dyn Fn(&str) -> Vec<Capability>,
    cache: &Cache,
) -> Vec<String> {
    let mut check = Check { graph, known, cache, names: None, offers: HashMap::new() };
    tasks.iter().filter_map(|task| graph.tasks.get(task.at())).flat_map(|task| check.task(task)).collect()
}

struct Check<'a> {
    graph: &'a Graph,
    known: &'a dyn Fn(&str) -> Vec<Capability>,
    cache: &'a Cache,
    /// Tasks by name, once somebody asks.
    names: Option<HashMap<&'a str, &'a TaskSpec>>,
    /// What was said of the capabilities so far.
    offers: HashMap<&'a str, Vec<Capability>>,
}

impl<'a> Check<'a> {
    fn offers(&mut self, capability: &'a str) -> Vec<Capability> {
        self.offers.entry(capability).or_insert_with(|| (self.known)(capability)).clone()
    }

    /// The task of this name.
    fn named(&mut self, name: &str) -> Option<&'a TaskSpec> {
        let graph = self.graph;
        let names =
            self.names.get_or_insert_with(|| graph.tasks.iter().map(|task| (task.name.as_str(), &**task)).collect());
        names.get(name).copied()
    }

    /// The faults of one task: none if any schema of its capability takes the input, else those by the first of them.
    fn task(&mut self, task: &'a TaskSpec) -> Vec<String> {
        let mut least: Option<Vec<String>> = None;
        let offers = self.offers(&task.capability);
        let schemas = offers.iter().map(|offer| offer.input_schema.as_ref());
        for (n, schema) in schemas.enumerate() {
            let found = match schema {
                None => Vec::new(), // who says nothing takes anything
                Some(schema) if offers[..n].iter().any(|other| other.input_schema.as_ref() == Some(schema)) => continue,
                Some(schema) => self.input(task, schema),
            };
            if found.is_empty() {
                return found;
            }
            least.get_or_insert(found);
        }
        let told = |fault| format!("task {:?}: {fault}", task.name);
        least.unwrap_or_default().into_iter().map(told).collect()
    }

    /// The faults of a task's input by one schema.
    fn input(&mut self, task: &TaskSpec, schema: &Json) -> Vec<String> {
        let capability = &task.capability;
        let compiled = match self.cache.compiled(schema) {
            Ok(compiled) => compiled,
            Err(reason) => return vec![format!("the input schema of {capability:?} can not be used: {reason}")],
        };
        let input = match serde_json::from_str(task.input.as_str()) {
            Ok(value) => place::input(value),
            Err(error) => {
                return vec![format!("its input can not be held against the schema of {capability:?}: {error}")];
            }
        };
        let mut faults = fit::faults(&compiled.validator, &input, TOLD_MAX);
        for reference in places(&input) {
            faults.extend(self.edge(&compiled.schema, reference));
        }
        faults
    }

    /// What the schema says of an edge that can never fit.
    fn edge(&mut self, schema: &serde_json::Value, (place, reference): (&Place, &Reference)) -> Vec<String> {
        let mut faults = Vec::new();
        let (names, wanted) = match reference {
            Reference::From(name) => (std::slice::from_ref(name), kinds::at(schema, place)),
            Reference::All(names) => {
                if !kinds::at(schema, place).has(kinds::Kinds::ARRAY) {
                    faults.push(format!("{}: a list of outputs stands where none can", place.shown()));
                }
                (names.as_slice(), kinds::at(schema, &place.item()))
            }
        };
        for name in names {
            let given = self.output(name);
            if !given.meets(wanted) {
                faults.push(format!("{}: the output of {name:?} is {given}, and only {wanted} fits", place.shown()));
            }
        }
        faults
    }

    /// What the output of a task may be.
    fn output(&mut self, task: &str) -> kinds::Kinds {
        let Some(task) = self.named(task) else { return kinds::Kinds::ANY };
        let offers = self.offers(&task.capability);
        let kinds = offers.iter().map(|offer| match &offer.output_schema {
            Some(schema) => self.cache.compiled(schema).map_or(kinds::Kinds::ANY, |known| kinds::of(&known.schema)),
            None => kinds::Kinds::ANY,
        });
        kinds.reduce(kinds::Kinds::or).unwrap_or(kinds::Kinds::ANY)
    }
}
