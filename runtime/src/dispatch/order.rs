//! Whether the task that is handed out is the one whose turn it is: looked at for each, and told apart from choosing it.

use callboard_core::{Breach, Invariant, Priority, Ready, ReadyQueue};

/// What is wrong with handing this task out now, if anything is: `left` is how urgent the most urgent of those is that the
/// same slot could serve and that stay behind.
///
/// A slot that is lent to another node, or kept for one that an agent has not failed with, is no concern of this: at most one
/// window of tasks may be ahead of a more urgent one there.
pub(super) fn breach<T>(queue: &ReadyQueue<T>, ready: &Ready, left: Option<Priority>) -> Option<Breach> {
    if let Some(left) = left.filter(|left| *left > ready.priority) {
        let (left, given) = (left.level(), ready.priority.level());
        let what = format!("it was handed out with priority {given} while a task with {left} waits for the same slot");
        return Some(Breach::of_task(Invariant::PriorityOrder, ready.task, what));
    }
    let passed_over = queue.passed_over()?;
    let what = format!("it was handed out while run {passed_over} has waited longer for its turn");
    Some(Breach::of_task(Invariant::FairTurns, ready.task, what))
}
