//! One run of the suite, from nothing to a history.

use super::agents::Told;
use super::client::Client;
use super::cluster::Cluster;
use super::record::Recorder;
use super::{Error, clock, faults};
use crate::check::documents::{COUNT, LOCK};
use crate::history::{End, Entry, Head, LEDGER, Memory, NOT_TOLD, Record, RunEnd, TaskEnd};
use crate::plan::Plan;
use crate::schedule::Schedule;
use callboard::{Callboard, ErrorKind, Run, What};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Between the first moment at which everything is in its place and the first submission.
const BREATH: u64 = 300_000;
/// How long one question at the end may take, before it is asked again.
const ANSWER: Duration = Duration::from_secs(10);
/// How long what should be gone at the end may still be there.
const GOING: Duration = Duration::from_secs(15);
/// How long all that is asked at the end may take.
const ASKING: Duration = Duration::from_secs(60);

/// How many runs are asked for at the same time.
const ASKED_AT_ONCE: usize = 64;

/// How the suite is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is a node when it is called with `node`.
    pub program: PathBuf,
    /// Where everything is written: what was there of an earlier run is removed.
    pub folder: PathBuf,
    /// From what everything is drawn.
    pub seed: u64,
    /// Which promise the nodes break, in a build with the feature `sabotage`.
    pub sabotage: Option<String>,
}

/// Builds a cluster, has it work, does to it what the plan says, and writes down what comes of it. Everything that was
/// started has ended on return.
///
/// # Errors
///
/// Why it could not be tried: what the cluster does wrong is in the history, and no error.
pub async fn run(plan: &Plan, options: &Options) -> Result<(), Error> {
    let folder = &std::path::absolute(&options.folder).map_err(Error::file(&options.folder))?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Error::file(folder))?;
    }
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let ledger = folder.join(LEDGER);
    std::fs::write(&ledger, "").map_err(Error::file(&ledger))?;
    let (schedule, recorder) = (Schedule::draw(plan, options.seed), Recorder::begin(folder)?);
    let cluster = Cluster::start(plan, folder, options).await?;
    let board = cluster.client_in_time().await?;
    cluster.whole(&board, folder).await?;

    let zero = clock::now() + BREATH;
    let versions = cluster.versions().await;
    let versions: BTreeMap<String, String> =
        versions.into_iter().map(|(name, version)| (name.to_owned(), version)).collect();
    let wall = humantime::format_rfc3339_seconds(clock::of_day()).to_string();
    let head = Head { at: zero, wall, seed: options.seed, plan: plan.clone(), versions };
    recorder.write(&Record::Head(Box::new(head)));
    // Nobody knows yet when the last fault ends: until then this is far away.
    let far = Instant::now() + Duration::from_secs(10 * 86_400);
    let client = Client { board: board.clone(), recorder: recorder.clone(), zero, deadline: far };
    let (mut runs, mut rest) = client.begin(&schedule);
    let (calm, is_calm) = tokio::sync::watch::channel(None);
    let (probing, end, limit) = (client.clone(), at(zero, plan.duration), plan.limits.probe);
    rest.spawn(async move { probing.probe(is_calm, limit).await });
    let inflicting = async {
        tokio::select! {
            done = faults::inflict_all(&cluster, &schedule, plan.order, zero, &recorder) => done,
            never = weigh(&cluster, &recorder) => match never {},
        }
    };
    inflicting.await?;
    let faults_end = Instant::now();
    let deadline = faults_end.max(end) + plan.limits.settle;
    let working = async {
        drop(tokio::time::timeout_at(deadline, ended(&mut runs)).await);
        runs.abort_all(); // whoever still asks for something asks in vain: the check sees that it has not ended
    };
    let calming = async {
        tokio::time::sleep_until(end).await;
        calm.send_replace(Some(faults_end.max(end) + plan.limits.recovery));
    };
    let settling = async { tokio::join!(working, calming) };
    tokio::select! {
        _ = settling => {}
        never = weigh(&cluster, &recorder) => match never {},
    }
    let names: Vec<&str> = schedule.runs.iter().map(|run| &*run.work.name).collect();
    let asked = names.iter().map(|name| run_end(&board, name, deadline));
    let of_runs: Vec<RunEnd> = futures::stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
    ended(&mut rest).await;

    let mut end = End { at: clock::now(), ..End::default() };
    let asking = Instant::now() + ASKING;
    end.counter = ask(asking, async || board.state::<u64>(COUNT).load().await).await.flatten().map(|it| it.value);
    let locked = ask(asking, async || board.state::<Vec<Entry>>(LOCK).load().await).await.flatten();
    end.locked = locked.map(|version| version.value).unwrap_or_default();
    (end.left, end.dead) = left(&cluster, &board, recorder.published()).await;
    for of_run in of_runs {
        recorder.write(&Record::Run(of_run));
    }
    drop(board.shutdown().await);
    end.left.extend(cluster.stop_nodes().await);
    end.broken = cluster.broken();
    recorder.write(&Record::End(end));
    recorder.finish()?;
    remove_servers(folder);
    Ok(())
}

/// Writes down each second how much memory the nodes have.
async fn weigh(cluster: &Cluster, recorder: &Recorder) -> Infallible {
    loop {
        let at = clock::now();
        for (node, bytes) in cluster.memory() {
            recorder.write(&Record::Memory(Memory { at, node, bytes }));
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Waits until all have ended.
async fn ended(set: &mut JoinSet<()>) {
    while set.join_next().await.is_some() {}
}

fn at(zero: u64, after: Duration) -> Instant {
    Instant::now() + Duration::from_micros(zero.saturating_sub(clock::now())) + after
}

/// Asks until there is an answer or the time is up.
async fn ask<T>(until: Instant, question: impl AsyncFn() -> callboard::Result<T>) -> Option<T> {
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

/// What the cluster says of a run once it has ended, or at the deadline.
async fn run_end(board: &Callboard, name: &str, deadline: Instant) -> RunEnd {
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
    let tasks = ask(asking, async || tasks(&run, info.ended_at.is_some()).await).await.unwrap_or_default();
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
        tasks.push(TaskEnd { task: info.name, status: info.status.as_str().to_owned(), mark, results });
    }
    Ok(tasks)
}

/// What is there and should not be, after some time in which it may go; and how many messages are dead, of so many that are
/// to be.
async fn left(cluster: &Cluster, board: &Callboard, to_be_dead: u64) -> (Vec<String>, u64) {
    let until = Instant::now() + GOING;
    loop {
        let mut left = Vec::new();
        match board.locks().await {
            Ok(locks) => left.extend(locks.iter().map(|lock| format!("the lock {:?} is held at the end", lock.key))),
            Err(error) => left.push(format!("nobody says which locks are held: {error:#}")),
        }
        let broker = cluster.broker.lock().await;
        match broker.evaluate(&messages("not ")).await {
            Ok(queues) if queues == "[]" => {}
            Ok(queues) => left.push(format!("messages are left in queues of the broker: {queues}")),
            Err(error) => left.push(format!("the broker does not say which messages are left: {error}")),
        }
        let dead = broker.evaluate(&format!("lists:sum([M || {{_, M}} <- {}])", messages(""))).await;
        drop(broker);
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

/// The data of servers is large, and says nothing that the history does not: their logs stay.
fn remove_servers(folder: &Path) {
    for data in ["rabbitmq/data", "rabbitmq/plugins", "redis/appendonlydir", "radosgw/ceph"] {
        // What is not there needs no removal; what stays is removed before the next run.
        let _stays = std::fs::remove_dir_all(folder.join("servers").join(data));
    }
}
