//! A node: started, reported, and stopped by a signal.

mod agents;
mod report;
mod signals;
mod store;

pub(crate) use store::folder;

use crate::args;
use crate::config::{checked, layers};
use crate::failure::{Failure, Result};
use callboard::{Callboard, Code, ErrorKind, Settings, StoreMode, Telemetry};
use report::Report;
use signals::Signals;
use std::net::SocketAddr;
#[cfg(feature = "otlp")]
use std::time::Duration;
use tokio::time::Instant;

/// How a command that did its work has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    Well,
    /// By a signal, before it was done.
    Interrupted,
}

/// What a node brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brings {
    /// The ready-made agents, and those that files describe.
    ReadyMade,
    /// Those that files describe.
    Described,
}

pub(crate) async fn dev(arguments: &args::Dev) -> Result<Ended> {
    let mut layers = layers(&arguments.said);
    if let Some(listen) = &arguments.listen {
        layers = layers.flag("--listen", "http.listen", listen);
    }
    if let Some(folder) = &arguments.data {
        layers = layers.flag("--data", "store.url", format!("file://{}", folder.display()));
    }
    if arguments.read_only {
        layers = layers.flag("--read-only", "store.mode", "read-only");
    }
    if arguments.ephemeral {
        layers = layers.flag("--ephemeral", "store.url", "memory:");
    }
    if let Some(folder) = &arguments.agents {
        layers = layers.flag("--agents", "agents.folder", folder.display().to_string());
    }
    live(checked(layers.read())?, Brings::ReadyMade).await
}

pub(crate) async fn node(arguments: &args::Node) -> Result<Ended> {
    let said = args::Said { config: Some(arguments.config.clone()), set: arguments.set.clone() };
    live(checked(layers(&said).read())?, Brings::Described).await
}

/// One life, from its start to the signal that ends it.
async fn live(settings: Settings, brings: Brings) -> Result<Ended> {
    let telemetry = logged(&settings)?;
    let ended = lived(settings, brings, &telemetry).await;
    // A second signal ends it at once.
    #[cfg(feature = "otlp")]
    if !matches!(ended, Ok(Ended::Interrupted))
        && let Err(error) = telemetry.shutdown(TRACES_MAX).await
    {
        eprintln!("{error:#}");
    }
    ended
}

/// How long a node that ends waits for whoever takes its traces.
#[cfg(feature = "otlp")]
const TRACES_MAX: Duration = Duration::from_secs(3);

/// The log and the traces of the process, which are this command's.
fn logged(settings: &Settings) -> Result<Telemetry> {
    let wrong = |error| Failure::of(Code::Settings, &error);
    let telemetry = Telemetry::of(&settings.log).start().map_err(wrong)?;
    telemetry.install().map_err(wrong)?;
    Ok(telemetry)
}

async fn lived(settings: Settings, brings: Brings, telemetry: &Telemetry) -> Result<Ended> {
    let mut signals = Signals::new()?;
    let began = Instant::now();
    let (board, address) = tokio::select! {
        started = start(&settings, brings, telemetry) => started?,
        () = signals.second() => return Ok(Ended::Interrupted),
    };
    Report::of(&board, &settings).await?.write(address, began.elapsed());
    tokio::select! {
        () = signals.first() => {}
        () = board.ended() => {
            // Somebody wanted it: whoever watches over the process has nothing to start again.
            if let Some(reason) = board.end_reason().filter(|reason| reason.starts_with("emergency stop")) {
                eprintln!("stopped: {reason}");
                return Ok(Ended::Well);
            }
            let failure = Failure::new(Code::EndedByItself, "the node has ended by itself");
            return Err(board.end_reason().into_iter().fold(failure, Failure::seen));
        }
    }
    eprintln!("stopping: what runs has {:?} to finish; a second signal ends it at once", settings.drain);
    tokio::select! {
        stopped = board.shutdown() => stopped.map_err(|error| Failure::of(Code::CutShort, &error))?,
        () = signals.second() => return Ok(Ended::Interrupted),
    }
    eprintln!("stopped");
    Ok(Ended::Well)
}

async fn start(settings: &Settings, brings: Brings, telemetry: &Telemetry) -> Result<(Callboard, SocketAddr)> {
    // The process is this command's, and so is what it counts.
    let builder = Callboard::builder(settings.clone()).metrics().telemetry(telemetry);
    let builder = agents::add(builder, settings, brings)?;
    // A copy is opened to be read only, by the library.
    let opened = if settings.store_mode == StoreMode::ReadOnly { None } else { store::open(&settings.store).await? };
    let builder = match opened {
        Some(store) => builder.store(store),
        None => builder,
    };
    let builder = match store::spool(&settings.state).await? {
        Some(spool) => builder.spool(spool),
        None => builder,
    };
    builder.check_agents().map_err(|error| Failure::of(Code::Agents, &error))?;
    let board = builder.start().await.map_err(|error| {
        let code = match error.kind() {
            // A server that does not answer; our own folders have been opened above.
            ErrorKind::Unavailable => Code::NoServer,
            // A server that is no good, or another cluster in the same name space.
            ErrorKind::Invalid | ErrorKind::Conflict => Code::Settings,
            kind => Code::of(kind),
        };
        Failure::of(code, &error)
    })?;
    match board.serve().await {
        Ok(address) => Ok((board, address)),
        Err(error) => {
            let code = match error.kind() {
                ErrorKind::Conflict => Code::PortTaken,
                ErrorKind::Invalid => Code::Settings,
                _ => Code::NoListener,
            };
            // Nobody has asked it for anything yet.
            let _nothing_to_finish = board.shutdown().await;
            Err(Failure::of(code, &error))
        }
    }
}
