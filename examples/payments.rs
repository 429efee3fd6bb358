//! Payments that must not be made twice: each appends a line to a ledger, once, however often the program is killed.
//!
//!     cargo run --example payments -- ledger.txt
//!
//! If it dies between a payment and its record, nobody knows whether it was made. Here somebody can: whoever reads the
//! ledger. Start it again, and it goes on.
use callboard::prelude::*;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

#[task(output = String)]
struct Pay {
    invoice: u32,
}

struct Clerk {
    ledger: PathBuf,
    delay: Duration,
}

impl Agent<Pay> for Clerk {
    async fn run(&mut self, ctx: &Ctx, t: Pay) -> Result<String> {
        let line = format!("paid invoice {}", t.invoice);
        let pay = ctx.effect("pay").irreversible().run(async |_| {
            tokio::time::sleep(self.delay).await; // the bank is slow, before and behind
            let mut ledger = OpenOptions::new().create(true).append(true).open(&self.ledger)?;
            ledger.write_all(format!("{line}\n").as_bytes())?;
            ledger.sync_all()?;
            tokio::time::sleep(self.delay).await;
            Ok(line.clone())
        });
        pay.await
    }
}

/// Looks up in the ledger what nobody else knows.
async fn settle(board: &Callboard, ledger: &PathBuf) -> Result<()> {
    for effect in board.unknown_effects().limit(1_000).await?.items {
        let number = effect.task.trim_start_matches("pay[").trim_end_matches(']');
        let line = format!("paid invoice {number}");
        let is_there = fs::read_to_string(ledger).unwrap_or_default().lines().any(|other| other == line);
        println!("{line}: {}", if is_there { "it was" } else { "it was not" });
        let decide = board.decide(effect.id).by("the ledger");
        let decided = if is_there { decide.happened(&line).await } else { decide.did_not_happen().await };
        // Its task may have begun again since it was listed. If that comes to nothing it is listed again.
        if let Err(error) = decided
            && error.kind() != ErrorKind::Conflict
        {
            return Err(error);
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let ledger = PathBuf::from(arguments.next().unwrap_or_else(|| "ledger.txt".into()));
    let data = arguments.next().map_or_else(|| ledger.with_extension("callboard"), PathBuf::from);
    let delay = arguments.next().and_then(|millis| millis.parse().ok()).unwrap_or(20);
    let path = ledger.clone();
    let clerk = move || Clerk { ledger: path.clone(), delay: Duration::from_millis(delay) };
    // A program that is killed on purpose has more losses than most.
    let board = Callboard::dev().data(data).settings(|s| s.losses_max = 1_000).agents(4, clerk).start().await?;
    let wf = Workflow::new("payments");
    wf.map("pay", (0..60).map(|invoice| Pay { invoice }));
    let run = board.start(wf).key("invoices of November").await?;
    loop {
        settle(&board, &ledger).await?;
        if let Ok(outcome) = tokio::time::timeout(Duration::from_millis(50), run.outcome()).await {
            println!("{:?}", outcome?);
            return board.shutdown().await;
        }
    }
}
