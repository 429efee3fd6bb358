//! The submission of a run.

use crate::command::Draft;
use crate::event::{EventKind, RunSubmitted};
use crate::{Effect, Graph, Rejected, RunId, State, TaskIndex, TaskRef, Token};

pub(super) fn submit(
    state: &State,
    draft: &mut Draft,
    id: RunId,
    graph: Graph,
    key: Option<String>,
) -> Result<(), Rejected> {
    if let Some(run) = state.run(id) {
        // The same again is what a caller does who does not know whether the first try arrived.
        return if run.is_of(&graph) { Ok(()) } else { Err(Rejected::Conflict { run: id, key }) };
    }
    let plan = graph.plan(&state.limits.graph).map_err(Rejected::Graph)?;
    for (index, planned) in (0..).zip(&plan.tasks) {
        if planned.needs.is_empty() {
            let spec = &graph.tasks[index as usize];
            let task = TaskRef { run: id, task: TaskIndex(index) };
            draft.effect(Effect::Offer(spec.ready(task, Token::FIRST, None)));
        }
    }
    draft.event(Some(id), EventKind::RunSubmitted(RunSubmitted { graph, key }));
    Ok(())
}
