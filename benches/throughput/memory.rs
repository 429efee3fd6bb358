//! What a node holds in memory after more and more tasks: ended runs must not stay.

use crate::fleet::{Fleet, Place};
use crate::table::Report;
use crate::{Plan, fresh_folder};
use callboard::prelude::*;
use std::fs;

/// After so many tasks, all in all, it is looked at.
const AFTER: [usize; 4] = [0, 1_000, 10_000, 100_000];
const IN_FLIGHT: usize = 256;

/// One curve: the memory of one node on a folder that performs task after task, each in a run of its own.
///
/// Allocators keep what they have once had, so what is to be seen is that it stops growing, not that it falls.
pub(crate) async fn curve(plan: &Plan, report: &mut Report) -> Result<()> {
    let folder = fresh_folder(&plan.folder)?;
    let fleet = Fleet::start(Place::folder(1), folder.path()).await?;
    println!();
    let mut done = 0;
    for after in AFTER.map(|after| after / plan.divisor) {
        while done < after {
            let more = (after - done).min(1_000);
            fleet.fly(done..done + more, IN_FLIGHT).await?;
            done += more;
        }
        report.memory(done, resident_bytes()?);
    }
    fleet.shutdown().await
}

/// The resident set of this process, as Linux counts it.
fn resident_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| Error::terminal("/proc/self/status says nothing of VmRSS"))
}
