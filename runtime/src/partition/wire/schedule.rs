//! Wishes about schedules: of what a schedule starts the text travels.

use super::join::checked_graph;
use crate::partition::message::{NewSchedule, Refusal, ScheduleWish};
use callboard_core::{Json, Rejected, ScheduleRejected};
use std::sync::Arc;

/// The wish as it travels.
pub(super) fn written(wish: ScheduleWish) -> ScheduleWish<Json> {
    match wish {
        ScheduleWish::Set(new) => {
            let NewSchedule { timing, overlap, catch_up, graph, replace } = *new;
            let graph = graph.json().clone();
            ScheduleWish::Set(Box::new(NewSchedule { timing, overlap, catch_up, graph, replace }))
        }
        ScheduleWish::Pause(reason) => ScheduleWish::Pause(reason),
        ScheduleWish::Resume => ScheduleWish::Resume,
        ScheduleWish::Remove => ScheduleWish::Remove,
        ScheduleWish::FireNow(run) => ScheduleWish::FireNow(run),
    }
}

/// The wish as the partition carries it out.
///
/// # Errors
///
/// [`ScheduleRejected::Faulty`] if what it is to start can not be read, or has faults.
pub(super) async fn checked(name: &Arc<str>, wish: ScheduleWish<Json>) -> Result<ScheduleWish, Refusal> {
    Ok(match wish {
        ScheduleWish::Set(new) => {
            let NewSchedule { timing, overlap, catch_up, graph, replace } = *new;
            let graph = checked_graph(graph).await.map_err(|why| faulty(name, why))?;
            ScheduleWish::Set(Box::new(NewSchedule { timing, overlap, catch_up, graph, replace }))
        }
        ScheduleWish::Pause(reason) => ScheduleWish::Pause(reason),
        ScheduleWish::Resume => ScheduleWish::Resume,
        ScheduleWish::Remove => ScheduleWish::Remove,
        ScheduleWish::FireNow(run) => ScheduleWish::FireNow(run),
    })
}

fn faulty(name: &Arc<str>, why: String) -> Refusal {
    Rejected::from(ScheduleRejected::Faulty { name: name.clone(), reason: why.into() }).into()
}
