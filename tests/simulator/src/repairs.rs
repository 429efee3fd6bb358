//! A run that a person steers: paused and resumed, a task of it cancelled, and those that have ended badly given another life.

use crate::deeds::Deeds;
use crate::matter::{Findings, Matter, insisted};
use crate::program::{Echo, Use};
use crate::random::Random;
use callboard::prelude::*;
use callboard::{Run, RunId};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::sleep;

/// A run of which one task fails, one needs that, and one never ends; and what a person does about it, one after the other.
pub struct Repairs {
    key: String,
    chance: Mutex<Random>,
    known: Mutex<Known>,
    findings: Findings,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
struct Known {
    id: Option<RunId>,
    step: Step,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    /// It is paused, and resumed.
    #[default]
    Pause,
    Resume,
    /// What never ends is cancelled, and what fails has failed.
    Cancel,
    /// What has failed is made again, with an input that does not fail.
    Mend,
    /// What was cancelled is made again.
    Revive,
}

impl Repairs {
    /// A run of this key.
    pub fn draw(key: String, random: &mut Random) -> Self {
        Self { key, chance: Mutex::new(random.split()), known: Mutex::default(), findings: Findings::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn a_while(&self, most: u64) -> Duration {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).millis(most)
    }

    fn workflow(&self) -> Workflow {
        let workflow = Workflow::new(&self.key);
        let echo = |name: &str, text: &str| workflow.task(name, Echo { text: text.into() }).losses(1_000);
        let fails = echo("fails", "doomed");
        let _rest = workflow.task("rest", Use { text: fails.out() }).losses(1_000);
        let _never = echo("never", "never");
        workflow
    }

    async fn attended(&self, board: &Callboard) -> Result<()> {
        let id = self.known().id;
        let run = match id {
            Some(id) => board.run(id),
            None => insisted(|| board.start(self.workflow()).key(self.key.clone()).into_future()).await?,
        };
        self.known().id = Some(run.id());
        loop {
            let step = self.known().step;
            let next = match step {
                Step::Pause => {
                    insisted(|| run.pause("a person wants to look at it")).await?;
                    Step::Resume
                }
                Step::Resume => {
                    sleep(self.a_while(1_500)).await;
                    insisted(|| run.resume()).await?;
                    Step::Cancel
                }
                Step::Cancel => {
                    sleep(self.a_while(1_500)).await;
                    let cancelled = insisted(|| run.cancel_task("never", "nobody waits for it")).await;
                    unless_done(cancelled)?;
                    self.ends(&run, RunOutcome::Failed).await?;
                    Step::Mend
                }
                Step::Mend => {
                    sleep(self.a_while(3_000)).await;
                    self.again(&run, "fails", "mended").await?;
                    self.says(&run, "rest", "used mended").await?;
                    self.ends(&run, RunOutcome::Cancelled).await?;
                    Step::Revive
                }
                Step::Revive => {
                    sleep(self.a_while(3_000)).await;
                    self.again(&run, "never", "late").await?;
                    self.says(&run, "never", "late").await?;
                    return self.ends(&run, RunOutcome::Completed).await;
                }
            };
            self.known().step = next;
        }
    }

    /// Gives a task another life with another input. It may have it already: by a try of unknown outcome.
    async fn again(&self, run: &Run, task: &str, text: &str) -> Result<()> {
        let input = Echo { text: text.into() };
        unless_done(insisted(|| run.retry(task).input(&input).into_future()).await)
    }

    async fn ends(&self, run: &Run, expected: RunOutcome) -> Result<()> {
        let outcome = insisted(|| run.outcome()).await?;
        if outcome != expected {
            self.wrong(format!("it has ended as {outcome:?}, not as {expected:?}"));
        }
        Ok(())
    }

    async fn says(&self, run: &Run, task: &str, expected: &str) -> Result<()> {
        let said = insisted(|| run.output_json(task)).await?;
        if said.as_str() != format!("{expected:?}") {
            self.wrong(format!("{task} says {}, not {expected:?}", said.as_str()));
        }
        Ok(())
    }

    fn wrong(&self, what: String) {
        self.findings.breach(format!("{}: {what}", self.key));
    }
}

fn unless_done(result: Result<()>) -> Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::Conflict { Ok(()) } else { Err(error) })
}

impl Matter for Repairs {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        format!("{}: {:?}", self.key, *self.known())
    }

    fn look_after(self: Arc<Self>, board: Callboard, _: Deeds) -> BoxFuture<'static, ()> {
        async move {
            if let Err(error) = self.attended(&board).await {
                self.wrong(format!("it is refused: {error:#}"));
            }
            self.findings.done();
        }
        .boxed()
    }
}
