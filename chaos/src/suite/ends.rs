//! What a cluster of our own says when all is over.

use super::agents::Told;
use super::cluster::Cluster;
use crate::history::{NOT_TOLD, RunEnd, TaskEnd};
use callboard::{Callboard, ErrorKind, Run, What};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long one question may take, before it is asked again.
const ANSWER: Duration = Duration::from_secs(10);
/// How long what should be gone at the end may still be there.
const GOING: Duration = Duration::from_secs(15);
/// How long all that is asked may take.
pub(super) const ASKING: Duration = Duration::from_secs(60);

/// Whether the run of this number, from 0, is among so many of a hundred, which are spread evenly.
pub(super) const fn is_asked(n: usize, percent: u32) -> bool {
    (n + 1) * percent as usize / 100 > n * percent as usize / 100
}

/// Asks until there is an answer or the time is up.
pub(super) async fn ask<T, E>(until: Instant, question: impl AsyncFn() -> Result<T, E>) -> Option<T> {
    loop {
        if let Ok(Ok(answer)) = timeout(ANSWER, question()).await {
            return Some(answer);
        }
        if Instant::now() >= until {
            return None;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// What the cluster says of a run once it has ended, or at the deadline; of its tasks only if it is asked for them.
pub(super) async fn run_end(board: &Callboard, name: &str, deadline: Instant, is_asked: bool) -> RunEnd {
    let run = board.run(board.run_id_of_key(name));
    let none =
        |status: Option<&str>| RunEnd { run: name.to_owned(), status: status.map(str::to_owned), tasks: Vec::new() };
    loop {
        match timeout(ANSWER.min(deadline.saturating_duration_since(Instant::now())), run.outcome()).await {
            Ok(Ok(_)) => break,
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => return none(None),
            _ if Instant::now() >= deadline => break,
            _ => sleep(Duration::from_millis(200)).await,
        }
    }
    let asking = Instant::now() + ASKING;
    let Some(info) = ask(asking, async || run.info().await).await else { return none(Some(NOT_TOLD)) };
    let tasks = async || if is_asked { tasks(&run, info.ended_at.is_some()).await } else { Ok(Vec::new()) };
    let tasks = ask(asking, tasks).await.unwrap_or_default();
    RunEnd { tasks, ..none(Some(info.status.as_str())) }
}

/// What the cluster says of the tasks of a run; their results and history only if it has ended.
async fn tasks(run: &Run, has_ended: bool) -> callboard::Result<Vec<TaskEnd>> {
    let mut page = run.tasks().limit(1_000).await?;
    let mut infos = page.items;
    while let Some(next) = page.next {
        page = run.tasks().limit(1_000).after(next).await?;
        infos.append(&mut page.items);
    }
    let mut results: BTreeMap<String, usize> = BTreeMap::new();
    if has_ended {
        let mut events = run.events();
        while let Some(event) = events.next().await {
            if let (What::Completed, Some(task)) = (&event.what, &event.task) {
                *results.entry(task.to_string()).or_default() += 1;
            }
        }
    }
    let mut tasks = Vec::new();
    // Children have names of their own in the ledger, and are seen there by their parents.
    for info in infos.into_iter().filter(|info| info.parent.is_none()) {
        let mark = match info.status {
            callboard::Status::Completed => {
                let output = run.output_json(&info.name).await?;
                serde_json::from_str::<Told>(output.as_str()).ok().map(|told| told.mark)
            }
            _ => None,
        };
        let results = results.get(&info.name).copied().unwrap_or_default();
        let status = info.status.as_str().to_owned();
        tasks.push(TaskEnd { task: info.name, status, mark, results, began_at: None, done_at: None });
    }
    Ok(tasks)
}

/// What is there and should not be, after some time in which it may go; and how many messages are dead, of so many that are
/// to be.
pub(super) async fn left(cluster: &Cluster, board: &Callboard, to_be_dead: u64) -> (Vec<String>, u64) {
    let until = Instant::now() + GOING;
    loop {
        let mut left = Vec::new();
        match board.locks().await {
            Ok(locks) => left.extend(locks.iter().map(|lock| format!("the lock {:?} is held at the end", lock.key))),
            Err(error) => left.push(format!("nobody says which locks are held: {error:#}")),
        }
        let brokers = cluster.broker.lock().await;
        let broker = brokers.any();
        match broker.evaluate(&messages("not ")).await {
            Ok(queues) if queues == "[]" => {}
            Ok(queues) => left.push(format!("messages are left in queues of the broker: {queues}")),
            Err(error) => left.push(format!("the broker does not say which messages are left: {error}")),
        }
        let dead = broker.evaluate(&format!("lists:sum([M || {{_, M}} <- {}])", messages(""))).await;
        drop(brokers);
        let dead = dead.ok().and_then(|dead| dead.parse().ok()).unwrap_or(0);
        if left.is_empty() && dead >= to_be_dead || Instant::now() >= until {
            return (left, dead);
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// The queues that have messages, with their names and how many: those of the dead, or those that are `not`.
fn messages(not: &str) -> String {
    format!(
        "[{{N, M}} || [{{name, {{resource, _, queue, N}}}}, {{messages, M}}] \
         <- rabbit_amqqueue:info_all(<<\"/\">>, [name, messages]), M > 0, \
         {not}lists:suffix(\"{}\", binary_to_list(N))]",
        super::poison::DEAD
    )
}
