//! What somebody adds to the budget of a run, and what comes of one whose time is spent.

use super::run;
use crate::budget::AMOUNT_MAX;
use crate::command::Draft;
use crate::event::{BudgetToppedUp, EventKind, WallTimeSpent};
use crate::{Budget, Effect, Rejected, Run, RunId, State, Token};
use std::sync::Arc;
use uuid::Uuid;

/// How often the budget of one run may be topped up.
const TOP_UPS_MAX: usize = 1_000;

/// Adds to the limits of an open run. What was added before under the same id changes nothing.
pub(super) fn top_up(
    state: &State,
    draft: &mut Draft,
    id: RunId,
    top_up: Uuid,
    amount: Budget,
    by: Option<Arc<str>>,
) -> Result<(), Rejected> {
    let run = run(state, id)?;
    if run.ledger().is_some_and(|ledger| ledger.has_seen(&top_up)) {
        return Ok(());
    }
    if let Some((outcome, _)) = run.ended {
        return Err(Rejected::Ended { run: id, outcome });
    }
    let refused = |reason: String| Rejected::TopUp { run: id, reason };
    if amount.amounts().iter().all(|(_, amount)| amount.unwrap_or_default() == 0) {
        return Err(refused("it adds nothing".into()));
    }
    if let Some((what, Some(much))) = amount.amounts().into_iter().find(|(_, amount)| *amount > Some(AMOUNT_MAX)) {
        return Err(refused(format!("{much} {what} are more than {AMOUNT_MAX}")));
    }
    let ledger = run.ledger().filter(|ledger| !ledger.limit.is_none());
    let ledger = ledger.ok_or_else(|| refused("the run has no budget, so nothing limits it".into()))?;
    ledger.limit.topped_up(&amount).map_err(refused)?;
    if ledger.top_ups.len() >= TOP_UPS_MAX {
        return Err(refused(format!("it was topped up {TOP_UPS_MAX} times, which is the limit (top_ups_max)")));
    }
    let goes_on = run.is_unpaused_by(draft.at(), &amount);
    draft.event(Some(id), EventKind::BudgetToppedUp(BudgetToppedUp { id: top_up, amount, by }));
    if goes_on {
        // What waits for a moment is offered by its timer.
        for ready in run.all_ready().filter(|ready| ready.token == Token::FIRST) {
            draft.effect(Effect::Offer(ready));
        }
    }
    Ok(())
}

/// The time of a run is spent: it starts nothing more.
pub(super) fn wall_time_spent(draft: &mut Draft, run: &Run) {
    let Some(limit_ms) = run.ledger().and_then(|ledger| ledger.limit.wall_ms) else { return };
    draft.event(Some(run.id), EventKind::WallTimeSpent(WallTimeSpent { limit_ms }));
    draft.effect(Effect::Withdraw { run: run.id });
}
