//! Agents are found by what they can do, and work waits for one that is able to do it.
//!
//!     cargo run --example discovery -- config/agents README.md
//!
//! Agents from files and agents from code register themselves at the start; more come and go while the program runs.
//! Nobody knows anybody by name: a task names a capability, and perhaps what its agent must have.

use callboard::prelude::*;
use callboard::{AgentInfo, AgentStatus, Pool};
use callboard_agents::described::AgentsFrom;
use std::{env, fs};
use tokio::time::sleep;

#[task(output = usize, capability = "text.count")]
struct Count {
    file: String,
}

/// Counts words, if the disk that it works on is there.
struct Counter {
    is_mounted: bool,
}

impl Agent<Count> for Counter {
    async fn run(&mut self, _: &Ctx, task: Count) -> Result<usize> {
        if !self.is_mounted {
            return Err(Error::retryable("the disk is not mounted")); // the agent's fault, not the task's
        }
        Ok(fs::read_to_string(task.file).terminal()?.split_whitespace().count())
    }
}

/// Asks who could count just now, as an agent asks that looks for help.
#[task(output = String)]
struct Survey {}

impl Agent<Survey> for Counter {
    async fn run(&mut self, ctx: &Ctx, _: Survey) -> Result<String> {
        Ok(ids(&ctx.board()?.agents().find("text.count").min_health(0.9).max_load(0.5).await?))
    }
}

fn counter(id: &str, zone: &str, is_mounted: bool) -> Pool<Counter> {
    let pool = Pool::new(move || Counter { is_mounted }).handles::<Count>();
    pool.id(id).label("zone", zone).description("Counts the words of a file.")
}

fn show(agent: &AgentInfo) -> String {
    let offers: Vec<&str> = agent.capabilities.iter().map(|capability| &*capability.name).collect();
    format!("{} offers {}, health {:.1}, load {:.1}", agent.id, offers.join(" and "), agent.health, agent.load())
}

fn ids(agents: &[AgentInfo]) -> String {
    agents.iter().map(|agent| &*agent.id).collect::<Vec<_>>().join(", ")
}

/// Instances start in the background, and an agent without one counts as fully loaded.
async fn all_idle(board: &Callboard) -> Result<()> {
    while board.agents().await?.iter().any(|agent| agent.status != AgentStatus::Idle) {
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "config/agents".to_owned());
    let file = arguments.next().unwrap_or_else(|| "README.md".to_owned());
    let count = || Count { file: file.clone() };

    let board = Callboard::dev()
        .ephemeral()
        .agents_from(&folder)? // every file there is an agent
        .add(counter("broken", "us", false))
        .add(counter("good", "asia", true).handles::<Survey>())
        .add(counter("spare", "asia", true))
        .start()
        .await?;
    all_idle(&board).await?;
    for agent in board.agents().await? {
        println!("registered: {}", show(&agent));
    }

    // By health: an attempt that fails through its agent tells on it.
    let workflow = Workflow::new("in-america");
    let words = workflow.task("count", count()).requires("zone=us".parse()?).retry(Retry::never());
    if let Err(error) = board.start(workflow).await?.output(&words).await {
        println!("{error:#}");
    }
    let healthy = board.agents().find("text.count").min_health(0.9).await?;
    println!("healthy: {}", ids(&healthy));

    // By load: whoever is asked is busy with that.
    all_idle(&board).await?;
    println!("at leisure while \"good\" works: {}", board.call(Survey {}).await?);

    // A requirement that nobody meets is no error: the task waits, and says for what.
    let workflow = Workflow::new("in-europe");
    let words = workflow.task("count", count()).requires("zone=eu".parse()?);
    let run = board.start(workflow).await?;
    for task in run.tasks().await?.items {
        println!("waiting: {}", task.why.unwrap_or_default());
    }
    let newcomer = board.add(counter("newcomer", "eu", true)).await?;
    println!("{file} has {} words", run.output(&words).await?);

    // What leaves finishes what it has, and is found no more.
    newcomer.remove(Duration::from_secs(1)).await?;
    let left = board.agents().find("text.count").requires("zone=eu".parse()?).await?;
    println!("in Europe after \"newcomer\" has left: {} agents", left.len());
    board.shutdown().await
}
