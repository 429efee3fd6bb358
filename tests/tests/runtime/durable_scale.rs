//! Very many that wait, and waits that are very long.

use super::kit::*;
use super::lives::{Death, life};
use crate::random::Random;
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{ApprovalId, Builder, Ctx, OpenApproval, RunId, Status, TaskIndex};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Tasks that park: `TEST_PARKED` says how many, 2,000 by default. Time and memory are printed.
fn parked() -> usize {
    std::env::var("TEST_PARKED").ok().and_then(|many| many.parse().ok()).unwrap_or(2_000)
}

/// The resident set in MiB, of the whole process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4 / 1_024
}

/// A node whose tasks ask a person, or whoever answers by their number.
fn asking(store: &Arc<dyn Store>, instances: usize) -> Builder {
    let builder = on(store).settings(|settings| settings.signals_max = 20_000);
    acting(builder, instances, |ctx: Ctx, what: String| async move {
        let yes = ctx.approval(format!("{what}?")).await?;
        Ok(format!("{what} {yes}"))
    })
}

fn workflow(tasks: usize) -> (Workflow, Vec<Node<String>>) {
    let workflow = Workflow::new("many");
    let nodes = (0..tasks).map(|n| workflow.task(format!("t{n}"), act(&n.to_string()))).collect();
    (workflow, nodes)
}

/// All that are open, page by page.
async fn open(board: &Callboard) -> Vec<OpenApproval> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = board.approvals().limit(1_000);
        let page = if let Some(after) = after { page.after(after).await } else { page.await }.unwrap();
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

async fn until_parked(run: &Run, tasks: usize) {
    loop {
        let info = run.info().await.unwrap();
        if info.counts.of(Status::Parked) == tasks {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn thousands_of_approvals_are_parked_survive_a_crash_and_are_answered_in_any_order() {
    let (objects, tasks) = (MemoryStore::new(), parked());
    let early = tasks / 10;
    let (begun, before) = (Instant::now(), resident());
    let (id, _) = life(&objects, Death::Natural, async |store| {
        let board = asking(&store, 32).start().await.unwrap();
        let (workflow, _) = workflow(tasks);
        let run = board.start(workflow).key("many").await.unwrap();
        until_parked(&run, tasks).await;
        assert_eq!(run.tasks().status(Status::Running).await.unwrap().items.len(), 0);
        println!("{tasks} parked: {:?}, {} MiB more", begun.elapsed(), resident() - before);
        run.id()
    }); // no clean stop
    let id: RunId = id.unwrap();
    let again = Instant::now();
    life(&objects, Death::Natural, async |store| {
        let board = asking(&store, 1).start().await.unwrap();
        println!("claimed again: {:?}", again.elapsed());
        let run = board.run(id);
        let listed = open(&board).await;
        println!("listed: {:?}", again.elapsed());
        assert_eq!(listed.len(), tasks);
        let mut order: Vec<usize> = (0..tasks).collect();
        let mut random = Random(7);
        (1..tasks).rev().for_each(|n| order.swap(n, random.below(n + 1)));
        let ids: BTreeMap<TaskIndex, ApprovalId> = listed.iter().map(|open| (open.id.task, open.id)).collect();
        let answers = order.iter().enumerate().map(|(n, task)| {
            let (board, run) = (&board, &run);
            let id = ids[&TaskIndex(*task as u32)];
            async move {
                match (n < early, task % 2 == 0) {
                    (true, _) => run.approve().task(format!("t{task}")).await.unwrap(),
                    (false, true) => board.approve(id).await.unwrap(),
                    (false, false) => board.reject(id).await.unwrap(),
                }
            }
        });
        futures::future::join_all(answers).await;
        println!("answered: {:?}", again.elapsed());
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        println!("ended: {:?}", again.elapsed());
        let (_, nodes) = workflow(tasks);
        for (n, task) in order.iter().enumerate() {
            let yes = n < early || task % 2 == 0;
            assert_eq!(run.output(&nodes[*task]).await.unwrap(), format!("{task} {yes}"));
        }
        println!("read: {:?}", again.elapsed());
    });
}

/// Each wait is fixed by its first call, over parking and a restart.
#[test]
fn ten_years_of_sleeps_take_ten_years() {
    const WEEK: Duration = Duration::from_secs(7 * 86_400);
    const WEEKS: u32 = 522;
    /// Weeks and months, ten years in all.
    fn sleeps() -> impl Iterator<Item = u32> {
        let weeks = (0..).map(|n| [1, 4, 2, 8, 3][n % 5]);
        weeks.scan(WEEKS, |left: &mut u32, weeks| {
            let weeks = weeks.min(*left);
            *left -= weeks;
            (weeks > 0).then_some(weeks)
        })
    }
    let (objects, naps) = (MemoryStore::new(), Tally::default());
    let node = |store: Arc<dyn Store>| {
        let naps = naps.clone();
        acting(on(&store), 1, move |ctx: Ctx, _| {
            let naps = naps.clone();
            async move {
                for (n, weeks) in sleeps().enumerate() {
                    ctx.sleep(WEEK * weeks).await?;
                    let nap = ctx.step("slept", || async {
                        naps.add(&n.to_string());
                        Ok(())
                    });
                    nap.await?;
                }
                Ok("awake".to_owned())
            }
        })
    };
    // Lets the clock leap whenever the task is parked: what else comes by time comes once a leap.
    let pass = async |run: &Run, weeks: u32| {
        for _ in 0..weeks {
            loop {
                let counts = run.info().await.unwrap().counts;
                match (counts.of(Status::Parked), counts.open()) {
                    (0, 0) => return,
                    (1, _) => break,
                    _ => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
            tokio::time::advance(WEEK).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let slept = |sum: &mut _, weeks| {
        *sum += weeks;
        Some(*sum)
    };
    let awake = |weeks| sleeps().scan(0, slept).filter(|sum| *sum <= weeks).count();
    life(&objects, Death::Natural, async |store| {
        let board = node(store).start().await.unwrap();
        let run = board.start(one(act("")).0).key("long").await.unwrap();
        pass(&run, 200).await;
    });
    assert_eq!(naps.all().len(), awake(200));
    life(&objects, Death::Natural, async |store| {
        let board = node(store).start().await.unwrap();
        let (_, it) = one(act(""));
        let run = board.run(board.run_id_of_key("long"));
        // The clock of the world has not moved: to the journal it went back, and nothing comes before its time.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(naps.all().len(), awake(200));
        pass(&run, WEEKS + 20).await;
        assert_eq!(run.output(&it).await.unwrap(), "awake");
    });
    let naps = naps.all();
    assert_eq!((naps.len(), naps.values().max()), (sleeps().count(), Some(&1)));
}
