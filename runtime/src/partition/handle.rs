//! The way to the partitions: the only way in. It finds the partition of a run, waits while that starts again, and
//! repeats what may be repeated.

mod control;
mod schedules;

use super::follow::When;
use super::health::Health;
use super::message::{Message, Page, Progress, Refusal, Room, Say, Target, Verdict};
use super::watch;
use crate::clock::Clock;
use crate::journal::append::Stuck;
use crate::journal::archive::Archive;
use crate::supervise::{FailureKind, Slot};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Alive, CheckedGraph, Entry, Event, Millis, Rejected, RunId, ScheduleRejected, Speaker};
use ractor::ActorRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a caller waits for the answer to a command before it is told that the outcome is unknown.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a caller waits for a partition that is down, or for room in its inbox.
const ROOM_MAX: Duration = Duration::from_secs(5);
/// Commands that may wait in a partition at once, and the bytes of graphs that they carry.
const INBOX_COMMANDS: usize = 10_000;
const INBOX_BYTES: usize = 8 << 20;
/// How long an append may be without a clear answer before no more submissions are let in.
const STUCK_MAX: Duration = Duration::from_secs(2);
/// The pause before something that may be repeated is repeated.
pub(super) const AGAIN: Duration = Duration::from_millis(20);

/// All partitions of a name space.
#[derive(Clone)]
pub(crate) struct Partitions {
    all: Arc<[Partition]>,
    clock: Clock,
    namespace: Arc<str>,
}

/// One partition, whoever owns it.
pub(crate) struct Partition {
    pub(crate) slot: Slot<Message>,
    health: Arc<Health>,
    pub(crate) archive: Archive,
    bytes: Arc<Semaphore>,
    commands: Arc<Semaphore>,
}

impl Partition {
    pub(crate) fn new(slot: Slot<Message>, health: Arc<Health>, archive: Archive) -> Self {
        let (bytes, commands) = (Semaphore::new(INBOX_BYTES), Semaphore::new(INBOX_COMMANDS));
        Self { slot, health, archive, bytes: Arc::new(bytes), commands: Arc::new(commands) }
    }

    /// The partition's actor, waited for until `deadline`.
    async fn actor(&self, deadline: Instant) -> Result<ActorRef<Message>> {
        if let Some(actor) = self.slot.current() {
            return Ok(actor);
        }
        match timeout_at(deadline, self.slot.wait()).await {
            Ok(Ok(actor)) => Ok(actor),
            Ok(Err(_)) | Err(_) => Err(self.down()),
        }
    }

    fn down(&self) -> Error {
        if let Some(reason) = self.health.closed() {
            return Error::new(ErrorKind::Unavailable, "the node has stopped").because(reason);
        }
        match self.health.trouble() {
            Some(failure) if failure.kind == FailureKind::Corrupt => {
                Error::new(ErrorKind::Corrupt, "the partition is refused").because(failure.message)
            }
            Some(failure) => Error::new(ErrorKind::Unavailable, "the partition is down").because(failure.message),
            None => Error::new(ErrorKind::Unavailable, "the partition is down"),
        }
    }

    /// Refuses what would only wait: the store has not given a clear answer for a while.
    pub(super) fn admit(&self) -> Result<()> {
        match self.health.stuck().filter(|stuck| stuck.since.elapsed() > STUCK_MAX) {
            None => Ok(()),
            Some(Stuck { since, tries, last_error }) => {
                let message =
                    format!("the store has given no clear answer for {:.0?}, in {tries} tries", since.elapsed());
                Err(Error::new(ErrorKind::Unavailable, message).because(last_error))
            }
        }
    }

    /// Takes room for a command of about `bytes`.
    pub(super) async fn room(&self, bytes: usize) -> Result<Room> {
        let bytes = bytes.clamp(1, INBOX_BYTES) as u32;
        let both = async {
            let commands = self.commands.clone().acquire_owned().await;
            Ok::<_, tokio::sync::AcquireError>((commands?, self.bytes.clone().acquire_many_owned(bytes).await?))
        };
        match timeout(ROOM_MAX, both).await {
            Ok(Ok((_commands, _bytes))) => Ok(Room { _bytes, _commands }),
            Ok(Err(_)) | Err(_) => {
                let free = (self.commands.available_permits(), self.bytes.available_permits());
                let message = format!(
                    "the partition's inbox is full: {} of {INBOX_COMMANDS} commands and {} of {INBOX_BYTES} bytes wait \
                     for the journal",
                    INBOX_COMMANDS - free.0,
                    INBOX_BYTES - free.1
                );
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }
}

/// Whether a run may have been submitted before under its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// The id was made for this submission.
    Never,
    /// The id follows from a key, or from a call of a handler.
    Perhaps,
}

/// A holder's words did not count: it may stop.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unheard {
    /// The task is not the speaker's, or no more.
    #[error(transparent)]
    Fenced(Rejected),
    /// The task is the speaker's, but what it wants can not be.
    #[error(transparent)]
    Refused(Rejected),
    /// The partition is gone for good.
    #[error("the partition is gone")]
    Gone,
}

impl Unheard {
    fn of(rejected: Rejected) -> Self {
        match rejected {
            Rejected::News(_) | Rejected::Children { .. } | Rejected::Cycle { .. } | Rejected::Full { .. } => {
                Self::Refused(rejected)
            }
            _ => Self::Fenced(rejected),
        }
    }
}

impl Partitions {
    pub(crate) fn new(partitions: Vec<Partition>, clock: Clock, namespace: Arc<str>) -> Self {
        Self { all: partitions.into(), clock, namespace }
    }

    /// What time it is by the clock of this node.
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn at(&self, number: usize) -> &Partition {
        &self.all[number]
    }

    pub(super) fn of(&self, run: RunId) -> &Partition {
        self.at(self.number_of(run))
    }

    /// The number of the partition to which a run belongs.
    pub(super) fn number_of(&self, run: RunId) -> usize {
        let count = u16::try_from(self.all.len()).unwrap_or(u16::MAX);
        run.partition(count).into()
    }

    /// Notes why the node stops, for whoever asks from now on.
    pub(crate) fn close(&self, reason: &str) {
        self.all.iter().for_each(|partition| partition.health.close(reason));
    }

    /// Waits until every partition has an owner. One that is damaged does not keep the others from their work: it is
    /// refused, loudly, and so is whoever asks for a run of it.
    pub(crate) async fn up(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut damaged = Vec::new();
        for (number, partition) in self.all.iter().enumerate() {
            match partition.actor(deadline).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::error!(partition = number, error = format!("{error:#}"), "the partition is refused");
                    damaged.push(error);
                }
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        let all_are = damaged.len() == self.all.len();
        damaged.pop().filter(|_| all_are).map_or(Ok(()), Err)
    }

    /// Submits a run. Durable when it answers; submitting the same again changes nothing.
    pub(crate) async fn submit(
        &self,
        run: RunId,
        graph: CheckedGraph,
        key: Option<String>,
        before: Before,
    ) -> Result<()> {
        let partition = self.of(run);
        let deadline = Instant::now() + ANSWER_MAX;
        let bytes = graph.bytes();
        // A new id is on no page; another may be, and so may whatever an earlier try has led to.
        let (mut checked, mut unclear) = (if before == Before::Never { usize::MAX } else { 0 }, None);
        loop {
            let sent = async {
                partition.admit()?;
                let room = partition.room(bytes).await?;
                let actor = partition.actor(Instant::now() + ROOM_MAX).await?;
                let (graph, key) = (graph.clone(), key.clone());
                let submit = |reply| Message::Submit { run, graph, key, checked, room, reply };
                Ok(ask(&actor, deadline, submit).await)
            };
            match sent.await {
                // A try of unknown outcome went before, and no later one has told what came of it.
                Err(error) => return Err(unclear.unwrap_or(error)),
                Ok(Some(Ok(()))) => return Ok(()),
                Ok(Some(Err(Refusal::Rejected(rejected)))) => return Err(refused(rejected)),
                Ok(Some(Err(Refusal::Unavailable(reason)))) => {
                    let error = Error::new(ErrorKind::Unavailable, "nothing was submitted").because(reason);
                    return Err(unclear.unwrap_or(error));
                }
                Ok(Some(Err(Refusal::Elsewhere(pages)))) => match partition.archived(run, &pages).await {
                    Err(error) => return Err(unclear.unwrap_or(error)),
                    Ok(Some(found)) if found.run.is_of(graph.graph()) => return Ok(()),
                    Ok(Some(_)) => return Err(refused(Rejected::Conflict { run, key })),
                    Ok(None) => checked = pages.len(),
                },
                Ok(Some(Err(Refusal::Unknown(reason)))) => unclear = Some(unknown(run).because(reason)),
                Ok(None) => unclear = Some(unknown(run)),
            }
            if Instant::now() >= deadline {
                return Err(unclear.unwrap_or_else(|| unknown(run)));
            }
            if unclear.is_some() {
                if checked == usize::MAX {
                    checked = 0;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Says what a holder has to say, again and again until it is heard or fenced. A result that is heard is durable.
    pub(crate) async fn speak(&self, speaker: &Speaker, say: Say) -> Result<(), Unheard> {
        let partition = self.of(speaker.task.run);
        loop {
            let actor = partition.slot.wait().await.map_err(|_| Unheard::Gone)?;
            let deadline = Instant::now() + ANSWER_MAX;
            let speak = |reply| Message::Speak { speaker: speaker.clone(), say: say.clone(), reply };
            match ask(&actor, deadline, speak).await {
                Some(Ok(())) => return Ok(()),
                Some(Err(Refusal::Rejected(rejected))) => return Err(Unheard::of(rejected)),
                Some(Err(_)) | None => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// What is recorded of the speaker's task behind the first `after` entries, waited for. Each entry is durable.
    pub(crate) async fn follow(&self, speaker: &Speaker, after: usize) -> Result<Vec<Entry>, Unheard> {
        self.entries(speaker, after, When::Soon).await
    }

    /// What is recorded of the speaker's task behind the first `after` entries; nothing, if there is nothing.
    pub(crate) async fn recorded(&self, speaker: &Speaker, after: usize) -> Result<Vec<Entry>, Unheard> {
        self.entries(speaker, after, When::Now).await
    }

    async fn entries(&self, speaker: &Speaker, after: usize, when: When) -> Result<Vec<Entry>, Unheard> {
        let partition = self.of(speaker.task.run);
        loop {
            let actor = partition.slot.wait().await.map_err(|_| Unheard::Gone)?;
            let (reply, entries) = oneshot::channel();
            drop(actor.cast(Message::Follow { speaker: speaker.clone(), after, when, reply }));
            match entries.await {
                Ok(Ok(entries)) => return Ok(entries),
                Ok(Err(Refusal::Rejected(rejected))) => return Err(Unheard::of(rejected)),
                Ok(Err(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Extends a holder's lease, once; says whether it may go on.
    pub(crate) async fn heartbeat(&self, speaker: &Speaker, alive: Alive) -> Result<(), Unheard> {
        let actor = self.of(speaker.task.run).slot.wait().await.map_err(|_| Unheard::Gone)?;
        let heartbeat = |reply| Message::Heartbeat { speaker: speaker.clone(), alive, reply };
        match ask(&actor, Instant::now() + ANSWER_MAX, heartbeat).await {
            Some(Err(Refusal::Rejected(rejected))) => Err(Unheard::Fenced(rejected)),
            _ => Ok(()), // a partition that starts again gives every holder a full lease
        }
    }

    /// Waits for the end of a task or of a run, however long that takes.
    pub(crate) async fn end_of(&self, run: RunId, target: &Target) -> Result<Verdict> {
        let partition = self.of(run);
        loop {
            let actor = partition.slot.wait().await.map_err(|_| partition.down())?;
            let (reply, verdict) = oneshot::channel();
            drop(actor.cast(Message::Await { run, target: target.clone(), reply }));
            match verdict.await {
                Ok(Verdict::Elsewhere(pages)) => {
                    let found = partition.archived(run, &pages).await?.ok_or_else(|| no_run(run))?;
                    let Some(watched) = watch::watched(&found.run, target) else { return Ok(Verdict::NoTask) };
                    let verdict = watch::verdict(&found.run, watched);
                    return verdict.ok_or_else(|| Error::new(ErrorKind::Corrupt, "an archived run has not ended"));
                }
                Ok(Verdict::Full(limit)) => return Err(too_many(run, limit)),
                Ok(verdict) => return Ok(verdict),
                Err(_restarted) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// The events of a run after `after`, waited for; `None` when it has ended and there are no more.
    pub(crate) async fn events(&self, run: RunId, after: u64) -> Result<Option<Vec<Event>>> {
        let partition = self.of(run);
        loop {
            let actor = partition.slot.wait().await.map_err(|_| partition.down())?;
            let (reply, page) = oneshot::channel();
            drop(actor.cast(Message::Events { run, after, reply }));
            match page.await {
                Ok(Page::Lines(lines)) => {
                    let events: Result<Vec<Event>, _> = lines.iter().map(|line| Event::decode(line)).collect();
                    return events.map(Some).map_err(|error| corrupt(run, &error));
                }
                Ok(Page::End) => return Ok(None),
                Ok(Page::Full(limit)) => return Err(too_many(run, limit)),
                Ok(Page::Elsewhere(pages)) => {
                    let found = partition.archived(run, &pages).await?.ok_or_else(|| no_run(run))?;
                    let events: Vec<Event> = found.events.into_iter().filter(|event| event.seq > after).collect();
                    return Ok((!events.is_empty()).then_some(events));
                }
                Err(_restarted) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// How much of a run is done; `None` if it is not in memory.
    pub(crate) async fn progress(&self, run: RunId) -> Result<Option<Progress>> {
        let actor = self.of(run).actor(Instant::now() + ROOM_MAX).await?;
        let (reply, progress) = oneshot::channel();
        drop(actor.cast(Message::Progress { run, reply }));
        progress.await.map_err(|_| Error::new(ErrorKind::Unavailable, "the partition started again"))
    }
}

/// Asks a partition; `None` if there is no answer.
pub(super) async fn ask(
    actor: &ActorRef<Message>,
    deadline: Instant,
    message: impl FnOnce(oneshot::Sender<Result<(), Refusal>>) -> Message,
) -> Option<Result<(), Refusal>> {
    let (reply, answer) = oneshot::channel();
    drop(actor.cast(message(reply)));
    timeout_at(deadline, answer).await.ok()?.ok()
}

impl Partition {
    /// The partition's actor, waited for a while.
    pub(super) async fn actor_soon(&self) -> Result<ActorRef<Message>> {
        self.actor(Instant::now() + ROOM_MAX).await
    }
}

fn unknown(run: RunId) -> Error {
    let message = format!("whether run {run} was submitted is unknown; submitting it again under its key is safe");
    Error::new(ErrorKind::Unknown, message)
}

fn too_many(run: RunId, limit: usize) -> Error {
    let message = format!("{limit} callers wait for run {run}, and no more may (watchers_max)");
    Error::new(ErrorKind::Unavailable, message)
}

pub(super) fn no_run(run: RunId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no run {run}"))
}

pub(super) fn corrupt(run: RunId, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the history of run {run} can not be read")).because(error)
}

/// What the workflow machine's refusal means for a caller.
pub(super) fn refused(rejected: Rejected) -> Error {
    let kind = match &rejected {
        Rejected::NoRun(_) | Rejected::NoTask(_) => ErrorKind::NotFound,
        Rejected::Fenced { .. } => ErrorKind::Fenced,
        Rejected::News(_)
        | Rejected::Cycle { .. }
        | Rejected::Child { .. }
        | Rejected::Undoing { .. }
        | Rejected::Ambiguous { .. }
        | Rejected::Answered { .. }
        | Rejected::TaskEnded { .. }
        | Rejected::NotUnknown { .. } => ErrorKind::Conflict,
        Rejected::Conflict { .. }
        | Rejected::Ended { .. }
        | Rejected::Open(_)
        | Rejected::Paused { .. }
        | Rejected::NotResumable { .. } => ErrorKind::Conflict,
        Rejected::Input { .. } | Rejected::Children { .. } => ErrorKind::Invalid,
        Rejected::Full { .. } | Rejected::SignalsFull { .. } => ErrorKind::Unavailable,
        Rejected::Quarantined { .. } => ErrorKind::Corrupt,
        Rejected::Schedule(rejected) => match rejected {
            ScheduleRejected::NotFound(_) => ErrorKind::NotFound,
            ScheduleRejected::Conflict { .. } | ScheduleRejected::Busy { .. } => ErrorKind::Conflict,
            ScheduleRejected::Full { .. } => ErrorKind::Unavailable,
            ScheduleRejected::Faulty { .. } => ErrorKind::Invalid,
        },
    };
    Error::new(kind, rejected.to_string())
}
