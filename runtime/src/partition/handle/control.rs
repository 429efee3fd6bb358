//! Control of runs and tasks: pause, resume, cancel, and another life for a task.

use super::{AGAIN, ANSWER_MAX, Partitions, ask, refused};
use crate::partition::archived::{Archived, appendable};
use crate::partition::message::{Message, Refusal, Wish};
use crate::partition::question::{Found, Question};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Answer, Decision, Json, Rejected, RunId, TaskIndex, TaskRef, Token};
use tokio::time::Instant;

impl Partitions {
    /// Pauses, resumes or cancels a run, or cancels a task of it. Durable when it answers.
    pub(crate) async fn control(&self, run: RunId, wish: Wish) -> Result<()> {
        let partition = self.of(run);
        let deadline = Instant::now() + ANSWER_MAX;
        let mut unclear = None;
        loop {
            let sent = async {
                partition.admit()?;
                let way = partition.way_soon().await?;
                Ok(ask(&way, deadline, |reply| Message::Control { run, wish: wish.clone(), reply }).await)
            };
            match sent.await {
                // A try of unknown outcome went before, and no later one has told what came of it.
                Err(error) => return Err(unclear.unwrap_or(error)),
                Ok(Some(Ok(()))) => return Ok(()),
                Ok(Some(Err(Refusal::Rejected(rejected)))) => {
                    return Err(unclear.unwrap_or_else(|| self.refused(rejected)));
                }
                Ok(Some(Err(Refusal::Unavailable(reason)))) => {
                    let error = Error::new(ErrorKind::Unavailable, format!("{} was not {}", wish.to(), wish.done()));
                    return Err(unclear.unwrap_or_else(|| error.because(reason)));
                }
                Ok(Some(Err(Refusal::Elsewhere(pages)))) => {
                    let error = match self.archived(run, &pages).await.map(|found| found.map(|it| it.run.ended)) {
                        Ok(Some(Some((outcome, _)))) => refused(Rejected::Ended { run, outcome }),
                        Ok(Some(None)) => Error::new(ErrorKind::Corrupt, "an archived run has not ended"),
                        Ok(None) => self.no_run(run),
                        Err(error) => error,
                    };
                    return Err(unclear.unwrap_or(error));
                }
                Ok(Some(Err(Refusal::Unknown(reason)))) => unclear = Some(done_or_not(&wish).because(reason)),
                Ok(None) => unclear = Some(done_or_not(&wish)),
            }
            // To cancel again would find it ended and not tell by whom; the others say the same again.
            if matches!(wish, Wish::Cancel(_) | Wish::CancelTask(..)) || Instant::now() >= deadline {
                return Err(unclear.unwrap_or_else(|| done_or_not(&wish)));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Gives a run what it waits for, or will. Durable when it answers; repeated until that is known.
    pub(crate) async fn answer(&self, run: RunId, answer: Answer) -> Result<()> {
        let partition = self.of(run);
        let deadline = Instant::now() + ANSWER_MAX;
        let bytes = answer_bytes(&answer);
        let unknown = || Error::new(ErrorKind::Unknown, format!("whether run {run} has the answer is unknown"));
        let mut unclear = None;
        loop {
            let sent = async {
                partition.admit()?;
                let room = partition.room(bytes).await?;
                let way = partition.way_soon().await?;
                let answer = answer.clone();
                Ok(ask(&way, deadline, |reply| Message::Answer { run, answer, room, reply }).await)
            };
            match sent.await {
                Err(error) => return Err(unclear.unwrap_or(error)),
                Ok(Some(Ok(()))) => return Ok(()),
                Ok(Some(Err(Refusal::Rejected(rejected)))) => {
                    return Err(unclear.unwrap_or_else(|| self.refused(rejected)));
                }
                Ok(Some(Err(Refusal::Unavailable(reason)))) => {
                    let error = Error::new(ErrorKind::Unavailable, "the run did not get the answer").because(reason);
                    return Err(unclear.unwrap_or(error));
                }
                Ok(Some(Err(Refusal::Elsewhere(pages)))) => {
                    let error = match self.archived(run, &pages).await.map(|found| found.map(|it| it.run.ended)) {
                        Ok(Some(Some((outcome, _)))) => refused(Rejected::Ended { run, outcome }),
                        Ok(Some(None)) => Error::new(ErrorKind::Corrupt, "an archived run has not ended"),
                        Ok(None) => self.no_run(run),
                        Err(error) => error,
                    };
                    return Err(unclear.unwrap_or(error));
                }
                Ok(Some(Err(Refusal::Unknown(reason)))) => unclear = Some(unknown().because(reason)),
                Ok(None) => unclear = Some(unknown()),
            }
            // The same again has the same id, and changes nothing if it arrived.
            if Instant::now() >= deadline {
                return Err(unclear.unwrap_or_else(unknown));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Gives a task another life, and brings its run back from the archive if it is there. Durable when it answers.
    pub(crate) async fn retry(&self, run: RunId, name: &str, input: Option<Json>) -> Result<()> {
        let partition = self.of(run);
        let deadline = Instant::now() + ANSWER_MAX;
        let bytes = input.as_ref().map_or(0, |input| input.as_str().len());
        appendable(bytes, "the input")?;
        let (mut seen, mut unclear) = (self.look_at(run, name).await?, None);
        let (task, token) = (TaskRef { run, task: seen.task }, seen.token);
        loop {
            let comeback = seen.archived.take().map(|found| {
                found.would_retry(task, token, input.clone())?;
                found.comeback(bytes).map(Box::new)
            });
            let comeback = match comeback.transpose() {
                Ok(comeback) => comeback,
                Err(error) => return Err(unclear.unwrap_or(error)),
            };
            let bytes = bytes + comeback.as_ref().map_or(0, |comeback| comeback.restored.events.as_str().len());
            let sent = async {
                partition.admit()?;
                let room = partition.room(bytes).await?;
                let way = partition.way_soon().await?;
                let input = input.clone();
                let retry = |reply| Message::Retry { task, token, input, comeback, room, reply };
                Ok(ask(&way, deadline, retry).await)
            };
            match sent.await {
                Err(error) => return Err(unclear.unwrap_or(error)),
                Ok(Some(Ok(()))) => return Ok(()),
                Ok(Some(Err(Refusal::Rejected(rejected)))) => {
                    return Err(unclear.unwrap_or_else(|| self.refused(rejected)));
                }
                Ok(Some(Err(Refusal::Unavailable(reason)))) => {
                    let error = Error::new(ErrorKind::Unavailable, "the task was not resumed").because(reason);
                    return Err(unclear.unwrap_or(error));
                }
                // It was archived, or archived anew, since it was looked at.
                Ok(Some(Err(Refusal::Elsewhere(pages)))) => {
                    match self.archived(run, &pages).await {
                        Ok(Some(found)) => seen.archived = Some(found),
                        Ok(None) => return Err(unclear.unwrap_or_else(|| self.no_run(run))),
                        Err(error) => return Err(unclear.unwrap_or(error)),
                    }
                    continue;
                }
                Ok(Some(Err(Refusal::Unknown(reason)))) => unclear = Some(resumed_or_not(name).because(reason)),
                Ok(None) => unclear = Some(resumed_or_not(name)),
            }
            if Instant::now() >= deadline {
                return Err(unclear.unwrap_or_else(|| resumed_or_not(name)));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The place of the task of this name.
    pub(crate) async fn task_named(&self, run: RunId, name: &str) -> Result<TaskIndex> {
        Ok(self.look_at(run, name).await?.task)
    }

    /// Where a task is, and how it stands.
    async fn look_at(&self, run: RunId, name: &str) -> Result<Seen> {
        let question = |reply| Question::Task { run, name: name.to_owned(), reply };
        let no_task = || Error::new(ErrorKind::NotFound, format!("there is no task {name:?} in run {run}"));
        match self.ask(self.number_of(run), question).await? {
            Found::Here(found) => {
                let (task, token) = found.ok_or_else(no_task)?;
                Ok(Seen { task, token, archived: None })
            }
            Found::Elsewhere(pages) => {
                let found = self.archived(run, &pages).await?.ok_or_else(|| self.no_run(run))?;
                let task = found.run.find(name).ok_or_else(no_task)?;
                Ok(Seen { task, token: found.run.tasks[task.at()].token, archived: Some(found) })
            }
        }
    }
}

/// About how much room an answer takes.
fn answer_bytes(answer: &Answer) -> usize {
    match answer {
        Answer::Signal { name, value, .. } => name.len().saturating_add(value.len() as usize),
        Answer::Effect { key, decision: Decision::Happened(value), .. } => {
            key.len().saturating_add(value.len() as usize)
        }
        Answer::Approval { .. } | Answer::Effect { .. } => 0,
    }
}

/// A task as it was looked at.
struct Seen {
    task: TaskIndex,
    token: Token,
    /// Its run, if that is in the archive.
    archived: Option<Archived>,
}

fn done_or_not(wish: &Wish) -> Error {
    Error::new(ErrorKind::Unknown, format!("whether {} is {} is unknown", wish.to(), wish.done()))
}

fn resumed_or_not(task: &str) -> Error {
    Error::new(ErrorKind::Unknown, format!("whether task {task:?} is resumed is unknown"))
}
