//! Through RabbitMQ, Redis and a store, beside a bare round trip through the same broker in the same run.
//!
//! Two nodes with agents and one client share this process. What a task costs in CPU time is that of the process and of all
//! servers, which are its children.

use crate::Plan;
use crate::bare::Bare;
use crate::fleet::{Fleet, Nothing, agents, nothing};
use crate::measure::{self, Latencies, Row, Trip, millis};
use crate::table::Report;
use crate::takeover;
use bytes::Bytes;
use callboard::port::bus::rabbitmq::{RabbitMqBus, RabbitMqOptions};
use callboard::port::directory::redis::{RedisDirectory, RedisOptions};
use callboard::port::store::folder::FolderStore;
use callboard::port::store::s3::{S3Key, S3Options, S3Store};
use callboard::port::store::{Create, Error as StoreError, Store};
use callboard::prelude::*;
use callboard::{Builder, Settings};
use callboard_benches::targets::Goal;
use callboard_chaos::servers::{RabbitMq, RadosGw, Redis};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

const BUCKET: &str = "callboard";
const PARTITIONS: u16 = 2;
const NODES: usize = 2;
/// How many tasks are under way at once, and how many there are.
const FLIGHTS: [(usize, usize); 2] = [(1, 1_000), (256, 20_000)];
/// The rows of flights, and whether their store is S3.
const STORES: [(&str, bool); 2] = [("rabbitmq+redis+folder", false), ("rabbitmq+redis+s3", true)];
const READY: &str = "ready to start";
const REGISTERED: &str = "registered agents";
const SUBMISSION: &str = "submission";
const REQUESTS: &str = "requests";
const TAKEOVER: &str = "takeover";
/// So many bare round trips a task may take that is alone, beside its two commits.
const TRIPS_ALONE: f64 = 2.4;

/// A task that answers when it was begun, in microseconds since the origin of the benchmark.
#[task(output = u64)]
struct Begin {}

/// The servers, and where nodes keep their journal.
pub(crate) struct Servers {
    pub(crate) rabbitmq: RabbitMq,
    pub(crate) redis: Redis,
    radosgw: RadosGw,
}

impl Servers {
    async fn start(folder: &Path) -> Result<Self> {
        let of = |name: &str| {
            let path = folder.join(name);
            std::fs::create_dir(&path).map(|()| path)
        };
        let (rabbitmq, redis, radosgw) = (of("rabbitmq")?, of("redis")?, of("radosgw")?);
        let (rabbitmq, redis, radosgw) =
            tokio::try_join!(RabbitMq::start(&rabbitmq), Redis::start(&redis), RadosGw::start(&radosgw))?;
        radosgw.make_bucket(BUCKET).await?;
        Ok(Self { rabbitmq, redis, radosgw })
    }

    /// Where its bucket is.
    pub(crate) fn s3(&self) -> S3 {
        let key = self.radosgw.key();
        S3 { url: self.radosgw.url(), id: key.id.clone(), secret: key.secret.clone() }
    }

    /// A node of a cluster that is called so.
    async fn node(&self, namespace: &str, store: &Arc<dyn Store>) -> Result<Builder> {
        node(&self.rabbitmq.url(), &self.redis.url(), namespace, store, PARTITIONS).await
    }

    /// Nodes that perform and one client that submits.
    async fn fleet(&self, namespace: &str, store: Arc<dyn Store>) -> Result<Fleet> {
        let (performed, mut nodes) = (Arc::default(), Vec::new());
        for _ in 0..NODES {
            nodes.push(agents(self.node(namespace, &store).await?, &performed).start().await?);
        }
        let client = self.node(namespace, &store).await?.client().start().await?;
        all_owned(&client).await?;
        Ok(Fleet::of(client, nodes, performed))
    }
}

/// A bucket, and who may use it.
#[derive(Serialize, Deserialize)]
pub(crate) struct S3 {
    url: String,
    id: String,
    secret: String,
}

impl S3 {
    pub(crate) async fn store(&self, namespace: &str) -> Result<S3Store> {
        let mut options = S3Options::new(BUCKET, namespace)?;
        options.endpoint = Some(self.url.clone());
        options.region = Some(RadosGw::REGION.to_owned());
        options.key = Some(S3Key { id: self.id.clone(), secret: self.secret.clone(), token: None });
        Ok(S3Store::connect(options).await?)
    }
}

/// A node of a cluster that is called so.
pub(crate) async fn node(
    rabbitmq: &str,
    redis: &str,
    namespace: &str,
    store: &Arc<dyn Store>,
    partitions: u16,
) -> Result<Builder> {
    let mut bus = RabbitMqOptions::new(rabbitmq);
    bus.namespace = namespace.to_owned();
    let directory = RedisOptions::new(redis, namespace);
    let mut settings = Settings::default();
    (settings.partitions, settings.namespace) = (partitions, namespace.to_owned());
    Ok(Callboard::builder(settings)
        .bus(Arc::new(RabbitMqBus::connect(bus).await?))
        .directory(Arc::new(RedisDirectory::connect(directory).await?))
        .store(store.clone()))
}

/// All rows.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let flights = STORES.iter().flat_map(|(name, _)| FLIGHTS.map(|(in_flight, _)| row_name(name, in_flight)));
    let others = [READY, REGISTERED, SUBMISSION, REQUESTS, TAKEOVER].map(str::to_owned);
    if !flights.chain(others).any(|name| plan.wants(&name)) {
        return Ok(()); // no servers for nothing
    }
    let folder = tempfile::tempdir_in(&plan.folder)?;
    let servers = Servers::start(folder.path()).await?;
    let mut bare = Vec::new();
    for (in_flight, tasks) in FLIGHTS {
        let trip = trips(plan, &servers, in_flight, tasks / plan.divisor).await?;
        report.bare(&trip);
        bare.push(trip);
    }
    for (name, is_s3) in STORES {
        for (nth, (in_flight, tasks)) in FLIGHTS.into_iter().enumerate() {
            let label = row_name(name, in_flight);
            if !plan.wants(&label) {
                continue;
            }
            let mut rows = Vec::new();
            for repetition in 0..plan.repetitions {
                let namespace = format!("b{}-{in_flight}-{repetition}", if is_s3 { "s3" } else { "folder" });
                let store: Arc<dyn Store> = match is_s3 {
                    true => Arc::new(servers.s3().store(&namespace).await?),
                    false => Arc::new(FolderStore::open(folder.path().join(&namespace))?),
                };
                let before_ms = commit(&*store, "before").await?;
                let fleet = servers.fleet(&namespace, store.clone()).await?;
                let tasks = tasks / plan.divisor;
                fleet.fly(0..tasks.min(1_000), in_flight).await?; // warm: connections, caches, the first batches
                let (asked, before) = (commands(&servers).await?, fleet.reading());
                let flown = fleet.fly(tasks..2 * tasks, in_flight).await?;
                let asked = commands(&servers).await? - asked;
                let row = Row::new(&label, tasks, &flown.latencies, before, fleet.reading());
                rows.push(row.beside(Some(before_ms), Some(commit(&*store, "after").await?)));
                if !is_s3 && in_flight > 1 {
                    let each = asked as f64 / tasks as f64;
                    report.reached(Goal::RedisCommands, each, format!("{asked} for {tasks} tasks"));
                }
                fleet.check(&flown.runs).await?;
                fleet.shutdown().await?;
            }
            let row = measure::median(rows);
            report.row(row.clone());
            report.beside_bare(&row, &bare[nth]);
            judge(report, in_flight, is_s3, &row, &bare[nth]);
        }
    }
    if plan.wants(SUBMISSION) {
        submissions(plan, &servers, folder.path(), report).await?;
    }
    if plan.wants(REQUESTS) {
        requests(plan, &servers, report).await?;
    }
    if plan.wants(TAKEOVER) {
        takeover::measure(plan, &servers, report).await?;
    }
    if plan.wants(READY) {
        ready_to_start(plan, &servers, report).await?;
    }
    if plan.wants(REGISTERED) {
        registered(&servers, report).await?;
    }
    let again = trips(plan, &servers, 256, FLIGHTS[1].1 / plan.divisor).await?;
    report.bare(&again);
    Ok(())
}

fn row_name(store: &str, in_flight: usize) -> String {
    format!("{store} {in_flight}")
}

/// What a row comes to beside bare round trips.
fn judge(report: &mut Report, in_flight: usize, is_s3: bool, row: &Row, trip: &Trip) {
    let commits = 2.0 * row.commit_ms.unwrap_or_default();
    let mut reached = |goal, ours: f64, theirs: f64, unit: &str| {
        report.reached(goal, ours / theirs, format!("{ours:.2} to {theirs:.2} {unit}"));
    };
    match (in_flight, is_s3) {
        (1, true) => reached(Goal::S3Alone, row.p50_ms - TRIPS_ALONE * trip.p50_ms, commits, "ms"),
        (1, false) => {
            reached(Goal::ClusterAlone, row.p50_ms - commits, trip.p50_ms, "ms");
            reached(Goal::ClusterAloneP99, row.p99_ms, trip.p99_ms, "ms");
        }
        (_, true) => {}
        (_, false) => {
            reached(Goal::ClusterToBare, row.tasks_per_second, trip.per_second, "/s");
            reached(Goal::ClusterCpu, row.cpu_us_per_task, trip.cpu_us, "us");
        }
    }
}

/// Submissions of a client, each of which is durable when it returns, beside publishes that are confirmed. As nobody takes what is
/// published, nobody performs what is submitted until all of it is.
async fn submissions(plan: &Plan, servers: &Servers, folder: &Path, report: &mut Report) -> Result<()> {
    const IN_FLIGHT: usize = 500;
    let count = 20_000 / plan.divisor;
    let mut ratios = Vec::new();
    for repetition in 0..plan.repetitions {
        let published = Bare::publishes(&servers.rabbitmq.url(), count, IN_FLIGHT).await?;
        let namespace = format!("submission-{repetition}");
        let store: Arc<dyn Store> = Arc::new(FolderStore::open(folder.join(&namespace))?);
        let owner = servers.node(&namespace, &store).await?.start().await?;
        let client = servers.node(&namespace, &store).await?.client().start().await?;
        all_owned(&client).await?;
        let submit = async |number: usize| {
            let workflow = Workflow::new("nothing");
            let node = workflow.task("nothing", nothing(number));
            client.start(workflow).await.map(|run| (run, node))
        };
        let warm: Vec<_> = stream::iter(0..1_000).map(submit).buffer_unordered(IN_FLIGHT).try_collect().await?;
        let begun = Instant::now();
        let runs: Vec<_> = stream::iter(0..count).map(submit).buffer_unordered(IN_FLIGHT).try_collect().await?;
        let submitted = count as f64 / begun.elapsed().as_secs_f64();
        let performed = Arc::default();
        let late = agents(servers.node(&namespace, &store).await?, &performed).start().await?;
        for (run, node) in warm.iter().chain(&runs) {
            run.output(node).await?;
        }
        assert_eq!(performed.load(Ordering::Relaxed), warm.len() + runs.len(), "every task is performed once");
        report.note(&format!(
            "submissions, {IN_FLIGHT} in flight: {submitted:.0}/s, confirmed publishes {published:.0}/s"
        ));
        ratios.push((submitted / published, submitted, published));
        for board in [client, late, owner] {
            board.shutdown().await?;
        }
    }
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, submitted, published) = ratios[ratios.len() / 2];
    report.reached(Goal::Submission, ratio, format!("{submitted:.0} to {published:.0} /s"));
    Ok(())
}

/// Of how many objects a journal in S3 is made: one run of many tasks without work, of which many are in flight.
async fn requests(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    const IN_FLIGHT: usize = 2_000;
    let tasks = 10_000 / plan.divisor;
    let store = Arc::new(Counted { store: servers.s3().store("requests").await?, creates: AtomicUsize::new(0) });
    let mut settings = Settings::default();
    settings.namespace = "requests".to_owned();
    let idle = Pool::task_fn(|_, task: Nothing| async move { Ok(task.number) }).instances(IN_FLIGHT);
    let board = Callboard::builder(settings).store(store.clone()).add(idle).start().await?;
    let before = store.creates.load(Ordering::Relaxed);
    let workflow = Workflow::new("wide");
    let nodes = workflow.map("part", (0..tasks).map(nothing));
    let begun = Instant::now();
    let run = board.start(workflow).await?;
    assert_eq!(run.outcome().await?, callboard::RunOutcome::Completed);
    let took = begun.elapsed();
    let puts = store.creates.load(Ordering::Relaxed) - before;
    for (number, node) in nodes.iter().enumerate() {
        assert_eq!(run.output(node).await?, number as u64, "each result is there");
    }
    report.note(&format!("one run of {tasks} tasks on S3, {IN_FLIGHT} instances: {puts} PUTs in {took:.1?}"));
    report.reached(Goal::Requests, puts as f64 / tasks as f64, format!("{puts} PUTs for {tasks} tasks"));
    board.shutdown().await
}

/// A store that counts what is put in it.
struct Counted {
    store: S3Store,
    creates: AtomicUsize,
}

impl Store for Counted {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, StoreError>> {
        self.creates.fetch_add(1, Ordering::Relaxed);
        self.store.create(name, bytes)
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.store.get(name)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        self.store.list(prefix, after)
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.delete(name)
    }
}

/// From submission to the start of the handler: half of fifty agents are busy at any time.
async fn ready_to_start(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    const AGENTS: usize = 50;
    let store: Arc<dyn Store> = Arc::new(servers.s3().store("ready").await?);
    let origin = Instant::now();
    let mut nodes = Vec::new();
    for node in 0..NODES {
        let agent = |n: usize| {
            let begins = move |_, _: Begin| async move { Ok(origin.elapsed().as_micros() as u64) };
            Pool::task_fn(begins).instances(1).id(format!("agent-{node}-{n}"))
        };
        let builder = servers.node("ready", &store).await?;
        nodes.push((0..AGENTS / NODES).fold(builder, |builder, n| builder.add(agent(n))).start().await?);
    }
    let client = servers.node("ready", &store).await?.client().start().await?;
    all_owned(&client).await?;
    let tasks = 5_000 / plan.divisor;
    let calls = stream::iter(0..tasks).map(|_| async {
        let submitted = origin.elapsed();
        let begun = Duration::from_micros(client.call(Begin {}).await?);
        Ok::<_, Error>(begun.saturating_sub(submitted))
    });
    let latencies = Latencies::of(calls.buffer_unordered(AGENTS / 2).try_collect().await?);
    let [p50, p99] = [50, 99].map(|percent| millis(latencies.percentile(percent)));
    report.note(&format!("ready to start, {AGENTS} agents, {} busy, s3: p50 {p50:.1} ms, p99 {p99:.1} ms", AGENTS / 2));
    client.shutdown().await?;
    for node in nodes {
        node.shutdown().await?;
    }
    Ok(())
}

/// A query among many agents, and what the directory is told and asked meanwhile.
async fn registered(servers: &Servers, report: &mut Report) -> Result<()> {
    let store: Arc<dyn Store> = Arc::new(servers.s3().store("registered").await?);
    for agents in [1_000, 10_000] {
        let namespace = format!("registered-{agents}");
        let nth = |n: usize| Pool::task_fn(|_, _: Begin| async { Ok(0) }).instances(1).id(format!("agent-{n}"));
        let node = (0..agents).fold(servers.node(&namespace, &store).await?, |builder, n| builder.add(nth(n)));
        let node = node.start().await?;
        let client = servers.node(&namespace, &store).await?.client().start().await?;
        let begun = Instant::now();
        while client.agents().find(Begin::CAPABILITY).await?.len() < agents {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let known = begun.elapsed();
        let (before, begun) = (commands(servers).await?, Instant::now());
        tokio::time::sleep(Duration::from_secs(10)).await; // so long it is counted
        let each = (commands(servers).await? - before) as f64 / begun.elapsed().as_secs_f64();
        let mut latencies = Vec::new();
        for _ in 0..200 {
            let begun = Instant::now();
            assert_eq!(client.agents().find(Begin::CAPABILITY).await?.len(), agents);
            latencies.push(begun.elapsed());
        }
        let latencies = Latencies::of(latencies);
        let [p50, p99] = [50, 99].map(|percent| millis(latencies.percentile(percent)));
        report.note(&format!(
            "{agents} registered agents: known after {known:.1?}, query p50 {p50:.2} ms, p99 {p99:.2} ms, {each:.0} Redis commands/s"
        ));
        client.shutdown().await?;
        node.shutdown().await?;
    }
    Ok(())
}

/// What Redis has carried out so far.
async fn commands(servers: &Servers) -> Result<u64> {
    let said = servers.redis.ask(&["INFO", "stats"]).await?.to_string();
    let count = said.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    Ok(count.unwrap_or_default().trim().parse()?)
}

/// Waits until every partition has an owner.
async fn all_owned(client: &Callboard) -> Result<()> {
    while client.nodes().await?.iter().map(|node| node.partitions.len()).sum::<usize>() < PARTITIONS.into() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Bare round trips, so many at a time.
async fn trips(plan: &Plan, servers: &Servers, in_flight: usize, tasks: usize) -> Result<Trip> {
    let bare = Bare::start(&servers.rabbitmq.url()).await?;
    bare.fly(10_000.min(tasks), in_flight).await?; // warm
    let mut trips = Vec::new();
    for _ in 0..plan.repetitions {
        let (begun, cpu) = (Instant::now(), measure::cpu() + measure::cpu_of_servers());
        let latencies = bare.fly(tasks, in_flight).await?;
        let cpu = measure::cpu() + measure::cpu_of_servers() - cpu;
        trips.push(Trip::new(in_flight, tasks, &latencies, begun.elapsed(), cpu));
    }
    bare.end().await?;
    trips.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    Ok(trips.swap_remove(trips.len() / 2))
}

/// The median of one object of 4 KiB, in milliseconds.
async fn commit(store: &dyn Store, name: &str) -> Result<f64> {
    let mut latencies = Vec::new();
    for n in 0..100 {
        let (name, bytes) = (format!("commits/{name}/{n}"), Bytes::from(vec![b'x'; 4_096]));
        let begun = Instant::now();
        assert_eq!(store.create(&name, bytes).await?, Create::Created);
        latencies.push(begun.elapsed());
    }
    Ok(millis(Latencies::of(latencies).percentile(50)))
}
