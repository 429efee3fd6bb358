//! Starts a workflow that is a document, against agents that are code.
//!
//!     cargo run --example release_notes [FILE]

use callboard::prelude::*;

/// Reads what was committed since the last release.
#[task(output = String)]
struct FetchLog {
    repo: String,
}

/// Lists the issues that were closed since then.
#[task(output = Vec<String>)]
struct FetchIssues {
    repo: String,
}

/// Writes release notes.
#[task(output = String)]
struct Draft {
    log: In<String>,
    issues: In<Vec<String>>,
    tone: Tone,
}

#[payload]
#[serde(rename_all = "lowercase")]
enum Tone {
    Dry,
    Warm,
}

/// Tells everybody; says how many were told.
#[task(output = u32)]
struct Announce {
    text: In<String>,
}

/// The document in the repository; a user has it beside the program.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/workflows/release-notes.yaml");

#[tokio::main]
async fn main() -> Result<()> {
    let board = Callboard::dev()
        .ephemeral()
        .task_fn(|_, t: FetchLog| async move { Ok(format!("{}: faster, and loses nothing", t.repo)) })
        .task_fn(|_, t: FetchIssues| async move { Ok(vec![format!("{}#7", t.repo), format!("{}#12", t.repo)]) })
        .task_fn(|_, t: Draft| async move {
            let greeting = match t.tone {
                Tone::Dry => "",
                Tone::Warm => "Dear all: ",
            };
            Ok(format!("{greeting}{} (closes {})", *t.log, t.issues.join(", ")))
        })
        .task_fn(|_, t: Announce| async move {
            println!("{}", *t.text);
            Ok(3)
        })
        .start()
        .await?;
    // Every fault of the document is told at once, with its line; what its inputs lack, by the agents' schemas.
    let file = std::env::args().nth(1).unwrap_or_else(|| FILE.to_owned());
    let run = board.start(Workflow::from_file(file)?).await?;
    println!("{:?}", run.outcome().await?);
    println!("{}", run.graph().await?.to_mermaid()?);
    board.shutdown().await
}
