//! What a graph may be at most, and what is too much of one.

use crate::{AMOUNT_MAX, Budget, Graph, GraphFault, Json, TaskSpec};

/// What a graph may be at most.
#[derive(Clone, Copy, Debug)]
pub struct GraphLimits {
    /// Tasks in a graph; 100,000 by default.
    pub tasks_max: usize,
    /// Bytes of one input as written; 16 MiB by default.
    pub input_bytes_max: usize,
    /// Levels of arrays and objects in one input; 127 by default, which is what serde_json reads into a type. Deeper
    /// ones are only fit for who reads them without recursion.
    pub input_depth_max: usize,
    /// Bytes of all inputs, names, order-only edges and labels together; 32 MiB by default, so that the graph fits into
    /// one batch of the journal.
    pub graph_bytes_max: usize,
    /// Order-only edges of one task; 10,000 by default.
    pub after_max: usize,
    /// Requirements of one task; 64 by default.
    pub requires_max: usize,
    /// Bytes of the tenant's name; 128 by default.
    pub tenant_bytes_max: usize,
    /// Labels of a run; 64 by default.
    pub labels_max: usize,
    /// Bytes of a label's key at least; 1 by default.
    pub label_key_bytes_min: usize,
    /// Bytes of a label's key; 63 by default.
    pub label_key_bytes_max: usize,
    /// Bytes of a label's value; 256 by default.
    pub label_value_bytes_max: usize,
    /// The largest amount of anything in a budget; [`AMOUNT_MAX`] by default.
    pub amount_max: u64,
    /// The shortest timeout, in milliseconds; 1 by default. None at all would end what it limits before it begins.
    pub timeout_ms_min: u64,
}

impl Default for GraphLimits {
    fn default() -> Self {
        Self {
            tasks_max: 100_000,
            input_bytes_max: 16 << 20,
            input_depth_max: 127,
            graph_bytes_max: 32 << 20,
            after_max: 10_000,
            requires_max: 64,
            tenant_bytes_max: 128,
            labels_max: 64,
            label_key_bytes_min: 1,
            label_key_bytes_max: 63,
            label_value_bytes_max: 256,
            amount_max: AMOUNT_MAX,
            timeout_ms_min: 1,
        }
    }
}

impl GraphLimits {
    /// Lets everything pass: what was once accepted stays valid, whatever the limits are by now.
    pub const NONE: Self = Self {
        tasks_max: usize::MAX,
        input_bytes_max: usize::MAX,
        input_depth_max: usize::MAX,
        graph_bytes_max: usize::MAX,
        after_max: usize::MAX,
        requires_max: usize::MAX,
        tenant_bytes_max: usize::MAX,
        labels_max: usize::MAX,
        label_key_bytes_min: 0,
        label_key_bytes_max: usize::MAX,
        label_value_bytes_max: usize::MAX,
        amount_max: u64::MAX,
        timeout_ms_min: 0,
    };

    /// What is wrong with a task that a handler asks for, in words.
    pub(crate) fn spec_faults(&self, spec: &TaskSpec) -> Vec<String> {
        let mut faults = Vec::new();
        self.task_faults(spec, &mut faults);
        let mut faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        faults.extend(crate::graph::capability_fault(&spec.capability).map(|fault| fault.to_string()));
        faults
    }

    /// What of `graph` is too much.
    pub(crate) fn faults(&self, graph: &Graph) -> Vec<GraphFault> {
        let mut faults = Vec::new();
        if graph.tasks.is_empty() {
            faults.push(GraphFault::Empty);
        }
        if graph.tasks.len() > self.tasks_max {
            faults.push(GraphFault::TooManyTasks { seen: graph.tasks.len(), limit: self.tasks_max });
        }
        let bytes = graph.bytes();
        if bytes > self.graph_bytes_max {
            faults.push(GraphFault::TooManyBytes { seen: bytes, limit: self.graph_bytes_max });
        }
        if let Some(tenant) = graph.tenant.as_ref().filter(|tenant| tenant.len() > self.tenant_bytes_max) {
            let limit = self.tenant_bytes_max;
            faults.push(GraphFault::TenantTooLong { tenant: shown(tenant), seen: tenant.len(), limit });
        }
        faults.extend(self.label_faults(graph));
        faults.extend(self.time_fault(None, "timeout", graph.timeout_ms));
        faults.extend(graph.budget.iter().flat_map(|budget| self.budget_faults(budget)));
        graph.tasks.iter().for_each(|task| self.task_faults(task, &mut faults));
        faults
    }

    fn budget_faults(&self, budget: &Budget) -> impl Iterator<Item = GraphFault> + use<> {
        let limit = self.amount_max;
        let said = budget.amounts().into_iter().filter_map(|(what, amount)| Some((what, amount?)));
        said.filter(move |(_, seen)| *seen > limit).map(move |(what, seen)| GraphFault::BudgetTooLarge {
            what,
            seen,
            limit,
        })
    }

    fn label_faults(&self, graph: &Graph) -> Vec<GraphFault> {
        let mut faults = Vec::new();
        if graph.labels.len() > self.labels_max {
            faults.push(GraphFault::TooManyLabels { seen: graph.labels.len(), limit: self.labels_max });
        }
        for (key, value) in &graph.labels {
            if key.len() < self.label_key_bytes_min {
                faults.push(GraphFault::LabelWithoutKey { value: shown(value), limit: self.label_key_bytes_min });
            }
            let sizes =
                [("key", key.len(), self.label_key_bytes_max), ("value", value.len(), self.label_value_bytes_max)];
            for (part, seen, limit) in sizes.into_iter().filter(|(_, seen, limit)| seen > limit) {
                faults.push(GraphFault::LabelTooLarge { key: shown(key), part, seen, limit });
            }
        }
        faults
    }

    /// A timeout that leaves no time.
    fn time_fault(&self, task: Option<&str>, which: &'static str, limit_ms: Option<u64>) -> Option<GraphFault> {
        let seen = limit_ms.filter(|limit| *limit < self.timeout_ms_min)?;
        Some(GraphFault::TimeoutTooShort { task: task.map(shown), which, seen, limit: self.timeout_ms_min })
    }

    fn task_faults(&self, task: &TaskSpec, faults: &mut Vec<GraphFault>) {
        let name = || shown(&task.name);
        let bytes = task.input.as_str().len();
        if bytes > self.input_bytes_max {
            faults.push(GraphFault::InputTooLarge { task: name(), seen: bytes, limit: self.input_bytes_max });
        }
        // What has no more bytes than levels are allowed can not be too deep.
        let depth = if bytes > self.input_depth_max { task.input.depth() } else { 0 };
        if depth > self.input_depth_max {
            faults.push(GraphFault::InputTooDeep { task: name(), seen: depth, limit: self.input_depth_max });
        }
        let lists = [
            ("after", task.after.len(), self.after_max),
            ("requires", task.requires.iter().count(), self.requires_max),
        ];
        for (list, seen, limit) in lists.into_iter().filter(|(_, seen, limit)| seen > limit) {
            faults.push(GraphFault::ListTooLong { task: name(), list, seen, limit });
        }
        let times = &task.timeouts;
        let times = [
            ("timeout", times.attempt_ms),
            ("start_timeout", times.start_ms),
            ("heartbeat_timeout", times.heartbeat_ms),
        ];
        faults.extend(times.into_iter().filter_map(|(which, limit)| self.time_fault(Some(&task.name), which, limit)));
    }
}

impl Json {
    /// How many arrays and objects stand around the innermost value; 0 for a number. One look at each byte, without
    /// recursion: the text is an author's, and its depth must not cost a stack.
    pub fn depth(&self) -> usize {
        let (mut depth, mut deepest) = (0_usize, 0);
        let mut bytes = self.as_str().bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'{' | b'[' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => skip_string(&mut bytes),
                _ => {}
            }
        }
        deepest
    }
}

/// Goes behind the closing quote of a string whose opening quote was the last byte.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// As much of a name as a fault repeats: more than the longest that is usable.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(160).collect()
}
