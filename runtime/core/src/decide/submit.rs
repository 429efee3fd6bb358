//! The submission of a run.

use crate::command::Draft;
use crate::event::{EventKind, RunSubmitted};
use crate::{CheckedGraph, Effect, Rejected, RunId, State, TaskIndex, TaskRef, Token};

pub(super) fn submit(
    state: &State,
    draft: &mut Draft,
    id: RunId,
    graph: CheckedGraph,
    key: Option<String>,
) -> Result<(), Rejected> {
    if let Some(run) = state.run(id) {
        // The same again is what a caller does who does not know whether the first try arrived.
        return if run.is_of(&graph.graph) { Ok(()) } else { Err(Rejected::Conflict { run: id, key }) };
    }
    let (live, more, limit) = (state.live_tasks(), graph.graph.tasks.len(), state.limits.live_tasks_max);
    if live.saturating_add(more) > limit {
        return Err(Rejected::Full { live, more, limit });
    }
    for (index, spec) in (0..).zip(&graph.graph.tasks) {
        if graph.prepared.plan.needs.of(TaskIndex(index)).is_empty() {
            let task = TaskRef { run: id, task: TaskIndex(index) };
            draft.effect(Effect::Offer(spec.ready(task, Token::FIRST, None)));
        }
    }
    draft.event(Some(id), EventKind::RunSubmitted(RunSubmitted::new(graph, key)));
    Ok(())
}
