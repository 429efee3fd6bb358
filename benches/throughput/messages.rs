//! Messages between agents, beside those between ractor's actors in the same run.

use crate::fleet::Next;
use crate::measure;
use crate::raw::{self, BURST};
use crate::table::Report;
use callboard::Settings;
use callboard::prelude::*;
use callboard_benches::targets::Goal;
use tokio::time::Instant;

/// An agent that counts.
#[derive(Default)]
struct Counter(u64);

impl Agent<Next> for Counter {
    async fn run(&mut self, _: &Ctx, task: Next) -> Result<u64> {
        Ok(*task.of)
    }

    async fn message(&mut self, _: &MessageCtx, message: &Message) -> Result<Reply> {
        match message.topic() {
            "one" => {
                self.0 += 1;
                Ok(Reply::none())
            }
            "number" => {
                self.0 += message.parse::<u64>()?;
                Ok(Reply::none())
            }
            _ => Reply::of(&self.0),
        }
    }
}

/// Tells against casts and asks against calls: each ratio is the median of some rounds, in which both take turns.
pub(crate) async fn measure(report: &mut Report, rounds: usize, times: usize) -> Result<()> {
    let board = Callboard::builder(Settings::default()).ephemeral().agent(Counter::default).start().await?;
    let (mut tells, mut numbers, mut asks) = (Vec::new(), Vec::new(), Vec::new());
    let one = Message::new("one", &())?;
    for _ in 0..rounds {
        let (cast, call) = raw::actors(report, times).await?;
        tells.push(tell(report, "callboard, tell", &board, times, || Ok(one.clone())).await? / cast);
        let number = || Message::new("number", &1);
        numbers.push(tell(report, "callboard, tell with JSON made and read", &board, times, number).await? / cast);
        asks.push(ask(report, &board, times / 10).await? / call);
    }
    let (tell, number, ask) = (median(tells), median(numbers), median(asks));
    println!(
        "tell is {tell:.2} of cast (at least 0.5), {number:.2} with its JSON; ask {ask:.2} of call (at least 0.5)"
    );
    report.reached(Goal::Tell, tell, format!("{rounds} rounds; {number:.2} with JSON made and read"));
    report.reached(Goal::Ask, 1.0 / ask, format!("{rounds} rounds"));
    board.shutdown().await
}

/// Messages to one agent, which counts them. A cast carries nothing, so the body is made before; another row makes and
/// reads one each time.
async fn tell(
    report: &mut Report,
    name: &str,
    board: &Callboard,
    times: usize,
    message: impl Fn() -> Result<Message>,
) -> Result<f64> {
    let (begun, cpu) = (Instant::now(), measure::cpu());
    let before = count(board).await?;
    let mut counted = before;
    for _ in 0..times / BURST {
        for _ in 0..BURST {
            board.tell("next", message()?).await?;
        }
        counted = count(board).await?;
    }
    let told = counted - before;
    let per_second = report.messages(name, told as usize, begun.elapsed(), measure::cpu() - cpu);
    assert_eq!(told, (times / BURST * BURST) as u64, "every tell is handled once");
    Ok(per_second)
}

async fn ask(report: &mut Report, board: &Callboard, times: usize) -> Result<f64> {
    let (begun, cpu) = (Instant::now(), measure::cpu());
    for _ in 0..times {
        count(board).await?;
    }
    Ok(report.messages("callboard, ask", times, begun.elapsed(), measure::cpu() - cpu))
}

async fn count(board: &Callboard) -> Result<u64> {
    board.ask("next", Message::new("count", &())?, Duration::from_secs(60)).await?.parse()
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
