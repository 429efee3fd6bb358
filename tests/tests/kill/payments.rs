//! Payments that are killed again and again are made once each, and what nobody knows of is listed.

use super::{SIGKILL, journal, number, seed};
use crate::program;
use crate::random::Random;
use callboard::{Callboard, Result, Settings, What};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use std::{fs, thread};

const PAYMENTS: usize = 60;

/// The tasks whose payment is in the ledger, with repetitions.
fn ledger(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| format!("pay[{}]", line.strip_prefix("paid invoice ").expect("whole lines"))).collect()
}

/// What a journal says: the payments that were begun, those that are recorded, and those of which nobody knows.
async fn journal_says(data: &Path) -> Result<[BTreeSet<String>; 3]> {
    if !data.join("objects").exists() {
        return Ok([const { BTreeSet::new() }; 3]); // it was killed before it had begun
    }
    let copy = tempfile::tempdir()?;
    journal::copy_folder(&data.join("objects"), &copy.path().join("objects"))?;
    let board = Callboard::builder(Settings::default()).data(copy.path()).start().await?;
    let run = board.run(board.run_id_of_key("invoices of November"));
    let [mut begun, mut recorded, mut unknown] = [const { BTreeSet::new() }; 3];
    if run.info().await.is_ok() {
        let mut events = run.events();
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(50), events.next()).await {
            let task = event.task.as_deref().unwrap_or_default().to_owned();
            match event.what {
                What::EffectBegun { .. } => drop(begun.insert(task)),
                What::Recorded { .. } | What::EffectDecided { happened: true, .. } => drop(recorded.insert(task)),
                What::EffectDecided { happened: false, .. } => drop(begun.remove(&task)),
                _ => {}
            }
        }
        let effects = board.unknown_effects().limit(1_000).await?.items;
        unknown.extend(effects.into_iter().map(|effect| effect.task));
    }
    board.shutdown().await?;
    Ok([begun, recorded, unknown])
}

/// `TEST_KILLS` says how often, 20 times by default.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a delay before a kill is a fault, not a wait")]
async fn killed_payments_are_made_once_each_and_what_nobody_knows_of_is_listed() -> Result<()> {
    let (kills, seed) = (number("TEST_KILLS").unwrap_or(20), seed());
    println!("{kills} kills, TEST_KILL_SEED={seed}");
    let (folder, mut random) = (tempfile::tempdir()?, Random(seed));
    let (path, data) = (folder.path().join("ledger.txt"), folder.path().join("data"));
    let start = |delay: &str| {
        let mut payments = program::command(program::example("payments"));
        payments.arg(&path).arg(&data).arg(delay).stdin(Stdio::null()).stdout(Stdio::null());
        payments.spawn()
    };
    let mut in_the_gap = 0;
    for _ in 0..kills {
        let mut child = start("40")?;
        // Starts take a while, and the payments of a life are spread over some rounds of 80 ms.
        thread::sleep(Duration::from_millis(60 + random.below(250) as u64));
        child.kill()?;
        let status = child.wait()?;
        assert!(status.success() || status.signal() == Some(SIGKILL), "it ended by itself: {status}");
        let paid = ledger(&path);
        let once: BTreeSet<String> = paid.iter().cloned().collect();
        assert_eq!(once.len(), paid.len(), "paid twice: {paid:?}");
        let [begun, recorded, unknown] = journal_says(&data).await?;
        assert!(recorded.is_subset(&once) && once.is_subset(&begun), "{recorded:?}, {once:?}, {begun:?}");
        assert_eq!(
            unknown,
            begun.difference(&recorded).cloned().collect::<BTreeSet<_>>(),
            "exactly what was cut short"
        );
        in_the_gap += unknown.intersection(&once).count();
    }
    assert!(start("0")?.wait()?.success());
    let paid = ledger(&path);
    assert_eq!((paid.len(), paid.iter().collect::<BTreeSet<_>>().len()), (PAYMENTS, PAYMENTS));
    println!("{in_the_gap} payments were cut short behind the line in the ledger");
    Ok(())
}
