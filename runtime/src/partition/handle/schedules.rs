//! Schedules: set, paused, resumed, removed, fired, and how they stand.

use super::{AGAIN, ANSWER_MAX, Partitions, ask, refused};
use crate::partition::message::{Message, Refusal, ScheduleWish};
use crate::partition::question::Question;
use crate::schedule::ScheduleInfo;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Rejected, RunId, ScheduleRejected};
use std::sync::Arc;
use tokio::time::Instant;

/// The room in an inbox that a wish takes which carries no workflow.
const WISH_BYTES: usize = 256;

impl Partitions {
    /// Carries out a wish about a schedule. Durable when it answers.
    pub(crate) async fn schedule(&self, name: &Arc<str>, wish: ScheduleWish) -> Result<()> {
        let partition = self.at(self.number_of_schedule(name));
        let deadline = Instant::now() + ANSWER_MAX;
        let bytes = if let ScheduleWish::Set(new) = &wish { new.graph.bytes() } else { WISH_BYTES };
        let mut unclear = None;
        loop {
            let sent = async {
                partition.admit()?;
                let room = partition.room(bytes).await?;
                let way = partition.way_soon().await?;
                let (name, wish) = (name.clone(), wish.clone());
                Ok(ask(&way, deadline, |reply| Message::Schedule { name, wish, room, reply }).await)
            };
            match sent.await {
                // A try of unknown outcome went before, and no later one has told what came of it.
                Err(error) => return Err(unclear.unwrap_or(error)),
                Ok(Some(Ok(()))) => return Ok(()),
                Ok(Some(Err(Refusal::Rejected(rejected)))) => {
                    // Whoever was not told of the removal and finds nothing to remove has what he wanted.
                    let is_gone = matches!(rejected, Rejected::Schedule(ScheduleRejected::NotFound(_)));
                    let is_removed = is_gone && matches!(wish, ScheduleWish::Remove) && unclear.is_some();
                    return if is_removed { Ok(()) } else { Err(refused(rejected)) };
                }
                Ok(Some(Err(Refusal::Unavailable(reason)))) => {
                    let message = format!("schedule {name:?} was not {}", wish.done());
                    let error = Error::new(ErrorKind::Unavailable, message).because(reason);
                    return Err(unclear.unwrap_or(error));
                }
                Ok(Some(Err(Refusal::Unknown(reason)))) => unclear = Some(done_or_not(name, &wish).because(reason)),
                // No wish about a schedule is answered with pages of the archive.
                Ok(Some(Err(Refusal::Elsewhere(_))) | None) => unclear = Some(done_or_not(name, &wish)),
            }
            // To fire again might start a second run; the others say the same again.
            if matches!(wish, ScheduleWish::FireNow(_)) || Instant::now() >= deadline {
                return Err(unclear.unwrap_or_else(|| done_or_not(name, &wish)));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// How a schedule stands.
    pub(crate) async fn schedule_info(&self, name: &Arc<str>) -> Result<ScheduleInfo> {
        let ask = |reply| Question::Schedule { name: name.clone(), reply };
        let found = self.ask(self.number_of_schedule(name), ask).await?;
        found.ok_or_else(|| refused(ScheduleRejected::NotFound(name.clone()).into()))
    }

    /// All schedules, by name.
    pub(crate) async fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        let mut all = Vec::new();
        for number in 0..self.count() {
            let mut after = None;
            loop {
                let question = |reply| Question::Schedules { after: after.clone(), reply };
                let (some, next) = self.ask(number, question).await?;
                all.extend(some);
                match next {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// A new id for a run that is to be in the partition of a schedule.
    pub(crate) fn new_run_beside(&self, name: &str) -> RunId {
        let home = self.number_of_schedule(name);
        loop {
            let id = RunId::new(crate::chance::timed_id());
            if self.number_of(id) == home {
                return id;
            }
        }
    }

    fn number_of_schedule(&self, name: &str) -> usize {
        let count = u16::try_from(self.count()).unwrap_or(u16::MAX);
        RunId::partition_of_schedule(&self.namespace, name, count).into()
    }
}

fn done_or_not(name: &str, wish: &ScheduleWish) -> Error {
    Error::new(ErrorKind::Unknown, format!("whether schedule {name:?} is {} is unknown", wish.done()))
}
