//! Through RabbitMQ, Redis and a store, beside a bare round trip through the same broker in the same run.
//!
//! Two nodes with agents and one client share this process. What a task costs in CPU time is that of the process and of all
//! servers, which are its children.

use crate::Plan;
use crate::bare::Bare;
use crate::fleet::{Fleet, agents};
use crate::measure::{self, Latencies, Row, Trip, millis};
use crate::table::Report;
use bytes::Bytes;
use callboard::port::bus::rabbitmq::{RabbitMqBus, RabbitMqOptions};
use callboard::port::directory::redis::{RedisDirectory, RedisOptions};
use callboard::port::store::folder::FolderStore;
use callboard::port::store::s3::{S3Key, S3Options, S3Store};
use callboard::port::store::{Create, Store};
use callboard::prelude::*;
use callboard::{Builder, Settings};
use callboard_chaos::servers::{RabbitMq, RadosGw, Redis};
use futures::{StreamExt, TryStreamExt, stream};
use std::path::Path;
use std::sync::Arc;
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
/// The most that a round trip alone and one commit twice may grow to, for a task that is alone.
const ALONE_MAX: f64 = 2.4;

/// A task that answers when it was begun, in microseconds since the origin of the benchmark.
#[task(output = u64)]
struct Begin {}

/// The servers, and where nodes keep their journal.
struct Servers {
    rabbitmq: RabbitMq,
    redis: Redis,
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

    async fn s3(&self, namespace: &str) -> Result<S3Store> {
        let key = self.radosgw.key();
        let mut options = S3Options::new(BUCKET, namespace)?;
        options.endpoint = Some(self.radosgw.url());
        options.region = Some(RadosGw::REGION.to_owned());
        options.key = Some(S3Key { id: key.id.clone(), secret: key.secret.clone(), token: None });
        Ok(S3Store::connect(options).await?)
    }

    /// A node of a cluster that is called so.
    async fn node(&self, namespace: &str, store: &Arc<dyn Store>) -> Result<Builder> {
        let mut bus = RabbitMqOptions::new(self.rabbitmq.url());
        bus.namespace = namespace.to_owned();
        let directory = RedisOptions::new(self.redis.url(), namespace);
        let mut settings = Settings::default();
        (settings.partitions, settings.namespace) = (PARTITIONS, namespace.to_owned());
        Ok(Callboard::builder(settings)
            .bus(Arc::new(RabbitMqBus::connect(bus).await?))
            .directory(Arc::new(RedisDirectory::connect(directory).await?))
            .store(store.clone()))
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

/// All rows.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let flights = STORES.iter().flat_map(|(name, _)| FLIGHTS.map(|(in_flight, _)| row_name(name, in_flight)));
    if !flights.chain([READY.to_owned(), REGISTERED.to_owned()]).any(|name| plan.wants(&name)) {
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
                    true => Arc::new(servers.s3(&namespace).await?),
                    false => Arc::new(FolderStore::open(folder.path().join(&namespace))?),
                };
                let before_ms = commit(&*store, "before").await?;
                let fleet = servers.fleet(&namespace, store.clone()).await?;
                let tasks = tasks / plan.divisor;
                fleet.fly(0..tasks.min(1_000), in_flight).await?; // warm: connections, caches, the first batches
                let before = fleet.reading();
                let flown = fleet.fly(tasks..2 * tasks, in_flight).await?;
                let row = Row::new(&label, tasks, &flown.latencies, before, fleet.reading());
                rows.push(row.beside(Some(before_ms), Some(commit(&*store, "after").await?)));
                fleet.check(&flown.runs).await?;
                fleet.shutdown().await?;
            }
            let row = measure::median(rows);
            let (trip, commit) = (&bare[nth], row.commit_ms.unwrap_or_default());
            let alone = (in_flight == 1).then(|| row.p50_ms / (ALONE_MAX * trip.p50_ms + 2.0 * commit));
            let ratios = (row.tasks_per_second / trip.per_second, row.cpu_us_per_task / trip.cpu_us);
            report.row(row);
            report.beside_bare(&label, ratios, alone);
        }
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

/// From submission to the start of the handler: half of fifty agents are busy at any time.
async fn ready_to_start(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    const AGENTS: usize = 50;
    let store: Arc<dyn Store> = Arc::new(servers.s3("ready").await?);
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
    let store: Arc<dyn Store> = Arc::new(servers.s3("registered").await?);
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
