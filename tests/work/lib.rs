//! What the nodes of a test do, and how it is told afterwards whether it was done right.
//!
//! With several processes, everything that is done goes to a [`Ledger`] outside Callboard: one file for all processes, one line for each deed, in the
//! order in which they were done.

mod ledger;
mod provider;

pub use ledger::{Audit, Ledger};
pub use provider::Provider;

use callboard::prelude::*;
use callboard::{Builder, Ctx, Run, RunId, TaskInfo, What};
use callboard_simulator::random::Random;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Adds one to the sum of its parts.
#[task(output = u64)]
pub struct Add {
    /// What the ledger calls it, unique among all tasks of a test.
    pub id: String,
    /// In which way it is done.
    pub how: How,
    /// How long each part of it takes, in milliseconds.
    pub ms: u64,
    /// What is added up.
    pub parts: In<Vec<u64>>,
}

/// In which way a task is done.
#[payload]
#[derive(Copy)]
pub enum How {
    /// In one go.
    AtOnce,
    /// In three recorded steps.
    InSteps,
    /// With the help of a task that it asks for.
    WithAChild,
    /// It counts one in the document `count`.
    Counting,
    /// It notes its id in the document `locked`, some time after it has taken the lock under which that is used.
    Locked,
}

/// Measures its id: what a child does.
#[task(output = u64)]
pub struct Part {
    /// The id of its parent.
    pub id: String,
}

/// Adds the agents that do this to a node: `instances` of each.
pub fn agents(builder: Builder, ledger: &Ledger, instances: usize) -> Builder {
    let ledger = Arc::new(ledger.clone());
    let add = move |ctx: Ctx, task: Add| {
        let ledger = ledger.clone();
        async move { add(ctx, task, &ledger).await }
    };
    let part = |_: Ctx, task: Part| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(task.id.len() as u64)
    };
    builder.add(Pool::task_fn(add).instances(instances)).add(Pool::task_fn(part).instances(instances))
}

async fn add(ctx: Ctx, task: Add, ledger: &Ledger) -> Result<u64> {
    let pause = Duration::from_millis(task.ms);
    let life = ledger.begin(&task.id)?;
    match task.how {
        How::AtOnce => tokio::time::sleep(pause).await,
        How::Counting => drop(ctx.state::<u64>("count").update(|count| *count += 1).await?),
        How::Locked => {
            let lock = ctx.lock("the lock", LOCK_TTL).await?;
            let document = lock.state::<Vec<String>>("locked");
            document.load().await?;
            tokio::time::sleep(pause).await;
            document.update(|ids| ids.push(task.id.clone())).await?;
            lock.release().await;
        }
        How::InSteps => {
            for n in 0..3 {
                let key = format!("{}/{n}", task.id);
                let step = async || {
                    let value = ledger.execute(&key, &life)?;
                    tokio::time::sleep(pause).await;
                    Ok(value)
                };
                let value: String = ctx.step("step", step).await?;
                ledger.given(&key, &value)?;
            }
        }
        How::WithAChild => {
            let part = ctx.call(Part { id: task.id.clone() }).await?;
            if part != task.id.len() as u64 {
                return Err(Error::terminal(format!("a child has answered {part}")));
            }
        }
    }
    Ok(task.parts.iter().sum::<u64>() + 1)
}

/// All tasks of a run, page by page.
///
/// # Errors
///
/// Those of the questions.
pub async fn all_tasks(run: &Run) -> Result<Vec<TaskInfo>> {
    let mut page = run.tasks().limit(1_000).await?;
    let mut all = page.items;
    while let Some(next) = page.next {
        page = run.tasks().limit(1_000).after(next).await?;
        all.append(&mut page.items);
    }
    Ok(all)
}

/// How long a lock lives of which its holder says nothing.
const LOCK_TTL: Duration = Duration::from_secs(2);

/// A random graph, in which each task needs up to three of those before it, and what each must come to.
pub fn graph(name: &str, tasks: usize, random: &mut Random) -> (Workflow, Vec<u64>) {
    let workflow = Workflow::new(name);
    let (mut nodes, mut outputs): (Vec<Node<u64>>, Vec<u64>) = (Vec::new(), Vec::new());
    for n in 0..tasks {
        let needs: Vec<usize> = (0..random.below(4)).map(|_| random.below(n)).filter(|need| *need < n).collect();
        let how = [How::AtOnce, How::InSteps, How::InSteps, How::WithAChild][random.below(4)];
        let parts = needs.iter().map(|need| nodes[*need].clone()).collect::<Vec<_>>().as_slice().gather();
        outputs.push(needs.iter().map(|need| outputs[*need]).sum::<u64>() + 1);
        let ms = random.below(20) as u64;
        let task = workflow.task(format!("t{n}"), Add { id: format!("{name}.t{n}"), how, ms, parts });
        // Losses are what these tests are about.
        nodes.push(task.losses(1_000));
    }
    (workflow, outputs)
}

/// What of a run of a [`graph`] is not as it should be: an output is another, a task has no result or several.
///
/// # Errors
///
/// Those of the questions.
pub async fn misfits(board: &Callboard, id: RunId, name: &str, outputs: &[u64]) -> Result<Vec<String>> {
    let run = board.run(id);
    let mut wrong = Vec::new();
    for (n, expected) in outputs.iter().enumerate() {
        let found = run.output_json(&format!("t{n}")).await?;
        if found.as_str() != expected.to_string() {
            wrong.push(format!("{name}/t{n} is {}, not {expected}", found.as_str()));
        }
    }
    let mut completed: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    let mut events = run.events();
    while let Some(event) = events.next().await {
        if let (What::Completed, Some(task)) = (&event.what, &event.task) {
            *completed.entry(task.clone()).or_default() += 1;
        }
    }
    let again = completed.iter().filter(|(_, times)| **times != 1);
    wrong.extend(again.map(|(task, times)| format!("{name}/{task} has {times} results")));
    Ok(wrong)
}
