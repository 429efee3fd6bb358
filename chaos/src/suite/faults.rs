//! What is done to a cluster, and undone.

use super::cluster::{Cluster, Node};
use super::course::until;
use super::node::KILL_AGENTS;
use super::poison::poison;
use super::record::Recorder;
use super::redis::Servers;
use super::{Error, clock};
use crate::history::{Felt, Moment, Record};
use crate::plan::{FaultKind, Order, Server, Target};
use crate::proxy::{Flow, Proxy, Way};
use crate::random::Random;
use crate::schedule::{CALM_MS, Drawn, Fault, Schedule};
use crate::servers::{self, Alarm, Process};
use crate::store_proxy::Sickness;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// For a clean end of a node that is started again.
const STOP: Duration = Duration::from_secs(20);
/// How long a node that is starved runs and stands still, both together.
const TURN: Duration = Duration::from_millis(60);
/// How often keys are deleted.
const EVICTION: Duration = Duration::from_millis(500);

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
        Target::Node(number) | Target::Wire(number, _) | Target::Clock(number) => match cluster.node(number) {
            Some(node) => {
                let (begin, done) = of_node(node, fault).await;
                (begin, done.err().map(|error| chain(&error)), 0)
            }
            None => (clock::now(), Some(format!("there is no node {number}")), 0),
        },
        Target::Server(Server::Broker) if fault.kind == FaultKind::Poison => {
            let (begin, broker) = (clock::now(), cluster.broker.lock().await);
            let (published, error) = poison(broker.any()).await;
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
    let said = fault.how().into_iter().collect();
    recorder.write(&Record::Fault(Felt { kind, target, begin, end: clock::now(), published, error, said }));
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
    match fault.target {
        Target::Wire(_, server) => {
            let (begin, wires) = (clock::now(), node.wires(server));
            if wires.is_empty() {
                return (begin, Err(Error::Node(format!("nothing lies between it and {}", server.name()))));
            }
            futures::future::join_all(wires.iter().map(|wire| of_wire(wire, fault))).await;
            return (begin, Ok(()));
        }
        Target::Clock(_) => {
            let begin = clock::now();
            let wrong = node.set_clock(fault.drawn.skew_ms);
            sleep(lasts).await;
            return (begin, wrong.and_then(|()| node.set_clock(0)));
        }
        _ => {}
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
        FaultKind::Starve => {
            starve(process.as_ref(), fault.drawn.percent, lasts).await;
            return (begin, Ok(()));
        }
        FaultKind::AgentKill => {
            process.iter().for_each(|process| process.signal(KILL_AGENTS));
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

/// Does it to what lies between a node and a server.
async fn of_wire(wire: &Proxy, fault: &Fault) {
    match fault.kind {
        FaultKind::CutOneWay => wire.set(Way::ToServer, Flow::Swallow),
        FaultKind::Delay => wire.set_both(Flow::Delay(Duration::from_millis(fault.delay_ms))),
        FaultKind::Trickle => wire.set_both(trickle(fault.drawn.bytes_per_second)),
        FaultKind::HalfOpen => wire.lose(),
        FaultKind::Reset => return wire.cut(),
        FaultKind::Deaf => return wire.deafen(),
        _ => wire.set_both(Flow::Hold),
    }
    sleep(Duration::from_millis(fault.lasts_ms)).await;
    match fault.kind {
        FaultKind::HalfOpen => wire.mend(),
        FaultKind::CutOneWay => {
            wire.set_both(Flow::Pass);
            wire.cut(); // bytes are missing in what there was
        }
        _ => wire.set_both(Flow::Pass),
    }
}

/// So many bytes in a second, in parts as small as a network has them.
fn trickle(bytes_per_second: u64) -> Flow {
    let every = Duration::from_millis(100);
    Flow::Trickle { bytes: (bytes_per_second / 10).max(1) as usize, every }
}

/// Lets it run for so many of each hundred milliseconds, in turns that are shorter than what anybody waits for.
async fn starve(process: Option<&Process>, percent: u64, lasts: Duration) {
    let Some(process) = process else { return };
    let until = Instant::now() + lasts;
    let runs = TURN.mul_f64(percent.min(100) as f64 / 100.0);
    while Instant::now() < until {
        process.pause();
        sleep(TURN - runs).await;
        process.resume();
        sleep(runs).await;
    }
}

async fn of_server(cluster: &Cluster, server: Server, fault: &Fault) -> Done {
    let lasts = Duration::from_millis(fault.lasts_ms);
    match server {
        Server::Broker => {
            let mut broker = cluster.broker.lock().await;
            let begin = clock::now();
            // Of several it is the one that this moment stands for.
            let one = broker.one(fault.at_ms);
            let done = match fault.kind {
                FaultKind::BrokerWipe => broker.any().wipe().await,
                FaultKind::BrokerAlarm => {
                    let alarm = if fault.is_of_disk() { Alarm::Disk } else { Alarm::Memory };
                    let raised = one.raise(alarm).await;
                    sleep(lasts).await;
                    // It is cleared whatever became of the question that raised it.
                    one.clear(alarm).await.and(raised)
                }
                FaultKind::BrokerRestart => {
                    one.stop().await;
                    one.start_again().await
                }
                _ => {
                    one.kill();
                    one.start_again().await
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
                FaultKind::RedisEvict => evict(&mut redis, fault).await,
                _ => redis.kill_and_start().await,
            };
            (begin, done.map_err(Error::from))
        }
        Server::Store => {
            let mut store = cluster.store.lock().await;
            let begin = clock::now();
            let done = match fault.kind {
                FaultKind::StoreLostAnswers | FaultKind::StoreAnswers | FaultKind::StoreFull => {
                    let (one_in, Drawn { status, seed, .. }) = (fault.one_in, fault.drawn);
                    cluster.store_proxy.set(match fault.kind {
                        FaultKind::StoreAnswers => Sickness::Errs { status, one_in, seed },
                        FaultKind::StoreFull => Sickness::Full(status),
                        _ => Sickness::LosesAnswers(one_in),
                    });
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

/// Deletes some of the keys, again and again.
async fn evict(redis: &mut Servers, fault: &Fault) -> Result<(), servers::Error> {
    let (until, percent) = (Instant::now() + Duration::from_millis(fault.lasts_ms), fault.drawn.percent);
    let random = &mut Random::of(fault.drawn.seed, "keys");
    while Instant::now() < until {
        redis.evict(|_| random.percent(percent as u32)).await?;
        sleep(EVICTION).await;
    }
    Ok(())
}

/// The error with what caused it.
fn chain(error: &Error) -> String {
    use std::error::Error as _;
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
