//! A node of a test, as a process of its own: an ordinary program whose settings come from its environment.
//!
//! `LEDGER` names the file of what is done, `INSTANCES` says how many of each agent it has (none with 0). It says `ready`
//! when it has started, and ends cleanly at SIGTERM. With `SPOOLING=NAME` it adds one number after the other to the document
//! `spooled`, which it spools while the store is away, and says so in the ledger when each is safe.

use callboard::Callboard;
use callboard_tests::{Ledger, agents};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let of = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    // The client of RabbitMQ logs whole messages that found no queue.
    let ours = tracing_subscriber::filter::Targets::new().with_target("callboard", tracing::Level::INFO);
    let written = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(written).with(ours).init();
    let ledger = Ledger::open(of("LEDGER")?.as_ref())?;
    let instances: usize = of("INSTANCES")?.parse()?;
    let mut term = signal(SignalKind::terminate())?;
    let builder = Callboard::dev();
    let builder = if instances == 0 { builder } else { agents(builder, &ledger, instances) };
    let merge = |newest: Option<Vec<String>>, mine: Vec<String>| {
        let mut all = newest.unwrap_or_default();
        all.extend(mine);
        all
    };
    let board = builder.merge("spooled", merge).start().await.map_err(|error| format!("{error:#}"))?;
    println!("ready {}", board.nodes().await.map_err(|error| format!("{error:#}"))?[0].id);
    let spooling = async {
        let Ok(name) = std::env::var("SPOOLING") else { return std::future::pending::<callboard::Result<()>>().await };
        for n in 0_u64.. {
            let value = format!("{name}-{n}");
            board.state::<Vec<String>>("spooled").merge_or_spool(&vec![value.clone()]).await?;
            ledger.given("spooled", &value)?;
        }
        Ok(())
    };
    tokio::select! {
        spooled = spooling => spooled.map_err(|error| format!("{error:#}"))?,
        _ = term.recv() => board.shutdown().await.map_err(|error| format!("{error:#}"))?,
        () = board.ended() => return Err("the node has ended by itself".into()),
    }
    Ok(())
}
