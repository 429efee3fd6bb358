//! How attempts end, and what of that is on its way to the journal.

use super::Ctx;
use super::instance::Floor;
use crate::breaker::Heard;
use crate::durable::calls::Cut;
use crate::durable::trap::Sight;
use crate::journal::payload;
use crate::limits::check_output;
use crate::partition::handle::{AGAIN, Unheard};
use crate::partition::message::Say;
use crate::telemetry::tracer::Outcome;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use callboard_core::{
    Alive, Entry, Failure, FailureClass, Json, LossReason, Payload, Speaker, StopReason, TaskRef, Token,
};
use futures::FutureExt;
use std::collections::HashSet;
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::Instrument;

/// How a handler came to its end.
pub(super) enum Ended {
    /// By itself.
    Done(Result<Json>),
    /// By a panic, with its message.
    Panicked(String),
    /// It was told to stop, or learnt that its task is no longer its own.
    Stopped(Option<StopReason>),
    /// The agent does not do such tasks, or no more.
    NotMine,
    /// The node closes and the time to finish is over.
    TimeIsUp,
    /// It waits for what is durable, and begins again when that has come.
    Parked,
    /// A test has the instance die.
    Crashed,
}

impl Ended {
    /// What a test sees of it.
    pub(super) fn sight(&self) -> Sight<'static> {
        match self {
            Self::Parked => Sight::Parked,
            Self::Crashed => Sight::Crashed,
            _ => Sight::Over,
        }
    }

    /// Why its handler is dropped, if it has not come to its end.
    pub(super) fn cut(&self) -> Option<Cut> {
        match self {
            Self::Done(_) | Self::Panicked(_) => None,
            Self::Stopped(Some(StopReason::Timeout | StopReason::Silent)) => Some(Cut::TimeIsUp),
            Self::Stopped(_) | Self::NotMine | Self::TimeIsUp | Self::Parked | Self::Crashed => Some(Cut::Other),
        }
    }

    /// What is traced of it, once it counts. Of one that was lost, or is its holder's no more, somebody else tells.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Done(Ok(_)) => Some(Outcome::Completed),
            Self::Done(Err(_)) => Some(Outcome::Failed),
            Self::Panicked(_) => Some(Outcome::Panicked),
            Self::Parked => Some(Outcome::Parked),
            Self::Stopped(Some(StopReason::Cancelled)) => Some(Outcome::Cancelled),
            Self::Stopped(Some(StopReason::Timeout | StopReason::Silent)) => Some(Outcome::TimedOut),
            Self::TimeIsUp | Self::NotMine => Some(Outcome::Released),
            Self::Stopped(Some(StopReason::Lost) | None) | Self::Crashed => None,
        }
    }

    /// What the breaker of the agent hears of it.
    pub(super) fn heard(&self) -> Heard {
        match self {
            Self::Done(Ok(_)) => Heard::Well,
            Self::Done(Err(error)) => error.into(),
            Self::Panicked(message) => Heard::Failed(message.as_str().into()),
            Self::Stopped(Some(StopReason::Timeout | StopReason::Silent)) => Heard::Slow { trips: false },
            Self::Stopped(Some(StopReason::Cancelled | StopReason::Lost) | None)
            | Self::TimeIsUp
            | Self::NotMine
            | Self::Parked
            | Self::Crashed => Heard::Dropped,
        }
    }

    /// Whether the attempt speaks for the agent, or against it; `None` if it says nothing of it.
    pub(super) fn tells_of_the_agent(&self) -> Option<bool> {
        match self {
            Self::Done(Ok(_)) => Some(true),
            Self::Done(Err(error)) if error.is_of_another() => None,
            Self::Done(Err(error)) => error.is_retryable().then_some(false),
            Self::Panicked(_) | Self::Stopped(Some(StopReason::Timeout | StopReason::Silent)) => Some(false),
            Self::Stopped(Some(StopReason::Cancelled | StopReason::Lost) | None)
            | Self::TimeIsUp
            | Self::NotMine
            | Self::Parked
            | Self::Crashed => None,
        }
    }
}

/// Results of one instance on their way to the journal, while it goes on with the next task.
pub(super) struct Results {
    floor: Floor,
    under_way: JoinSet<Performed>,
    /// Those under way, by what they are of.
    unheard: HashSet<Performed>,
}

/// What was performed: its dispatch may come again, for a bus that loses an answer delivers twice.
type Performed = (TaskRef, Token);

/// Results of one instance that may wait for the journal at a time.
const RESULTS_MAX: usize = 64;

/// The pause before an output that could not be stored is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(1);

impl Results {
    pub(super) fn new(floor: Floor) -> Self {
        Self { floor, under_way: JoinSet::new(), unheard: HashSet::new() }
    }

    /// How many have not been heard, or were not asked for.
    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Waits until every result has been heard, or fenced.
    pub(super) async fn all_heard(&mut self) {
        while self.under_way.join_next().await.is_some() {}
        self.unheard.clear();
    }

    /// Whether a result of this attempt is on its way: the partition would have it begun again. Of one that has been
    /// heard it knows better.
    pub(super) fn has(&mut self, speaker: &Speaker) -> bool {
        self.sweep();
        self.unheard.contains(&(speaker.task, speaker.token))
    }

    fn sweep(&mut self) {
        while let Some(heard) = self.under_way.try_join_next() {
            let _gone = heard.is_ok_and(|performed| self.unheard.remove(&performed));
        }
    }

    /// Sees to it that the partition hears how it ended; a result goes to the journal while the instance goes on.
    pub(super) async fn report(&mut self, speaker: Speaker, ctx: &Ctx, ended: Ended) {
        self.sweep();
        if self.under_way.len() >= RESULTS_MAX
            && let Some(Ok(heard)) = self.under_way.join_next().await
        {
            self.unheard.remove(&heard);
        }
        let outcome = ended.outcome();
        let say = match ended {
            Ended::Stopped(_) | Ended::Parked => {
                outcome.into_iter().for_each(|outcome| self.floor.tracer.ended(outcome));
                return self.floor.stops.ended(&speaker);
            }
            Ended::Crashed => Say::Lose(LossReason::Gone),
            Ended::TimeIsUp | Ended::NotMine => Say::Lose(LossReason::Released),
            Ended::Panicked(message) => {
                Say::Fail(Failure::new(FailureClass::Panic, format!("the handler panicked: {message}")))
            }
            Ended::Done(Err(error)) => Say::Fail(error.into_failure()),
            Ended::Done(Ok(output)) => {
                let ctx = ctx.clone();
                return self.send(speaker, async move |floor, speaker| floor.hand_in(&speaker, &ctx, output).await);
            }
        };
        self.send(speaker, async move |floor, speaker| floor.tell(&speaker, say, outcome).await);
    }

    /// Says of a task that whoever had it is gone.
    pub(super) fn lost(&mut self, speaker: Speaker) {
        let say = Say::Lose(LossReason::Gone);
        self.send(speaker, async move |floor, speaker| floor.tell(&speaker, say, None).await);
    }

    fn send<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        speaker: Speaker,
        heard: impl FnOnce(Floor, Speaker) -> F,
    ) {
        let performed = (speaker.task, speaker.token);
        let (floor, done) = (self.floor.clone(), speaker.clone());
        let heard = heard(self.floor.clone(), speaker);
        self.unheard.insert(performed);
        let heard = heard.map(move |()| {
            // Until then it is in hand: if the instance dies before, its successor says that it is lost.
            floor.stops.ended(&done);
            performed
        });
        self.under_way.spawn(heard.in_current_span());
    }
}

impl Floor {
    /// Says it. Only what counts is traced: of one who is fenced somebody else has told.
    async fn tell(&self, speaker: &Speaker, say: Say, outcome: Option<Outcome>) {
        match self.partitions.speak(speaker, say).await {
            Ok(()) => outcome.into_iter().for_each(|outcome| self.tracer.ended(outcome)),
            Err(unheard) => {
                tracing::warn!(task = %speaker.task, token = %speaker.token, %unheard, "what the holder said did not count");
            }
        }
    }

    /// Hands in a result. What was worked out is not given up because the store is away: it is tried again for as
    /// long as the task is the speaker's, and the lease is kept meanwhile.
    async fn hand_in(&self, speaker: &Speaker, ctx: &Ctx, output: Json) {
        let stored = tokio::select! {
            biased;
            stored = self.stored(speaker, &output) => stored,
            unheard = keep_lease(self, speaker, ctx) => {
                tracing::warn!(task = %speaker.task, token = %speaker.token, %unheard, "the holder was fenced");
                return;
            }
        };
        let (say, outcome) = match stored {
            Ok(payload) => (Say::Complete(payload), Outcome::Completed),
            Err(error) => (Say::Fail(error.into_failure()), Outcome::Failed),
        };
        self.tell(speaker, say, Some(outcome)).await;
    }

    /// What the speaker's task has recorded in earlier activations; the first has none.
    pub(super) async fn recorded(&self, speaker: &Speaker) -> Result<Vec<Entry>, Unheard> {
        let mut record = Vec::new();
        if speaker.token == Token::FIRST {
            return Ok(record);
        }
        loop {
            let entries = self.partitions.recorded(speaker, record.len()).await?;
            if entries.is_empty() {
                return Ok(record);
            }
            record.extend(entries);
        }
    }

    /// A value as the journal has it. The store is waited for: what was worked out is not given up because it is away.
    pub(crate) async fn stored(&self, speaker: &Speaker, value: &Json) -> Result<Payload> {
        loop {
            match self.payload(value).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(task = %speaker.task, error = format!("{error:#}"), "a value waits for the store");
                    tokio::time::sleep(STORE_AGAIN).await;
                }
                settled => return settled,
            }
        }
    }

    /// A value as the journal has it.
    pub(crate) async fn payload(&self, output: &Json) -> Result<Payload> {
        check_output(output, self.payload_bytes_max, self.payload_depth_max)?;
        let bytes = output.as_str().len();
        if bytes <= self.inline_bytes_max {
            return Ok(Payload::Json(output.clone()));
        }
        let stored = self.payloads.put(Bytes::copy_from_slice(output.as_str().as_bytes())).await;
        let digest = stored.map_err(|error| {
            let kind = match &error {
                payload::Error::Corrupt(_) => ErrorKind::Corrupt,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, "the value was not stored").because(error)
        })?;
        Ok(Payload::Stored { hash: digest.to_string().into(), bytes: bytes as u64 })
    }
}

/// Extends the lease now and then, and whenever the handler says that it makes progress; ends when it was fenced.
pub(super) async fn keep_lease(floor: &Floor, speaker: &Speaker, ctx: &Ctx) -> Unheard {
    loop {
        let alive = tokio::select! {
            () = tokio::time::sleep(floor.heartbeat()) => Alive::Instance,
            () = ctx.heartbeats() => Alive::Handler,
            // A step is to begin.
            () = ctx.calls().wants_lease() => Alive::Instance,
            // The new owner may not know of the acceptance, which nobody waits for to be durable.
            () = floor.partitions.moved(speaker.task.run) => Alive::Instance,
        };
        match floor.partitions.heartbeat(speaker, alive).await {
            Ok(Some(asked_at)) => ctx.calls().is_ours(asked_at + floor.ours_for()),
            Ok(None) => tokio::time::sleep(AGAIN).await,
            Err(unheard) => return unheard,
        }
    }
}
