//! One run of the suite, from nothing to a history.

use super::attached::{self, Undos};
use super::client::Client;
use super::cluster::Cluster;
use super::course::{Course, ended};
use super::ends::{ASKING, ask, is_asked, left, run_end};
use super::record::Recorder;
use super::{Error, clock, faults};
use crate::check::documents::{COUNT, LOCK};
use crate::history::{End, Entry, Head, LEDGER, Memory, Moment, Record, RunEnd};
use crate::plan::Plan;
use crate::schedule::{Fault, Schedule};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How many runs are asked for at the same time.
const ASKED_AT_ONCE: usize = 64;

/// How often the objects are read from their beginning, if the store does not give all of them.
const VERIFIED: usize = 3;

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
    /// What whoever runs it has said that the cluster is called, if it is one that is attached.
    pub cluster: Option<String>,
    /// What is to be undone when the suite is interrupted.
    pub undos: Undos,
}

/// Has a cluster work, does to it what the plan says, and writes down what comes of it. The cluster is built for it, and
/// everything that was started has ended on return; or it is one that is attached, which is left as it is.
///
/// # Errors
///
/// Why it could not be tried: what the cluster does wrong is in the history, and no error.
pub async fn run(plan: &Plan, options: &Options) -> Result<(), Error> {
    let folder = &std::path::absolute(&options.folder).map_err(Error::file(&options.folder))?;
    match &plan.attached {
        Some(attached) => {
            let confirmed = attached::Confirmed::of(attached, options)?;
            let recorder = begin(folder)?;
            Box::pin(attached::run(plan, &confirmed, options, folder, recorder)).await
        }
        None => {
            if let Some(cluster) = options.cluster.clone() {
                return Err(Error::NotAttached { plan: plan.name.clone(), cluster });
            }
            let recorder = begin(folder)?;
            Box::pin(built(plan, options, folder, recorder)).await
        }
    }
}

/// An empty folder with an empty ledger, and the beginning of a history.
fn begin(folder: &Path) -> Result<Recorder, Error> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Error::file(folder))?;
    }
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let ledger = folder.join(LEDGER);
    std::fs::write(&ledger, "").map_err(Error::file(&ledger))?;
    Recorder::begin(folder)
}

/// The first line of a history.
pub(super) fn head(plan: &Plan, seed: u64, zero: Moment, versions: BTreeMap<String, String>) -> Head {
    let wall = humantime::format_rfc3339_seconds(clock::of_day()).to_string();
    Head { at: zero, wall, seed, plan: plan.clone(), file: plan.file.clone(), versions, needs: Vec::new() }
}

/// The same on a cluster of our own.
async fn built(plan: &Plan, options: &Options, folder: &Path, recorder: Recorder) -> Result<(), Error> {
    let schedule = Schedule::draw(plan, options.seed);
    let cluster = Cluster::start(plan, folder, options).await?;
    let board = cluster.client_in_time().await?;
    cluster.whole(&board, folder).await?;

    let (course, is_calm) = Course::of(plan);
    let zero = course.zero;
    let versions = cluster.versions().await;
    let versions = versions.into_iter().map(|(name, version)| (name.to_owned(), version)).collect();
    recorder.write(&Record::Head(Box::new(head(plan, options.seed, zero, versions))));
    let client = Client { board: board.clone(), recorder: recorder.clone(), zero };
    let (mut runs, mut rest) = client.begin(&schedule);
    let (deciding, is_calm_for_them, ledger) = (client.clone(), is_calm.clone(), folder.join(LEDGER));
    let mut people = JoinSet::new();
    people.spawn(async move { deciding.decide(is_calm_for_them, ledger).await });
    let (probing, limit) = (client.clone(), plan.limits.probe);
    rest.spawn(async move { probing.probe(is_calm, limit).await });
    let inflict = async |fault: &Fault| faults::inflict(&cluster, fault, &recorder).await;
    let inflicting = faults::inflict_all(&schedule, plan.order, zero, inflict);
    let deadline = course.run(&mut runs, inflicting, async || weigh(&cluster, &recorder).await).await?;
    let asked = schedule.runs.iter().enumerate().map(|(n, run)| {
        let is_asked = is_asked(n, plan.workload.asked_percent);
        run_end(&board, &run.work.name, deadline, is_asked)
    });
    let of_runs: Vec<RunEnd> = futures::stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
    drop(people);
    ended(&mut rest).await;

    let mut end = End { at: clock::now(), ..End::default() };
    let asking = Instant::now() + ASKING;
    match ask(asking, async || board.state::<u64>(COUNT).load().await).await {
        Some(version) => end.counter = version.map(|it| it.value),
        None => end.not_told.push(COUNT.to_owned()),
    }
    match ask(asking, async || board.state::<Vec<Entry>>(LOCK).load().await).await {
        Some(version) => end.locked = version.map(|it| it.value).unwrap_or_default(),
        None => end.not_told.push(LOCK.to_owned()),
    }
    (end.left, end.dead) = left(&cluster, &board, recorder.published()).await;
    for of_run in of_runs {
        recorder.write(&Record::Run(of_run));
    }
    drop(board.shutdown().await);
    end.left.extend(cluster.stop_nodes().await);
    end.left.extend(cluster.left_keys().await);
    end.broken = cluster.broken();
    (end.objects, end.journal) = verified(&cluster).await;
    recorder.write(&Record::End(end));
    recorder.finish()?;
    remove_servers(folder);
    Ok(())
}

/// How many objects there are, and what is wrong with them. It takes as long as there are many.
async fn verified(cluster: &Cluster) -> (u64, Vec<String>) {
    let mut last = String::new();
    for _ in 0..VERIFIED {
        match cluster.verify().await {
            Ok(verified) => return verified,
            Err(error) => last = error.to_string(),
        }
    }
    (0, vec![format!("the objects of the store can not be read to their end: {last}")])
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

/// The data of servers is large, and says nothing that the history does not: their logs stay.
fn remove_servers(folder: &Path) {
    for data in ["rabbitmq/data", "rabbitmq/plugins", "redis/appendonlydir", "radosgw/ceph"] {
        // What is not there needs no removal; what stays is removed before the next run.
        let _stays = std::fs::remove_dir_all(folder.join("servers").join(data));
    }
}
