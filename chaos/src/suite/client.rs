//! Who asks the cluster for something, and writes down what it was told.

use super::agents::{self, Probe};
use super::clock;
use super::cluster::until;
use super::record::{Recorder, Told};
use crate::check::documents::COUNT;
use crate::history::{Moment, Op, Outcome};
use crate::schedule::{Schedule, Submission};
use crate::work::{Submit, What, Work};
use callboard::{Callboard, ErrorKind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How long an answer is waited for: the node says before that itself that it does not know.
const ANSWER: Duration = Duration::from_secs(20);
/// Before it is asked again.
const AGAIN: Duration = Duration::from_millis(300);

/// A client; a cheap handle.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) board: Callboard,
    pub(super) recorder: Recorder,
    /// The moment of the first submission.
    pub(super) zero: Moment,
    /// When nothing is asked any more.
    pub(super) deadline: Instant,
}

impl Client {
    /// Asks for everything that the schedule has, each at its moment. The first set is of runs, the second of the rest.
    pub(super) fn begin(&self, schedule: &Schedule) -> (JoinSet<()>, JoinSet<()>) {
        let (mut runs, mut rest) = (JoinSet::new(), JoinSet::new());
        for Submission { at_ms, work } in schedule.runs.clone() {
            let client = self.clone();
            runs.spawn(async move {
                client.at(at_ms).await;
                client.run(&work).await;
            });
        }
        for (n, at_ms) in schedule.increments_ms.iter().copied().enumerate() {
            let client = self.clone();
            rest.spawn(async move {
                client.at(at_ms).await;
                let counting = client.board.state::<u64>(COUNT);
                let begin = clock::now();
                let answer = timeout(ANSWER, counting.update(|count| *count += 1)).await;
                client.recorder.call(Op::Increment, &format!("increment-{n}"), None, begin, &Told::of(&answer));
            });
        }
        (runs, rest)
    }

    /// Asks each second for an answer, until it is told that nothing is done any more and has had two good ones in a row since,
    /// or until the latest moment; and then until all answers have come.
    pub(super) async fn probe(&self, calm: watch::Receiver<Option<Instant>>, limit: Duration) {
        let (answers, mut probes) = (Arc::new(Mutex::new(BTreeMap::new())), JoinSet::new());
        let mut calm_since = None;
        for n in 0.. {
            self.at(n * 1_000).await;
            if let Some(latest) = *calm.borrow() {
                let since = *calm_since.get_or_insert(n);
                let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                let is_good = |n: u64| n >= since && answers.get(&n) == Some(&true);
                if Instant::now() >= latest || (since..n).any(|n| is_good(n) && is_good(n + 1)) {
                    break;
                }
            }
            let (client, answers) = (self.clone(), answers.clone());
            probes.spawn(async move {
                let (name, begin) = (format!("probe-{n}"), clock::now());
                let answer = timeout(ANSWER, client.board.call(Probe).key(name.as_str())).await;
                let told = Told::of(&answer);
                let is_good = told.outcome == Outcome::Ok && clock::now() - begin <= limit.as_micros() as Moment;
                answers.lock().unwrap_or_else(PoisonError::into_inner).insert(n, is_good);
                client.recorder.call(Op::Probe, &name, None, begin, &told);
            });
        }
        while probes.join_next().await.is_some() {}
    }

    async fn at(&self, ms: u64) {
        until(self.zero + ms * 1_000).await;
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Submits a run, tells its tasks what they wait for, and cancels it if it is to be.
    async fn run(&self, work: &Work) {
        loop {
            let begin = clock::now();
            let answer = timeout(ANSWER, self.board.start(agents::workflow(work)).key(&work.name)).await;
            let told = Told::of(&answer);
            self.recorder.call(Op::Start, &work.name, None, begin, &told);
            match (told.outcome, work.submit) {
                (Outcome::Ok, _) => break,
                // It may be there, and then it has to end: its signals are sent all the same.
                (Outcome::Unknown, Submit::Once) => break,
                (_, Submit::Once) => return,
                (_, Submit::UntilAcknowledged) if self.is_over() => return,
                (_, Submit::UntilAcknowledged) => sleep(AGAIN).await,
            }
        }
        tokio::join!(self.signals(work), self.cancel(work));
    }

    async fn signals(&self, work: &Work) {
        let run = self.board.run(self.board.run_id_of_key(&work.name));
        for task in work.tasks.iter().filter(|task| task.what == What::Signal) {
            sleep(Duration::from_millis(task.ms)).await; // as long as its author takes
            let mut tries = 0;
            while !self.is_over() {
                tries += 1;
                let (value, begin) = (format!("{}/{} {tries}", work.name, task.name), clock::now());
                let answer = timeout(ANSWER, run.signal(&task.name, &value)).await;
                let told = Told::of(&answer);
                self.recorder.call(Op::Signal, &work.name, Some((task.name.clone(), value)), begin, &told);
                let is_ended = answer.is_ok_and(|answer| {
                    answer.is_err_and(|error| matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound))
                });
                if told.outcome == Outcome::Ok || is_ended {
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
