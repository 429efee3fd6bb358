//! Who asks the cluster for something, and writes down what it was told.

use super::agents::{self, Probe};
use super::clock;
use super::course::{ended, until};
use super::probe::probe;
use super::record::{Recorder, Told};
use crate::check::documents::COUNT;
use crate::history::{Moment, Op, Outcome, Seen};
use crate::schedule::{Schedule, Submission};
use crate::work::{Submit, What, Work};
use callboard::{Callboard, ErrorKind, Version};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};

/// How long an answer is waited for: the node says before that itself that it does not know.
pub(super) const ANSWER: Duration = Duration::from_secs(20);
/// Before it is asked again.
pub(super) const AGAIN: Duration = Duration::from_millis(300);

/// A client; a cheap handle.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) board: Callboard,
    pub(super) recorder: Recorder,
    /// The moment of the first submission.
    pub(super) zero: Moment,
}

/// Has each run submitted at its moment, and waits until whoever does so has nothing more to ask. An hour has a hundred thousand of
/// them: none of them is there before its moment, or behind its end.
pub(super) async fn each_at_its_moment<F>(zero: Moment, runs: Vec<Submission>, run: impl Fn(Work) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut asking = JoinSet::new();
    for Submission { at_ms, work } in runs {
        until(zero + at_ms * 1_000).await;
        asking.spawn(run(work));
        while asking.try_join_next().is_some() {}
    }
    ended(&mut asking).await;
}

/// Submits a run until it is acknowledged, or once, as it is to be. Whether it is there, or may be: then it has to end.
pub(super) async fn submit<F>(work: &Work, recorder: &Recorder, ask: impl Fn() -> F) -> bool
where
    F: Future<Output = Told>,
{
    loop {
        let begin = clock::now();
        let told = ask().await;
        recorder.call(Op::Start, &work.name, None, begin, &told);
        match (told.outcome, work.submit) {
            (Outcome::Ok, _) | (Outcome::Unknown, Submit::Once) => return true,
            (_, Submit::Once) => return false,
            (_, Submit::UntilAcknowledged) => sleep(AGAIN).await,
        }
    }
}

impl Client {
    /// Asks for everything that the schedule has, each at its moment. The first set is of runs, the second of the rest.
    pub(super) fn begin(&self, schedule: &Schedule) -> (JoinSet<()>, JoinSet<()>) {
        let (mut runs, mut rest) = (JoinSet::new(), JoinSet::new());
        let client = self.clone();
        runs.spawn(each_at_its_moment(self.zero, schedule.runs.clone(), move |work| {
            let client = client.clone();
            async move { client.run(&work).await }
        }));
        for (n, at_ms) in schedule.increments_ms.iter().copied().enumerate() {
            let client = self.clone();
            rest.spawn(async move {
                client.at(at_ms).await;
                // At the same time: either may be first.
                tokio::join!(client.increment(n), client.read(n));
            });
        }
        (runs, rest)
    }

    /// Asks each second for an answer: see [`probe`].
    pub(super) async fn probe(&self, calm: watch::Receiver<Option<Instant>>, limit: Duration) {
        let ask = |name: String| {
            let board = self.board.clone();
            async move { Told::of(&timeout(ANSWER, board.call(Probe).key(name)).await) }
        };
        probe(self.zero, &self.recorder, calm, limit, ask).await;
    }

    async fn increment(&self, n: usize) {
        let counting = self.board.state::<u64>(COUNT);
        let begin = clock::now();
        let answer = timeout(ANSWER, counting.update(|count| *count += 1)).await;
        let told = Told::of(&answer);
        let seen = answer.ok().and_then(Result::ok).map(seen);
        self.recorder.call_of_document(Op::Increment, &format!("increment-{n}"), seen, begin, &told);
    }

    async fn read(&self, n: usize) {
        let counted = self.board.state::<u64>(COUNT);
        let begin = clock::now();
        let answer = timeout(ANSWER, counted.load()).await;
        let told = Told::of(&answer);
        let seen = answer.ok().and_then(Result::ok).map(|version| version.map_or(Seen::NOTHING, seen));
        self.recorder.call_of_document(Op::Read, &format!("read-{n}"), seen, begin, &told);
    }

    async fn at(&self, ms: u64) {
        until(self.zero + ms * 1_000).await;
    }

    /// Submits a run, tells its tasks what they wait for, and cancels it if it is to be.
    async fn run(&self, work: &Work) {
        let ask =
            || async { Told::of(&timeout(ANSWER, self.board.start(agents::workflow(work)).key(&work.name)).await) };
        if submit(work, &self.recorder, ask).await {
            tokio::join!(self.signals(work), self.answers(work), self.tops_up(work), self.cancel(work));
        }
    }

    async fn signals(&self, work: &Work) {
        let run = self.board.run(self.board.run_id_of_key(&work.name));
        for task in work.tasks.iter().filter(|task| task.what == What::Signal) {
            sleep(Duration::from_millis(task.ms)).await; // as long as its author takes
            let mut tries = 0;
            loop {
                tries += 1;
                let (value, begin) = (format!("{}/{} {tries}", work.name, task.name), clock::now());
                let answer = timeout(ANSWER, run.signal(&task.name, &value)).await;
                let told = Told::of(&answer);
                self.recorder.call(Op::Signal, &work.name, Some((task.name.clone(), value)), begin, &told);
                if told.outcome == Outcome::Ok || is_over(&answer) {
                    break;
                }
                sleep(AGAIN).await;
            }
        }
    }

    async fn cancel(&self, work: &Work) {
        let Some(after) = work.cancel_after_ms else { return };
        sleep(Duration::from_millis(after)).await; // as the schedule has it
        let run = self.board.run(self.board.run_id_of_key(&work.name));
        let begin = clock::now();
        let answer = timeout(ANSWER, run.cancel("as the plan says")).await;
        self.recorder.call(Op::Cancel, &work.name, None, begin, &Told::of(&answer));
    }
}

/// Whether nobody waits for it any more, or somebody else has said it.
pub(super) fn is_over(answer: &Result<callboard::Result<()>, Elapsed>) -> bool {
    let error = answer.as_ref().ok().and_then(|answer| answer.as_ref().err());
    error.is_some_and(|error| matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound))
}

fn seen(version: Version<u64>) -> Seen {
    Seen { version: version.number, count: version.value }
}
