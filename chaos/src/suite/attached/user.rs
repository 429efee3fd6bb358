//! Who has a cluster do a workflow, and knows nothing of it but what it answers.

use super::http::{Asking, Failure, Http};
use super::workflow::{LABEL, Workflow};
use crate::history::{Moment, Op, Outcome};
use crate::schedule::Schedule;
use crate::suite::client::{ANSWER, each_at_its_moment, submit};
use crate::suite::record::{Recorder, Told};
use crate::suite::{Error, clock};
use crate::work::Work;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How often a run is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// A user of the cluster; a cheap handle.
#[derive(Clone, Debug)]
pub(super) struct User(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Http,
    /// What all its runs of this time have.
    label: String,
    workflow: Workflow,
    of_probe: Workflow,
}

/// How a run stands.
#[derive(Debug, Deserialize)]
pub(super) struct OfRun {
    pub(super) id: String,
    #[serde(default)]
    pub(super) key: Option<String>,
    pub(super) status: String,
    #[serde(default)]
    ended_at: Option<String>,
}

impl OfRun {
    pub(super) fn has_ended(&self) -> bool {
        self.ended_at.is_some()
    }
}

impl User {
    pub(super) fn of(
        addresses: &[String],
        label: String,
        workflow: Workflow,
        of_probe: Workflow,
    ) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner { http: Http::of(addresses)?, label, workflow, of_probe })))
    }

    pub(super) fn http(&self) -> &Http {
        &self.0.http
    }

    /// By what its runs are found.
    pub(super) fn label(&self) -> String {
        format!("{LABEL}:{}", self.0.label)
    }

    /// The key of the run of this name: it was never there before.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{LABEL}-{}-{name}", self.0.label)
    }

    /// Whether every node is ready, and the cluster does both workflows while nothing is done to it.
    ///
    /// # Errors
    ///
    /// Words about what it does instead.
    pub(super) async fn first(&self, limit: Duration) -> Result<(), String> {
        self.http().ready().await?;
        for (name, what) in [("first", &self.0.workflow), ("first-probe", &self.0.of_probe)] {
            let done = timeout(limit, async {
                let asking = Asking::post("/v1/runs?strict=true", &*what.document).key(self.key(name));
                let run = self.http().ask::<OfRun>(&asking).await.map_err(|failure| failure.words)?;
                Ok::<_, String>(self.end_of(run).await)
            });
            let run =
                done.await.map_err(|_| format!("the run {} has not ended within {limit:?}", self.key(name)))??;
            if run.status != "completed" {
                return Err(format!("the run {} is {} without any fault", run.id, run.status));
            }
        }
        Ok(())
    }

    /// Asks for every run of the schedule, each at its moment.
    pub(super) fn begin(&self, schedule: &Schedule, zero: Moment, recorder: &Recorder) -> JoinSet<()> {
        let (mut runs, user, recorder) = (JoinSet::new(), self.clone(), recorder.clone());
        runs.spawn(each_at_its_moment(zero, schedule.runs.clone(), move |work| {
            let (user, recorder) = (user.clone(), recorder.clone());
            async move { user.run(&work, &recorder).await }
        }));
        runs
    }

    /// What comes of a run of the workflow of probes.
    pub(super) async fn probe(&self, name: &str) -> Told {
        let done = timeout(ANSWER, async {
            let run = self.submit(name, &self.0.of_probe).await?;
            Ok::<_, Failure>(self.end_of(run).await)
        });
        match done.await {
            Ok(Ok(run)) if run.status == "completed" => Told::OK,
            Ok(Ok(run)) => Told { outcome: Outcome::Failed, error: Some(format!("it is {}", run.status)) },
            Ok(Err(failure)) => failure.into(),
            Err(_) => Told::late(),
        }
    }

    /// Submits a run, and cancels it if it is to be.
    async fn run(&self, work: &Work, recorder: &Recorder) {
        let ask = || async {
            match self.submit(&work.name, &self.0.workflow).await {
                Ok(_) => Told::OK,
                Err(failure) => failure.into(),
            }
        };
        if submit(work, recorder, ask).await
            && let Some(after) = work.cancel_after_ms
        {
            sleep(Duration::from_millis(after)).await; // as the schedule has it
            self.cancel(work, recorder).await;
        }
    }

    /// Cancels a run of its own.
    async fn cancel(&self, work: &Work, recorder: &Recorder) {
        // Once more under its key: it is there, and its id is told.
        let Ok(run) = self.submit(&work.name, &self.0.workflow).await else { return };
        let begin = clock::now();
        let asking = Asking::post(format!("/v1/runs/{}/cancel", run.id), r#"{"reason":"as the plan says"}"#);
        let told = match self.http().ask::<OfRun>(&asking).await {
            Ok(_) => Told::OK,
            Err(failure) => failure.into(),
        };
        recorder.call(Op::Cancel, &work.name, None, begin, &told);
    }

    async fn submit(&self, name: &str, what: &Workflow) -> Result<OfRun, Failure> {
        self.http().ask(&Asking::post("/v1/runs", &*what.document).key(self.key(name))).await
    }

    /// How a run stands once it has ended.
    async fn end_of(&self, mut run: OfRun) -> OfRun {
        while !run.has_ended() {
            sleep(LOOK).await;
            // Who does not answer now is asked again, and so is the next node.
            if let Ok(seen) = self.http().ask(&Asking::get(format!("/v1/runs/{}", run.id))).await {
                run = seen;
            }
        }
        run
    }
}
