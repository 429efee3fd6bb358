//! Runs a search and says what it came to.
use std::{collections::BTreeSet, fmt::Write as _, hash::Hash, time::Instant};

use super::{documents::Documents, log::Log};
use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// How a search ended.
#[derive(Debug)]
pub struct Report {
    /// Distinct states visited.
    pub states: usize,
    /// The `always` properties found violated, each with a shortest path to it, one step a line.
    pub violated: Vec<(&'static str, String)>,
    /// The `sometimes` properties that no state had.
    pub never: Vec<&'static str>,
    /// Whether every reachable state was visited.
    pub exhausted: bool,
    /// Wall time of the search, in milliseconds. For people only.
    pub millis: u128,
}

impl Report {
    /// The whole of it, readable.
    pub fn readable(&self) -> String {
        let end = if self.exhausted { "exhausted" } else { "stopped" };
        let mut text = format!("{} states, {end}, {} ms", self.states, self.millis);
        for (name, path) in &self.violated {
            let _ = write!(text, "\nviolated: {name}\n{path}");
        }
        for name in &self.never {
            let _ = write!(text, "\nnever: {name}");
        }
        text
    }
}

impl Log {
    /// Searches all states by breadth, up to about `limit` steps, or until one of `wanted` is found violated.
    pub fn search(self, limit: usize, wanted: &[&'static str]) -> Report {
        search(self, limit, wanted)
    }
}

impl Documents {
    /// Searches all states by breadth, up to about `limit` steps, or until one of `wanted` is found violated.
    pub fn search(self, limit: usize, wanted: &[&'static str]) -> Report {
        search(self, limit, wanted)
    }
}

/// Not public, so that it is compiled here, with optimisation, and not in a test.
fn search<M>(model: M, limit: usize, wanted: &[&'static str]) -> Report
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + 'static,
    M::Action: Clone + PartialEq + std::fmt::Debug,
{
    let always = M::properties(&model);
    let failures = always.iter().filter(|property| property.expectation == Expectation::Always);
    let stop: BTreeSet<_> = if wanted.is_empty() {
        failures.map(|property| property.name).collect()
    } else {
        wanted.iter().copied().collect()
    };
    #[expect(clippy::disallowed_methods, reason = "the wall time of a search is for people")]
    let begun = Instant::now();
    let checker =
        model.clone().checker().target_state_count(limit).finish_when(HasDiscoveries::AnyOf(stop)).spawn_bfs().join();
    let millis = begun.elapsed().as_millis();
    let mut found = checker.discoveries();
    let (mut violated, mut never) = (Vec::new(), Vec::new());
    for property in &always {
        match (property.expectation.clone(), found.remove(property.name)) {
            (Expectation::Always, Some(path)) => violated.push((property.name, steps(&model, path.into_actions()))),
            (Expectation::Sometimes, None) => never.push(property.name),
            _ => {}
        }
    }
    let exhausted = violated.is_empty() && checker.state_count() < limit;
    Report { states: checker.unique_state_count(), violated, never, exhausted, millis }
}

fn steps<M: Model>(model: &M, actions: Vec<M::Action>) -> String
where
    M::Action: std::fmt::Debug,
{
    let lines = actions.iter().enumerate();
    lines.map(|(at, action)| format!("  {:>3}. {}\n", at + 1, model.format_action(action))).collect()
}
