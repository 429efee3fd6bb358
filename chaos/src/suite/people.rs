//! What somebody says to a run who is asked: yes or no, that it may cost more, and what came of an effect.

use super::agents;
use super::client::{AGAIN, ANSWER, Client, is_over};
use super::clock;
use super::record::Told;
use crate::history::{self, Did, Line, Op, Outcome};
use crate::work::{Deed, What, Work};
use callboard::{ApprovalId, Budget, ErrorKind, TaskIndex, UnknownEffect};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// How long whoever stood still may be at what it was about to do.
const GONE_ON: Duration = Duration::from_secs(8);

impl Client {
    /// Two people answer whoever asks, at the same time, and not always the same.
    pub(super) async fn answers(&self, work: &Work) {
        let run = self.board.run_id_of_key(&work.name);
        let asking = work.tasks.iter().zip(0..).filter(|(task, _)| task.what == What::Approval);
        for (task, place) in asking {
            sleep(Duration::from_millis(task.ms)).await; // as long as they take
            let approval = ApprovalId { run, task: TaskIndex(place), number: 1 };
            let is_contested = task.ms.is_multiple_of(2);
            tokio::join!(self.answer(work, task, approval, true), self.answer(work, task, approval, !is_contested));
        }
    }

    async fn answer(&self, work: &Work, task: &Deed, approval: ApprovalId, is_approved: bool) {
        loop {
            let begin = clock::now();
            let answering = if is_approved { self.board.approve(approval) } else { self.board.reject(approval) };
            let answer = timeout(ANSWER, answering.into_future()).await;
            let told = Told::of(&answer);
            let value = agents::said(is_approved).to_owned();
            self.recorder.call(Op::Answer, &work.name, Some((task.name.clone(), value)), begin, &told);
            if told.outcome == Outcome::Ok || is_over(&answer) {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    /// Adds a call to the budget of a run whenever somebody waits for one, until it has ended.
    pub(super) async fn tops_up(&self, work: &Work) {
        if !work.spends() {
            return;
        }
        let run = self.board.run(self.board.run_id_of_key(&work.name));
        for n in 0.. {
            sleep(AGAIN).await;
            let waits = async { run.budget().await.map(|budget| budget.is_some_and(|budget| budget.waiting > 0)) };
            if !matches!(timeout(ANSWER, waits).await, Ok(Ok(true))) {
                let is_open = async { run.info().await.map(|info| info.ended_at.is_none()) };
                match timeout(ANSWER, is_open).await {
                    Ok(Ok(false)) => return,
                    Ok(Err(error)) if error.kind() == ErrorKind::NotFound => return,
                    _ => continue,
                }
            }
            let begin = clock::now();
            let adding = run.top_up(Budget::new().calls(1)).key(&format!("top-up {n}"));
            let answer = timeout(ANSWER, adding.into_future()).await;
            self.recorder.call(Op::TopUp, &work.name, None, begin, &Told::of(&answer));
            if is_over(&answer) {
                return;
            }
        }
    }

    /// Says of effects whether they happened, of which nobody knows: once nothing is done to the cluster any more, and whoever was
    /// at it then has gone on or ended, the ledger tells.
    pub(super) async fn decide(&self, mut calm: watch::Receiver<Option<Instant>>, ledger: PathBuf) -> Infallible {
        if calm.wait_for(Option::is_some).await.is_err() {
            return std::future::pending().await; // it never gets calm
        }
        sleep(GONE_ON).await;
        loop {
            let unknown = timeout(ANSWER, self.board.unknown_effects().limit(1_000).into_future()).await;
            if let (Ok(Ok(page)), Ok(performed)) = (unknown, performed(&ledger)) {
                for effect in page.items {
                    let value = performed.get(&(effect.workflow.to_string(), effect.task.clone()));
                    self.decide_on(effect, value).await;
                }
            }
            sleep(AGAIN).await;
        }
    }

    async fn decide_on(&self, effect: UnknownEffect, value: Option<&String>) {
        let (begin, deciding) = (clock::now(), self.board.decide(effect.id));
        let (answer, said) = match value {
            Some(value) => (timeout(ANSWER, deciding.happened(value)).await, "it happened"),
            None => (timeout(ANSWER, deciding.did_not_happen()).await, "it did not happen"),
        };
        let about = Some((effect.task, said.to_owned()));
        self.recorder.call(Op::Decide, &effect.workflow, about, begin, &Told::of(&answer));
    }
}

/// What effects have given, by run and task.
fn performed(ledger: &Path) -> Result<BTreeMap<(String, String), String>, history::Error> {
    let lines: Vec<Line> = history::lines(ledger)?;
    let of_effects = lines.into_iter().filter_map(|line| match line.did {
        Did::Performed { value, .. } => Some(((line.run, line.task), value)),
        _ => None,
    });
    Ok(of_effects.collect())
}
