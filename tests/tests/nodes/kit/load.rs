//! What the nodes have to do: runs that are submitted until they are known, and watched to their end.

use super::Town;
use callboard::prelude::*;
use callboard_simulator::random::Random;
use callboard_tests::{Audit, graph, misfits};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long the end of one run may take to be told, before it is asked for again.
const ANSWER: Duration = Duration::from_secs(10);
/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs under way.
pub(crate) struct Load {
    client: Callboard,
    runs: JoinSet<Vec<String>>,
    tasks: usize,
}

impl Load {
    /// Begins `runs` runs of `tasks` tasks each, so many at a time.
    pub(crate) fn begin(client: &Callboard, runs: usize, tasks: usize, at_once: usize) -> Self {
        Self::begin_at(client, 0, runs, tasks, at_once)
    }

    /// The same with names from this number on.
    pub(crate) fn begin_at(client: &Callboard, first: usize, runs: usize, tasks: usize, at_once: usize) -> Self {
        let mut under_way = JoinSet::new();
        let slots = Arc::new(tokio::sync::Semaphore::new(at_once));
        for n in first..first + runs {
            let (client, slots) = (client.clone(), slots.clone());
            under_way.spawn(async move {
                let _slot = slots.acquire().await;
                one(client, format!("run-{n}"), n as u64, tasks).await
            });
        }
        Self { client: client.clone(), runs: under_way, tasks: runs * tasks }
    }

    /// How many runs have not ended.
    pub(crate) fn left(&mut self) -> usize {
        self.runs.len()
    }

    /// Waits for `ended` more runs.
    pub(crate) async fn progress(&mut self, ended: usize, wrong: &mut Vec<String>) {
        for _ in 0..ended {
            match timeout(PATIENCE, self.runs.join_next()).await.expect("runs end") {
                Some(run) => wrong.extend(run.unwrap()),
                None => return,
            }
        }
    }

    /// Waits until all have ended: nothing is lost, each result is there once, and no recorded step ran again.
    pub(crate) async fn finish(mut self, town: &Town, mut wrong: Vec<String>) -> Audit {
        let left = self.left();
        self.progress(left, &mut wrong).await;
        let mut audit = Audit::of(&town.ledger()).unwrap();
        audit.wrong.extend(wrong);
        assert_eq!(audit.wrong, [""; 0]);
        println!(
            "{} tasks: {} handlers began, {} steps ran, {} recorded",
            self.tasks, audit.begun, audit.executed, audit.recorded
        );
        assert_eq!(self.client.breaches(), []);
        audit
    }
}

/// One run: submitted until that is known to have succeeded, watched to its end, and looked at.
async fn one(client: Callboard, name: String, seed: u64, tasks: usize) -> Vec<String> {
    let drawn = || graph(&name, tasks, &mut Random(seed + 1));
    let (_, outputs) = drawn();
    let id = loop {
        match client.start(drawn().0).key(name.clone()).await {
            Ok(run) => break run.id(),
            Err(error) => {
                let is_known = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown);
                assert!(is_known, "{name}: {error:#}");
            }
        }
        sleep(Duration::from_millis(200)).await;
    };
    loop {
        match timeout(ANSWER, client.run(id).outcome()).await {
            Ok(Ok(RunOutcome::Completed)) => break,
            Ok(Ok(outcome)) => return vec![format!("{name} has ended as {outcome:?}")],
            _ => sleep(Duration::from_millis(200)).await,
        }
    }
    loop {
        match timeout(ANSWER, misfits(&client, id, &name, &outputs)).await {
            Ok(Ok(found)) => return found,
            _ => sleep(Duration::from_millis(200)).await,
        }
    }
}
