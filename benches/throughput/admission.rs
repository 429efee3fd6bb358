//! What it costs a handler that a call is guarded by a breaker, or counted by limits, while nothing is in its way.

use crate::measure::cpu;
use crate::table::Report;
use callboard::prelude::*;
use callboard::{Ctx, Limit, Settings};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// Makes so many calls, one after the other.
#[task(output = u64)]
struct Calling {
    how: How,
    times: u64,
}

/// What stands before each call.
#[payload]
#[derive(Copy, PartialEq, Eq)]
enum How {
    Plain,
    Guarded,
    /// So many at a time.
    Limited,
    /// So many in a minute, of units and of calls, and so many at a time.
    Metered,
}

const ALL: [(How, &str); 4] = [
    (How::Plain, "a call"),
    (How::Guarded, "a guarded call"),
    (How::Limited, "a call of 10 at a time"),
    (How::Metered, "a call of 10 at a time and two rates"),
];
/// More than is asked for.
const MANY: u64 = 1 << 40;

/// Measures each in turns, within one handler: the median of some rounds.
pub(crate) async fn measure(report: &mut Report, rounds: usize, times: usize) -> Result<()> {
    let minute = Duration::from_secs(60);
    let took = Arc::new(Mutex::new((Duration::ZERO, Duration::ZERO)));
    let noted = took.clone();
    let handler = move |ctx: Ctx, task: Calling| {
        let took = noted.clone();
        async move {
            let (began, spent) = (Instant::now(), cpu());
            let mut sum = 0;
            for n in 0..task.times {
                sum += match task.how {
                    How::Plain => call(n).await?,
                    How::Guarded => ctx.guard("llm:groq", || call(n)).await?,
                    How::Limited => {
                        let _permit = ctx.limit("few", 1).await?;
                        call(n).await?
                    }
                    How::Metered => {
                        let _permit = ctx.limit("provider", 1).await?;
                        call(n).await?
                    }
                };
            }
            *took.lock().expect("nobody panics with it") = (began.elapsed(), cpu() - spent);
            Ok(sum)
        }
    };
    let provider = Limit::per(minute, MANY).calls_per(minute, MANY).at_once(10);
    let board = Callboard::builder(Settings::default()).ephemeral().task_fn(handler);
    let board = board.limit("few", Limit::concurrent(10)).limit("provider", provider);
    let board = board.start().await?;
    let mut all = vec![Vec::new(); ALL.len()];
    for _ in 0..rounds.max(3) {
        for ((how, _), each) in ALL.into_iter().zip(&mut all) {
            let times = times as u64;
            assert_eq!(board.call(Calling { how, times }).await?, times * (times - 1) / 2, "every call was made");
            each.push(*took.lock().expect("nobody panics with it"));
        }
    }
    let mut plain = Duration::ZERO;
    for ((how, name), mut each) in ALL.into_iter().zip(all) {
        each.sort_unstable();
        let (elapsed, cpu) = each[each.len() / 2];
        report.messages(name, times, elapsed, cpu);
        if how == How::Plain {
            plain = elapsed;
        } else {
            let more = elapsed.saturating_sub(plain).as_secs_f64() * 1e9 / times as f64;
            println!("    {more:.0} ns more than without");
        }
    }
    board.shutdown().await
}

async fn call(n: u64) -> Result<u64> {
    tokio::task::coop::consume_budget().await;
    Ok(std::hint::black_box(n))
}
