//! What is done to a cluster, and undone.

use super::cluster::{Cluster, Node};
use super::course::until;
use super::poison::poison;
use super::record::Recorder;
use super::{Error, clock};
use crate::history::{Felt, Moment, Record};
use crate::plan::{FaultKind, Order, Server, Target};
use crate::proxy::{Flow, Way};
use crate::schedule::{CALM_MS, Fault, Schedule};
use crate::servers::Process;
use crate::store_proxy::Sickness;
use std::time::Duration;
use tokio::time::sleep;

/// For a clean end of a node that is started again.
const STOP: Duration = Duration::from_secs(20);

/// Does everything that the schedule has, each at its moment, and undoes it.
///
/// # Errors
///
/// Why something can not be undone: without it nothing can be said of anybody.
pub(super) async fn inflict_all(
    schedule: &Schedule,
    order: Order,
    zero: Moment,
    inflict: impl AsyncFn(&Fault) -> Result<(), Error>,
) -> Result<(), Error> {
    let in_time = async |fault: &Fault| {
        until(zero + fault.at_ms * 1_000).await;
        inflict(fault).await
    };
    match order {
        Order::Together => {
            futures::future::try_join_all(schedule.faults.iter().map(in_time)).await?;
        }
        Order::OneByOne => {
            for (n, fault) in schedule.faults.iter().enumerate() {
                if n > 0 {
                    // A server may have taken longer to come back than the schedule takes it to.
                    sleep(Duration::from_millis(CALM_MS)).await;
                }
                in_time(fault).await?;
            }
        }
    }
    Ok(())
}

/// Does it to a cluster of our own and undoes it, and writes down when that was.
///
/// # Errors
///
/// Why a server does not come back. A node that does not is the cluster's fault, and written down.
pub(super) async fn inflict(cluster: &Cluster, fault: &Fault, recorder: &Recorder) -> Result<(), Error> {
    let (begin, error, published) = match fault.target {
        Target::Node(number) | Target::Wire(number, _) => match cluster.node(number) {
            Some(node) => {
                let (begin, done) = of_node(node, fault).await;
                (begin, done.err().map(|error| chain(&error)), 0)
            }
            None => (clock::now(), Some(format!("there is no node {number}")), 0),
        },
        Target::Server(Server::Broker) if fault.kind == FaultKind::Poison => {
            let (begin, broker) = (clock::now(), cluster.broker.lock().await);
            let (published, error) = poison(&broker).await;
            (begin, error, published)
        }
        Target::Clients => (flood(fault).await, None, 0),
        Target::Command(_) => (clock::now(), Some("commands are for clusters that are attached".to_owned()), 0),
        Target::Server(server) => {
            let (begin, done) = of_server(cluster, server, fault).await;
            done?;
            (begin, None, 0)
        }
    };
    let (kind, target) = (fault.kind, fault.target);
    recorder.write(&Record::Fault(Felt { kind, target, begin, end: clock::now(), published, error, said: Vec::new() }));
    Ok(())
}

/// Waits until a flood is over, and says when it began: who submits its runs goes by the same schedule.
pub(super) async fn flood(fault: &Fault) -> Moment {
    let begin = clock::now();
    sleep(Duration::from_millis(fault.lasts_ms)).await;
    begin
}

/// When it began, which is behind whatever else is done to the same thing, and how it went.
type Done = (Moment, Result<(), Error>);

async fn of_node(node: &Node, fault: &Fault) -> Done {
    let lasts = Duration::from_millis(fault.lasts_ms);
    if let Target::Wire(_, server) = fault.target {
        let begin = clock::now();
        let Some(wire) = node.wire(server) else {
            return (begin, Err(Error::Node(format!("nothing lies between it and {}", server.name()))));
        };
        match fault.kind {
            FaultKind::CutOneWay => wire.set(Way::ToServer, Flow::Swallow),
            FaultKind::Delay => wire.set_both(Flow::Delay(Duration::from_millis(fault.delay_ms))),
            _ => wire.set_both(Flow::Hold),
        }
        sleep(lasts).await;
        wire.set_both(Flow::Pass);
        if fault.kind == FaultKind::CutOneWay {
            wire.cut(); // bytes are missing in what there was
        }
        return (begin, Ok(()));
    }
    let mut process = node.process.lock().await;
    let begin = clock::now();
    match fault.kind {
        FaultKind::NodePause => {
            process.iter().for_each(Process::pause);
            sleep(lasts).await;
            process.iter().for_each(Process::resume);
            return (begin, Ok(()));
        }
        FaultKind::NodeRestart => {
            if let Some(mut running) = process.take() {
                running.stop(STOP).await;
            }
        }
        _ => drop(process.take()), // what is dropped is killed
    }
    sleep(lasts).await;
    let again = node.process().await;
    (begin, again.map(|again| *process = Some(again)))
}

async fn of_server(cluster: &Cluster, server: Server, fault: &Fault) -> Done {
    let lasts = Duration::from_millis(fault.lasts_ms);
    match server {
        Server::Broker => {
            let mut broker = cluster.broker.lock().await;
            let begin = clock::now();
            let done = match fault.kind {
                FaultKind::BrokerWipe => broker.wipe().await,
                FaultKind::BrokerRestart => {
                    broker.stop().await;
                    broker.start_again().await
                }
                _ => {
                    broker.kill();
                    broker.start_again().await
                }
            };
            (begin, done.map_err(Error::from))
        }
        Server::Redis => {
            let mut redis = cluster.redis.lock().await;
            let begin = clock::now();
            let done = match fault.kind {
                FaultKind::RedisFlush => redis.flush().await,
                FaultKind::RedisFailover => redis.fail_over().await,
                _ => redis.kill_and_start().await,
            };
            (begin, done.map_err(Error::from))
        }
        Server::Store => {
            let mut store = cluster.store.lock().await;
            let begin = clock::now();
            let done = match fault.kind {
                FaultKind::StoreLostAnswers => {
                    cluster.store_proxy.set(Sickness::LosesAnswers(fault.one_in));
                    sleep(lasts).await;
                    cluster.store_proxy.set(Sickness::None);
                    Ok(())
                }
                FaultKind::StorePause => {
                    store.pause();
                    sleep(lasts).await;
                    store.resume();
                    Ok(())
                }
                _ => {
                    store.kill_gateway();
                    sleep(lasts).await;
                    store.start_gateway().await
                }
            };
            (begin, done.map_err(Error::from))
        }
    }
}

/// The error with what caused it.
fn chain(error: &Error) -> String {
    use std::error::Error as _;
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
