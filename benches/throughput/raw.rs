//! What the machine does without Callboard, in the same run.

use crate::measure::{self, Latencies, millis};
use crate::table::Report;
use callboard::Result;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use tokio::time::Instant;

/// What one commit of the disk takes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Commit {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) cpu_us: f64,
}

/// Create, fsync, rename and fsync of the directory, for objects of 4 KiB: what one commit costs at least.
pub(crate) fn commit(below: &Path, times: usize) -> io::Result<Commit> {
    let folder = tempfile::tempdir_in(below)?;
    let (directory, bytes) = (File::open(folder.path())?, [b'x'; 4_096]);
    let (mut latencies, cpu) = (Vec::with_capacity(times), measure::cpu());
    for n in 0..times {
        let begun = Instant::now();
        let temp = folder.path().join(format!("{n}.tmp"));
        let mut file = File::create(&temp)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temp, folder.path().join(n.to_string()))?;
        directory.sync_all()?;
        latencies.push(begun.elapsed());
    }
    let (latencies, cpu) = (Latencies::of(latencies), (measure::cpu() - cpu) / times as u32);
    Ok(Commit {
        p50_ms: millis(latencies.percentile(50)),
        p99_ms: millis(latencies.percentile(99)),
        cpu_us: millis(cpu) * 1e3,
    })
}

/// An actor that counts.
struct Counter;

enum Count {
    One,
    Tell(RpcReplyPort<u64>),
}

impl Actor for Counter {
    type Msg = Count;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Count>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<Count>, message: Count, count: &mut u64) -> Result<(), ActorProcessingErr> {
        match message {
            Count::One => *count += 1,
            Count::Tell(reply) => reply.send(*count)?,
        }
        Ok(())
    }
}

/// So many messages are sent before the sender waits until they are handled: fewer than an inbox holds.
pub(crate) const BURST: usize = 500;

/// Messages between actors in memory: casts and calls, a second.
pub(crate) async fn actors(report: &mut Report, times: usize) -> Result<(f64, f64)> {
    let (counter, end) = Actor::spawn(None, Counter, ()).await?;
    let (begun, cpu) = (Instant::now(), measure::cpu());
    let mut told = 0;
    for _ in 0..times / BURST {
        for _ in 0..BURST {
            counter.cast(Count::One)?;
        }
        told = ractor::call!(counter, Count::Tell)?;
    }
    let casts = report.messages("ractor, cast", told as usize, begun.elapsed(), measure::cpu() - cpu);
    assert_eq!(told, (times / BURST * BURST) as u64, "every cast is handled once");
    let (begun, cpu) = (Instant::now(), measure::cpu());
    for _ in 0..times / 10 {
        ractor::call!(counter, Count::Tell)?;
    }
    let calls = report.messages("ractor, call", times / 10, begun.elapsed(), measure::cpu() - cpu);
    counter.stop(None);
    end.await?;
    Ok((casts, calls))
}
