//! The way to the partitions: the only way in. It finds the partition of a run, waits while that starts again, and
//! repeats what may be repeated.

mod control;
mod schedules;

use super::door::{Door, ROOM_MAX};
use super::follow::When;
use super::message::{FeedPage, Message, Page, Progress, Refusal, Room, Say, Target, Verdict};
use super::watch;
use super::way::{self, Elsewhere, Way};
use super::wire::{Back, Request};
use crate::clock::Clock;
use crate::journal::archive::Archive;
use crate::settings::show_time;
use crate::supervise::Gone;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Alive, CheckedGraph, Entry, Event, Millis, Rejected, RunId, ScheduleRejected, Speaker};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a caller waits for the answer to a command before it is told that the outcome is unknown.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The pause before something that may be repeated is repeated.
pub(crate) const AGAIN: Duration = Duration::from_millis(20);

/// A graph of more bytes is submitted by itself, and so is one whose task takes longer: a request is sent again, as a whole,
/// until it is answered.
const PERFORMED_MAX: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(5);

/// All partitions of a name space.
#[derive(Clone)]
pub(crate) struct Partitions {
    all: Arc<[Partition]>,
    clock: Clock,
    namespace: Arc<str>,
    /// How long the history of an ended run is kept.
    history_kept: Duration,
}

/// One partition, whoever owns it.
pub(crate) struct Partition {
    pub(crate) door: Arc<Door>,
    /// How it is reached when another node owns it; nothing, where there is but one node.
    elsewhere: Option<Elsewhere>,
    pub(crate) archive: Archive,
    /// The first and the last event on each page that was looked at. A page never changes.
    ranges: Mutex<BTreeMap<u64, (u64, u64)>>,
}

impl Partition {
    pub(crate) fn new(door: Arc<Door>, elsewhere: Option<Elsewhere>, archive: Archive) -> Self {
        Self { door, elsewhere, archive, ranges: Mutex::default() }
    }

    /// The way to its owner, waited for until `deadline`.
    async fn way_until(&self, deadline: Instant) -> Result<Way> {
        if let Some(way) = way::current(&self.door, self.elsewhere.as_ref()) {
            return Ok(way);
        }
        match timeout_at(deadline, self.way()).await {
            Ok(Ok(way)) => Ok(way),
            Ok(Err(_)) | Err(_) => Err(self.down()),
        }
    }

    /// The way to its owner, waited for however long that takes.
    pub(super) async fn way(&self) -> Result<Way, Gone> {
        way::wait(&self.door, self.elsewhere.as_ref()).await
    }

    /// The way to its owner, waited for a while.
    pub(super) async fn way_soon(&self) -> Result<Way> {
        self.way_until(Instant::now() + ROOM_MAX).await
    }

    pub(super) fn down(&self) -> Error {
        self.door.down()
    }

    pub(super) fn admit(&self) -> Result<()> {
        self.door.admit()
    }

    pub(super) async fn room(&self, bytes: usize) -> Result<Room> {
        self.door.room(bytes).await
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

impl Before {
    /// Of the pages of the archive that may hold the run it is on none up to this one.
    const fn checked(self) -> u64 {
        match self {
            Self::Never => u64::MAX,
            Self::Perhaps => 0,
        }
    }
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
    pub(crate) fn new(partitions: Vec<Partition>, clock: Clock, namespace: Arc<str>, history_kept: Duration) -> Self {
        Self { all: partitions.into(), clock, namespace, history_kept }
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
    pub(crate) fn number_of(&self, run: RunId) -> usize {
        let count = u16::try_from(self.all.len()).unwrap_or(u16::MAX);
        run.partition(count).into()
    }

    /// The epoch of the tenure of each partition in this process, if there is one.
    pub(crate) fn epochs(&self) -> Vec<Option<u64>> {
        self.all.iter().map(|partition| partition.door.health.epoch()).collect()
    }

    /// Notes why the node stops, for whoever asks from now on.
    pub(crate) fn close(&self, reason: &str) {
        self.all.iter().for_each(|partition| partition.door.health.close(reason));
    }

    /// Why the node stops, if it does.
    pub(crate) fn closed(&self) -> Option<String> {
        self.all.first().and_then(|partition| partition.door.health.closed())
    }

    /// Why no work is taken at present, reason by reason; nothing, if it is. A partition that is damaged keeps nobody from
    /// the others.
    #[cfg(feature = "api")]
    pub(crate) fn hindrances(&self) -> Vec<String> {
        if let Some(reason) = self.closed() {
            return vec![format!("the node stops: {reason}")];
        }
        let mut damaged = Vec::new();
        let mut reasons = Vec::new();
        for (number, partition) in self.all.iter().enumerate() {
            let found = match way::current(&partition.door, partition.elsewhere.as_ref()) {
                Some(_) => partition.admit(),
                None => Err(partition.down()),
            };
            let Err(error) = found else { continue };
            let list = if error.kind() == ErrorKind::Corrupt { &mut damaged } else { &mut reasons };
            list.push(format!("partition {number}: {error:#}"));
        }
        if reasons.is_empty() && damaged.len() == self.all.len() { damaged } else { reasons }
    }

    /// Waits until every partition has an owner. One that is damaged does not keep the others from their work: it is
    /// refused, loudly, and so is whoever asks for a run of it.
    pub(crate) async fn up(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut damaged = Vec::new();
        for (number, partition) in self.all.iter().enumerate() {
            match partition.way_until(deadline).await {
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
        let (mut checked, mut unclear) = (before.checked(), None);
        loop {
            let sent = async {
                partition.admit()?;
                let room = partition.room(bytes).await?;
                let way = partition.way_soon().await?;
                let (graph, key) = (graph.clone(), key.clone());
                let submit = |reply| Message::Submit { run, graph, key, checked, room, reply };
                Ok(ask(&way, deadline, submit).await)
            };
            match sent.await {
                // A try of unknown outcome went before, and no later one has told what came of it.
                Err(error) => return Err(unclear.unwrap_or(error)),
                Ok(Some(Ok(()))) => return Ok(()),
                Ok(Some(Err(Refusal::Rejected(rejected)))) => return Err(self.refused(rejected)),
                Ok(Some(Err(Refusal::Unavailable(reason)))) => {
                    let error = Error::new(ErrorKind::Unavailable, "nothing was submitted").because(reason);
                    return Err(unclear.unwrap_or(error));
                }
                Ok(Some(Err(Refusal::Elsewhere(pages)))) => match self.archived(run, &pages).await {
                    Err(error) => return Err(unclear.unwrap_or(error)),
                    Ok(Some(found)) if found.run.is_of(graph.graph()) => return Ok(()),
                    Ok(Some(_)) => return Err(refused(Rejected::Conflict { run, key })),
                    Ok(None) => checked = pages.last().map_or(0, |last| last.page),
                },
                Ok(Some(Err(Refusal::Unknown(reason)))) => unclear = Some(unknown(run).because(reason)),
                Ok(None) => unclear = Some(unknown(run)),
            }
            if Instant::now() >= deadline {
                return Err(unclear.unwrap_or_else(|| unknown(run)));
            }
            if unclear.is_some() {
                if checked == u64::MAX {
                    checked = 0;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Submits a run and waits for the end of `target`, however long that takes. Submitting the same again changes nothing.
    pub(crate) async fn perform(
        &self,
        run: RunId,
        graph: CheckedGraph,
        key: Option<String>,
        before: Before,
        target: &Target,
    ) -> Result<Verdict> {
        let partition = self.of(run);
        let way = way::current(&partition.door, partition.elsewhere.as_ref());
        let before = match way {
            Some(Way::There(node, number, switchboard)) if graph.bytes() <= PERFORMED_MAX => {
                partition.admit()?;
                let checked = before.checked();
                let (graph, key, target) = (graph.json().clone(), key.clone(), target.clone());
                let (reply, performed) = oneshot::channel();
                let request = Request::Perform { run, graph, key, checked, target };
                switchboard.request(&node, number, &request, Back::Performed(reply));
                if let Ok(Ok(Ok(verdict))) = timeout(PATIENCE, performed).await
                    && !matches!(verdict, Verdict::Full(_) | Verdict::Elsewhere(_))
                {
                    return Ok(verdict);
                }
                // It takes long, or was refused, or its owner is gone: what has come of it is seen step by step.
                Before::Perhaps
            }
            _ => before,
        };
        self.submit(run, graph, key, before).await?;
        self.end_of(run, target).await
    }

    /// Says what a holder has to say, again and again until it is heard or fenced. A result that is heard is durable.
    pub(crate) async fn speak(&self, speaker: &Speaker, say: Say) -> Result<(), Unheard> {
        let partition = self.of(speaker.task.run);
        loop {
            let way = partition.way().await.map_err(|_| Unheard::Gone)?;
            let deadline = Instant::now() + ANSWER_MAX;
            let speak = |reply| Message::Speak { speaker: speaker.clone(), say: say.clone(), reply };
            match ask(&way, deadline, speak).await {
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
            let way = partition.way().await.map_err(|_| Unheard::Gone)?;
            let (reply, entries) = oneshot::channel();
            way.send(Message::Follow { speaker: speaker.clone(), after, when, reply });
            match entries.await {
                Ok(Ok(entries)) => return Ok(entries),
                Ok(Err(Refusal::Rejected(rejected))) => return Err(Unheard::of(rejected)),
                Ok(Err(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Extends a holder's lease, once; says when that was asked for, if it was heard, and whether the holder may go on.
    pub(crate) async fn heartbeat(&self, speaker: &Speaker, alive: Alive) -> Result<Option<Instant>, Unheard> {
        let asked_at = Instant::now();
        let way = self.of(speaker.task.run).way().await.map_err(|_| Unheard::Gone)?;
        let heartbeat = |reply| Message::Heartbeat { speaker: speaker.clone(), alive, reply };
        match ask(&way, asked_at + ANSWER_MAX, heartbeat).await {
            Some(Err(Refusal::Rejected(rejected))) => Err(Unheard::Fenced(rejected)),
            Some(Ok(())) => Ok(Some(asked_at)),
            _ => Ok(None),
        }
    }

    /// Waits for the end of a task or of a run, however long that takes.
    pub(crate) async fn end_of(&self, run: RunId, target: &Target) -> Result<Verdict> {
        let partition = self.of(run);
        loop {
            let way = partition.way().await.map_err(|_| partition.down())?;
            let (reply, verdict) = oneshot::channel();
            way.send(Message::Await { run, target: target.clone(), reply });
            match verdict.await {
                Ok(Verdict::Elsewhere(pages)) => {
                    let found = self.archived(run, &pages).await?.ok_or_else(|| self.no_run(run))?;
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
            let way = partition.way().await.map_err(|_| partition.down())?;
            let (reply, page) = oneshot::channel();
            way.send(Message::Events { run, after, reply });
            match page.await {
                Ok(Page::Lines(lines)) => {
                    let events: Result<Vec<Event>, _> = lines.iter().map(|line| Event::decode(line)).collect();
                    return events.map(Some).map_err(|error| corrupt(run, &error));
                }
                Ok(Page::End) => return Ok(None),
                Ok(Page::Full(limit)) => return Err(too_many(run, limit)),
                Ok(Page::Elsewhere(pages)) => {
                    let found = self.archived(run, &pages).await?.ok_or_else(|| self.no_run(run))?;
                    let events: Vec<Event> = found.events.into_iter().filter(|event| event.seq > after).collect();
                    return Ok((!events.is_empty()).then_some(events));
                }
                Err(_restarted) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// The events of all runs of a partition behind `after`, of which the last was `since`.
    pub(crate) async fn feed(&self, number: usize, after: Option<u64>, since: Millis, when: When) -> Result<FeedPage> {
        let partition = self.at(number);
        loop {
            let way = partition.way().await.map_err(|_| partition.down())?;
            let (reply, page) = oneshot::channel();
            way.send(Message::Feed { after, since, when, reply });
            match page.await {
                Ok(FeedPage { full: Some(limit), .. }) => {
                    let message = format!(
                        "{limit} callers wait for events of partition {number}, and no more may (watchers_max)"
                    );
                    return Err(Error::new(ErrorKind::Unavailable, message));
                }
                Ok(page) => return Ok(page),
                Err(_restarted) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// The first and the last event on a page of the archive of a partition, if somebody has looked and told.
    pub(crate) fn range_of(&self, number: usize, page: u64) -> Option<(u64, u64)> {
        self.at(number).ranges.lock().unwrap_or_else(PoisonError::into_inner).get(&page).copied()
    }

    /// Tells them.
    pub(crate) fn learn_range(&self, number: usize, page: u64, range: (u64, u64)) {
        self.at(number).ranges.lock().unwrap_or_else(PoisonError::into_inner).insert(page, range);
    }

    /// Waits until another node owns the partition of a run; for ever, where there is but one node.
    pub(crate) async fn moved(&self, run: RunId) {
        let Some(elsewhere) = &self.of(run).elsewhere else { return std::future::pending().await };
        let mut route = elsewhere.route.clone();
        route.mark_unchanged();
        if route.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// That there is no such run, or no more.
    pub(crate) fn no_run(&self, run: RunId) -> Error {
        let kept = show_time(self.history_kept);
        let why = format!("a run that has ended is kept for {kept}, and then it is forgotten (history_kept)");
        Error::new(ErrorKind::NotFound, format!("there is no run {run}")).because(why)
    }

    /// What the workflow machine's refusal means for a caller.
    fn refused(&self, rejected: Rejected) -> Error {
        if let Rejected::NoRun(run) = rejected { self.no_run(run) } else { refused(rejected) }
    }

    /// How much of a run is done; `None` if it is not in memory.
    pub(crate) async fn progress(&self, run: RunId) -> Result<Option<Progress>> {
        let way = self.of(run).way_soon().await?;
        let (reply, progress) = oneshot::channel();
        way.send(Message::Progress { run, reply });
        progress.await.map_err(|_| Error::new(ErrorKind::Unavailable, "the partition started again"))
    }
}

/// Asks a partition; `None` if there is no answer.
pub(super) async fn ask(
    way: &Way,
    deadline: Instant,
    message: impl FnOnce(oneshot::Sender<Result<(), Refusal>>) -> Message,
) -> Option<Result<(), Refusal>> {
    let (reply, answer) = oneshot::channel();
    way.send(message(reply));
    timeout_at(deadline, answer).await.ok()?.ok()
}

fn unknown(run: RunId) -> Error {
    let message = format!("whether run {run} was submitted is unknown; submitting it again under its key is safe");
    Error::new(ErrorKind::Unknown, message)
}

fn too_many(run: RunId, limit: usize) -> Error {
    let message = format!("{limit} callers wait for run {run}, and no more may (watchers_max)");
    Error::new(ErrorKind::Unavailable, message)
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
        | Rejected::NotUnknown { .. }
        | Rejected::WallTimeSpent { .. }
        | Rejected::NotReserved { .. } => ErrorKind::Conflict,
        Rejected::Conflict { .. }
        | Rejected::Ended { .. }
        | Rejected::Open(_)
        | Rejected::Pages { .. }
        | Rejected::Paused { .. }
        | Rejected::NotResumable { .. } => ErrorKind::Conflict,
        Rejected::Input { .. } | Rejected::Children { .. } | Rejected::TopUp { .. } => ErrorKind::Invalid,
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
