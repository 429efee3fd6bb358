//! A node of the suite: an ordinary program on the public API, a process of its own.

use super::Error;
use super::agents::agents;
use super::ledger::Ledger;
use callboard::Callboard;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Where the ledger is.
pub(super) const LEDGER: &str = "CHAOS_LEDGER";
/// Which node it is, from 1.
pub(super) const NUMBER: &str = "CHAOS_NODE";
/// How many instances it has of each agent.
pub(super) const INSTANCES: &str = "CHAOS_INSTANCES";
/// Which promise it breaks, in a build with the feature `sabotage`.
pub(super) const SABOTAGE: &str = "CHAOS_SABOTAGE";
/// The signal at which whatever its handlers do ends at once, and their agents with them.
pub(super) const KILL_AGENTS: Signal = Signal::USR1;
/// Where it answers by HTTP, if it does.
const LISTEN: &str = "CALLBOARD_HTTP__LISTEN";
/// What it says when it has started.
pub(super) const READY: &str = "the node is ready";

/// That a node was asked to end, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// Is a node, until SIGTERM. Its settings come from the environment, as those of every node.
///
/// # Errors
///
/// What is wrong with the environment, or why the node could not be started or has ended by itself.
pub fn node() -> Result<Ended, Error> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    break_a_promise(&mut threads)?;
    let threads = threads.enable_all().build().map_err(|error| Error::Node(error.to_string()))?;
    threads.block_on(serve())
}

#[cfg(feature = "sabotage")]
fn break_a_promise(threads: &mut tokio::runtime::Builder) -> Result<(), Error> {
    use callboard_core::sabotage::{Sabotage, set};
    let Ok(name) = std::env::var(SABOTAGE) else { return Ok(()) };
    let promise = Sabotage::ALL.into_iter().find(|promise| promise.name() == name);
    let promise = promise.ok_or_else(|| Error::Environment(format!("{SABOTAGE} is {name:?}, which is no promise")))?;
    set(Some(promise));
    threads.on_thread_start(move || set(Some(promise)));
    Ok(())
}

#[cfg(not(feature = "sabotage"))]
fn break_a_promise(_: &mut tokio::runtime::Builder) -> Result<(), Error> {
    match std::env::var_os(SABOTAGE) {
        Some(_) => Err(Error::Environment(format!("{SABOTAGE} is set, and this build keeps its promises"))),
        None => Ok(()),
    }
}

async fn serve() -> Result<Ended, Error> {
    let of = |name: &str| std::env::var(name).map_err(|_| Error::Environment(format!("{name} is not set")));
    let number = |name: &str| of(name)?.parse().map_err(|_| Error::Environment(format!("{name} is no number")));
    // The client of RabbitMQ logs whole messages that found no queue.
    let ours = tracing_subscriber::filter::Targets::new().with_target("callboard", tracing::Level::INFO);
    let written = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(written).with(ours).init();
    let ledger = of(LEDGER)?;
    let ledger = Ledger::open(ledger.as_ref(), number(NUMBER)?).map_err(Error::file(&ledger))?;
    let mut term = signal(SignalKind::terminate()).map_err(|error| Error::Node(error.to_string()))?;
    let told = |error: callboard::Error| Error::Node(format!("{error:#}"));
    let kind = SignalKind::from_raw(KILL_AGENTS.as_raw());
    let mut kills = signal(kind).map_err(|error| Error::Node(error.to_string()))?;
    let (kill, killed) = watch::channel(());
    let board = agents(Callboard::dev(), &ledger, &killed, number(INSTANCES)?).start().await.map_err(told)?;
    // For whoever asks by HTTP: it is served where it is said to be.
    if std::env::var_os(LISTEN).is_some() {
        board.serve().await.map_err(told)?;
    }
    println!("{READY}");
    let killing = async {
        while kills.recv().await.is_some() {
            kill.send_replace(());
        }
    };
    tokio::select! {
        () = killing => Err(Error::Node("nobody tells of signals any more".to_owned())),
        _ = term.recv() => board.shutdown().await.map(|()| Ended).map_err(told),
        () = board.ended() => Err(Error::Node(board.end_reason().unwrap_or_default())),
    }
}
