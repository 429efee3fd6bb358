//! What runs and tasks are called of which a page tells: asked for where they live, or learnt from what is told of them.

use crate::run_event::Called;
use callboard_core::{Event, EventKind, TaskIndex, TaskSpec};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a run is called, and as many of its tasks as anybody has asked for.
#[derive(Debug, Default)]
pub(super) struct Known {
    workflow: Arc<str>,
    names: BTreeMap<TaskIndex, Arc<str>>,
    capabilities: BTreeMap<Arc<str>, Arc<str>>,
}

impl Known {
    pub(super) fn new(workflow: Arc<str>, tasks: Vec<(TaskIndex, Arc<str>, Arc<str>)>) -> Self {
        let mut known = Self { workflow, ..Self::default() };
        for (index, name, capability) in tasks {
            known.capabilities.insert(name.clone(), capability);
            known.names.insert(index, name);
        }
        known
    }

    /// Learns what an event says of names, of tasks that are new with it. Told in order, these have the next places.
    pub(super) fn learn(&mut self, event: &Event) {
        let first = self.names.last_key_value().map_or(0, |(last, _)| last.0.saturating_add(1));
        match &event.kind {
            EventKind::RunSubmitted(submitted) => {
                self.workflow = submitted.graph.name.as_str().into();
                self.add(0, submitted.graph.tasks.iter().map(|spec| &**spec));
            }
            EventKind::ChildrenSubmitted(submitted) => {
                self.add(first, submitted.children.iter().map(|child| &*child.spec))
            }
            EventKind::UndoBegun(begun) => self.add(first, begun.undos.iter().map(|undo| &*undo.spec)),
            _ => {}
        }
    }

    fn add<'a>(&mut self, first: u32, specs: impl Iterator<Item = &'a TaskSpec>) {
        for (index, spec) in (first..).zip(specs) {
            let name: Arc<str> = spec.name.as_str().into();
            self.capabilities.insert(name.clone(), spec.capability.clone());
            self.names.insert(TaskIndex(index), name);
        }
    }

    /// Learns the capabilities of tasks that an event brings, and nothing of their places.
    pub(super) fn learn_capabilities(&mut self, event: &Event) {
        let specs: Vec<&TaskSpec> = match &event.kind {
            EventKind::ChildrenSubmitted(submitted) => submitted.children.iter().map(|child| &*child.spec).collect(),
            EventKind::UndoBegun(begun) => begun.undos.iter().map(|undo| &*undo.spec).collect(),
            _ => return,
        };
        for spec in specs {
            self.capabilities.insert(spec.name.as_str().into(), spec.capability.clone());
        }
    }

    /// The capability of a task.
    pub(super) fn capability(&self, task: Option<&Arc<str>>) -> Option<Arc<str>> {
        self.capabilities.get(task?).cloned()
    }
}

impl Called for Known {
    fn workflow(&self) -> Arc<str> {
        self.workflow.clone()
    }

    fn name(&self, task: TaskIndex) -> Arc<str> {
        self.names.get(&task).cloned().unwrap_or_else(|| task.to_string().into())
    }
}

/// Which tasks an event speaks of by their places.
pub(super) fn mentioned(event: &Event) -> BTreeSet<TaskIndex> {
    struct Mentioned(RefCell<BTreeSet<TaskIndex>>);

    impl Called for Mentioned {
        fn workflow(&self) -> Arc<str> {
            Arc::default()
        }

        fn name(&self, task: TaskIndex) -> Arc<str> {
            self.0.borrow_mut().insert(task);
            Arc::default()
        }
    }

    let mentioned = Mentioned(RefCell::default());
    let _said = mentioned.told(event);
    mentioned.0.into_inner()
}
