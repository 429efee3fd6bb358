//! A workflow that is a file, performed by agents that are functions.
//!
//!     cargo run --example workflow_file -- config/workflows/release-notes.yaml
//!
//! The file names capabilities, not agents, and the program knows nothing of its graph. What is wrong with a document is
//! said all at once, before anything starts.

use callboard::prelude::*;
use futures::StreamExt;
use std::{env, fs};

#[task(output = String)]
struct FetchLog {
    repo: String,
}

#[task(output = Vec<String>)]
struct FetchIssues {
    repo: String,
}

#[task(output = String)]
struct Draft {
    log: In<String>,
    issues: In<Vec<String>>,
    tone: String,
}

#[task(output = usize)]
struct Announce {
    text: In<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let file = env::args().nth(1).unwrap_or_else(|| "config/workflows/release-notes.yaml".to_owned());
    let board = Callboard::dev()
        .ephemeral()
        .task_fn(|_, task: FetchLog| async move { Ok(format!("12 commits in {}", task.repo)) })
        .task_fn(|_, task: FetchIssues| async move { Ok(vec![format!("{}#1", task.repo), format!("{}#7", task.repo)]) })
        .task_fn(|_, task: Draft| async move {
            Ok(format!("{}; closes {} ({})", *task.log, task.issues.join(", "), task.tone))
        })
        .task_fn(|_, task: Announce| async move { Ok(task.text.len()) })
        .start()
        .await?;

    let workflow = Workflow::from_file(&file)?;
    print!("{}", workflow.to_mermaid()?);
    let run = board.start(workflow).await?;
    let mut events = run.events();
    while let Some(event) = events.next().await {
        println!("{event}");
    }
    println!("draft: {}", run.output_json("draft").await?);

    // The same document with two mistakes in it: a misspelt key, and a reference to nothing.
    let text = fs::read_to_string(&file).terminal()?;
    let wrong = text.replace("priority:", "prority:").replace("$from: log", "$from: logs");
    show_faults(Workflow::from_yaml(&wrong).err());

    // This one is well-formed, but does not fit what the agents say of their inputs.
    let wrong = Workflow::from_yaml(&text.replace("tone: dry", "tone: 5"))?;
    show_faults(board.start(wrong).await.err());
    board.shutdown().await
}

fn show_faults(error: Option<Error>) {
    if let Some(error) = error {
        println!("{}", error.message());
        error.causes().for_each(|fault| println!("  {fault}"));
    }
}
