//! What the nodes can do.

use super::ledger::{Ledger, Life};
use crate::check::documents::{COUNT, LOCK};
use crate::history::{Did, Entry};
use crate::work::{BUDGET_CALLS, Contract, Deed, SPEND, Trouble, What, Work, is_urgent};
use callboard::prelude::*;
use callboard::{Budget, Builder, Cost, Ctx, IdempotencyKey, Lock, Spent};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How long a lock lives of which its holder says nothing.
const LOCK_TTL: Duration = Duration::from_secs(2);
/// What the effect of a task is called.
const EFFECT: &str = "effect";
/// How often a task is tried again: faults may cost any number of attempts, and none is lost for that.
const RETRIES: u32 = 1_000;

/// A task of a run.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Job {
    run: String,
    deed: Deed,
    inputs: In<Vec<Told>>,
}

/// What a task results in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    task: String,
    /// A mark that no other result has, also none of the same task.
    pub(super) mark: String,
}

/// A child of a task.
#[derive(Clone, Serialize, Deserialize)]
struct Part {
    run: String,
    task: String,
    ms: u64,
}

/// Asks for nothing but an answer.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Probe;

impl Task for Job {
    type Output = Told;
    const CAPABILITY: &'static str = "chaos.job";
}

impl Task for Part {
    type Output = Told;
    const CAPABILITY: &'static str = "chaos.part";
}

impl Task for Probe {
    type Output = ();
    const CAPABILITY: &'static str = "chaos.probe";
}

/// The workflow of a run.
pub(super) fn workflow(work: &Work) -> Workflow {
    let mut workflow = Workflow::new(&work.name);
    if work.spends() {
        workflow = workflow.budget(Budget::new().calls(BUDGET_CALLS));
    }
    let priority = if is_urgent(&work.name) { Priority::Critical } else { Priority::default() };
    let mut nodes: Vec<Node<Told>> = Vec::new();
    for deed in &work.tasks {
        let inputs = deed.needs.iter().map(|need| nodes[*need].clone()).collect::<Vec<_>>().as_slice().gather();
        let job = Job { run: work.name.clone(), deed: deed.clone(), inputs };
        let node = workflow.task(&deed.name, job).retry(Retry::exponential(RETRIES)).losses(RETRIES).priority(priority);
        nodes.push(match deed.limit_ms {
            Some(limit) => node.timeout(Duration::from_millis(limit)),
            None => node,
        });
    }
    workflow
}

/// Adds the agents to a node, so many instances of each. What they do ends whenever they are killed.
pub(super) fn agents(builder: Builder, ledger: &Ledger, killed: &watch::Receiver<()>, instances: usize) -> Builder {
    let (of_jobs, of_parts) = (ledger.clone(), ledger.clone());
    let (kill_jobs, kill_parts, kill_probes) = (killed.clone(), killed.clone(), killed.clone());
    let job = move |ctx: Ctx, job: Job| {
        let ledger = of_jobs.clone();
        until_killed(kill_jobs.clone(), async move { perform(ctx, job, &ledger).await })
    };
    let part = move |ctx: Ctx, part: Part| {
        let ledger = of_parts.clone();
        until_killed(kill_parts.clone(), async move {
            let began = Did::Began { attempt: ctx.attempt(), inputs: Vec::new() };
            let life = ledger.begin(&part.run, &part.task, began).await?;
            tokio::time::sleep(Duration::from_millis(part.ms)).await;
            say(&life, part.task).await
        })
    };
    let probe = move |_: Ctx, _: Probe| until_killed(kill_probes.clone(), async { Ok(()) });
    builder
        .add(Pool::task_fn(job).id("jobs").instances(instances))
        .add(Pool::task_fn(part).id("parts").instances(instances))
        // Few, of their own: what probes wait for is the cluster and no other work.
        .add(Pool::task_fn(probe).id("probes").instances(4))
}

/// Goes on until it is done, or until all are killed: a panic costs the instance, whatever it was doing.
async fn until_killed<T>(mut killed: watch::Receiver<()>, work: impl Future<Output = T>) -> T {
    killed.mark_unchanged();
    tokio::select! {
        biased;
        // It is not changed any more when the node has ended.
        Ok(()) = killed.changed() => std::panic::resume_unwind(Box::new("it is killed, as it should be")),
        done = work => done,
    }
}

async fn perform(ctx: Ctx, job: Job, ledger: &Ledger) -> Result<Told> {
    let Job { run, deed, inputs } = job;
    let inputs = inputs.iter().map(|told| (told.task.clone(), told.mark.clone())).collect();
    let life = ledger.begin(&run, &deed.name, Did::Began { attempt: ctx.attempt(), inputs }).await?;
    act(&ctx, &run, &deed, &life).await?;
    // Behind the deed: what is recorded of it meets the next attempt.
    match deed.trouble {
        Some(Trouble::Fails(attempts)) if ctx.attempt() <= attempts => {
            return Err(Error::retryable("it fails, as it should"));
        }
        Some(Trouble::Crashes) if ctx.attempt() == 1 => {
            std::panic::resume_unwind(Box::new("it panics, as it should"));
        }
        Some(Trouble::Hangs) if ctx.attempt() == 1 => std::future::pending().await,
        _ => {}
    }
    say(&life, deed.name).await
}

/// What a task hears of whoever answers it.
pub(super) const fn said(is_approved: bool) -> &'static str {
    if is_approved { "yes" } else { "no" }
}

/// Says the result, and only then has one.
async fn say(life: &Life, task: String) -> Result<Told> {
    let mark = life.mark();
    life.say(Did::Said { mark: mark.clone() }).await?;
    Ok(Told { task, mark })
}

/// The code of a step.
async fn execute(life: &Life, step: &str, pause: Duration) -> Result<String> {
    let value = life.mark();
    life.say(Did::Executed { step: step.to_owned(), value: value.clone() }).await?;
    tokio::time::sleep(pause).await;
    Ok(value)
}

async fn act(ctx: &Ctx, run: &str, deed: &Deed, life: &Life) -> Result<()> {
    let pause = Duration::from_millis(deed.ms);
    match deed.what {
        What::Plain => tokio::time::sleep(pause).await,
        What::Steps(count) => {
            for n in 0..count {
                let step = format!("step {n}");
                let value: String = ctx.step(&step, || execute(life, &step, pause)).await?;
                life.say(Did::Given { step, value }).await?;
            }
        }
        What::Children(count) => {
            for n in 0..count {
                let task = format!("{}/child-{n}", deed.name);
                let part = Part { run: run.to_owned(), task: task.clone(), ms: deed.ms };
                let told = ctx.call(part).retry(Retry::exponential(RETRIES)).await?;
                life.say(Did::Given { step: task, value: told.mark }).await?;
            }
        }
        What::Sleep => ctx.sleep(pause * 10).await?,
        What::Signal => {
            let value: String = ctx.signal(&deed.name).await?;
            life.say(Did::Heard { value }).await?;
        }
        What::Approval => {
            let is_approved = ctx.approval(&deed.name).await?;
            life.say(Did::Heard { value: said(is_approved).to_owned() }).await?;
        }
        What::Effect(contract) => {
            let effect = match contract {
                Contract::Keyed => ctx.effect(EFFECT).keyed(),
                Contract::Irreversible => ctx.effect(EFFECT).irreversible(),
            };
            let perform = async |key: IdempotencyKey| {
                let (key, value) = (key.to_string(), life.mark());
                life.say(Did::Performed { contract, key, value: value.clone() }).await?;
                tokio::time::sleep(pause).await;
                Ok(value)
            };
            let value: String = effect.run(perform).await?;
            life.say(Did::Given { step: EFFECT.to_owned(), value }).await?;
        }
        What::Spend(count) => {
            for n in 0..count {
                let step = format!("{SPEND}{n}");
                let run = async || Ok(Spent { value: execute(life, &step, pause).await?, cost: Cost::calls(1) });
                let value: String = ctx.spend(&step, Cost::calls(1), run).await?;
                life.say(Did::Given { step, value }).await?;
            }
        }
        What::Count => {
            life.say(Did::Tries { document: COUNT.to_owned() }).await?;
            let version = Some(ctx.state::<u64>(COUNT).update(|count| *count += 1).await?);
            life.say(Did::Wrote { document: COUNT.to_owned(), version }).await?;
        }
        What::Lock => {
            life.say(Did::Tries { document: LOCK.to_owned() }).await?;
            let lock = ctx.lock(LOCK, LOCK_TTL).await?;
            // As programs use it, and not as handlers do, to whom a load is given as it was recorded: what is compared is what
            // was read under this very lock.
            let document = Lock::state::<Vec<Entry>>(&lock, LOCK);
            let saw = document.load().await?.map_or(0, |version| version.value.len());
            tokio::time::sleep(pause).await;
            let entry = Entry { task: format!("{run}/{}", deed.name), saw };
            let write = |entries: &mut Vec<Entry>| {
                // An attempt before this one may have written, and died before anybody knew.
                if !entries.iter().any(|there| there.task == entry.task) {
                    entries.push(entry.clone());
                }
            };
            document.update(write).await?;
            life.say(Did::Wrote { document: LOCK.to_owned(), version: None }).await?;
            lock.release().await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::panic::AssertUnwindSafe;

    #[tokio::test]
    async fn what_is_being_done_ends_when_all_are_killed_and_what_comes_later_does_not() {
        let (kill, killed) = watch::channel(());
        let mut begun = Box::pin(until_killed(killed.clone(), std::future::pending::<()>()));
        assert!(begun.as_mut().now_or_never().is_none());
        kill.send_replace(());
        assert!(AssertUnwindSafe(begun).catch_unwind().await.is_err(), "it panics");
        assert_eq!(until_killed(killed.clone(), async { 1 }).await, 1);
        // Nor does it when nobody is there any more who could kill it.
        drop(kill);
        let later = async {
            tokio::task::yield_now().await;
            2
        };
        assert_eq!(until_killed(killed, later).await, 2);
    }
}
