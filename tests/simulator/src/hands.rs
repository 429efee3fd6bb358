//! Agents that come and go while their node runs: whatever is asked of them is done in the end, by whichever is there.

use crate::deeds::Deeds;
use crate::matter::{AGAIN, Findings, Matter, insisted};
use crate::random::Random;
use callboard::prelude::*;
use callboard::{AgentHandle, BreakerRules, Capability, Described, JsonAgent, JsonTask, Message};
use callboard_core::Json;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::sleep;

/// What a hand and a mimic do; nobody else does it.
#[task(output = u64)]
struct Haul {
    n: u64,
}

/// What a hand can learn.
#[task(output = u64)]
struct Heave {
    n: u64,
}

/// The word for what a mimic can learn.
const MIMIC: &str = "mimic";
/// How a hand that slips says so, in its panic.
pub const SLIPS: &str = "it slips";

#[derive(Default)]
struct Hand {
    is_warm: bool,
}

impl Agent<Haul> for Hand {
    async fn run(&mut self, ctx: &Ctx, task: Haul) -> Result<u64> {
        let is_first = ctx.attempt() == 1;
        if !self.is_warm {
            return Err(Error::terminal("it is cold"));
        }
        if task.n % 3 == 1 && is_first {
            std::panic::panic_any(SLIPS);
        }
        ctx.heartbeat();
        // Nobody has to listen.
        let _told = ctx.tell("echo", Message::new("note", &task.n)?).await;
        let _spread = ctx.broadcast(Message::new("note", ctx.capability())?).await;
        let _asked = ctx.ask("program", Message::new("note", &ctx.run_id())?, Duration::from_millis(100)).await;
        while let Some(note) = ctx.inbox().try_next() {
            if note.is_ask() { note.reply(&task.n)? } else { note.decline() }
        }
        Ok(task.n)
    }

    async fn message(&mut self, ctx: &MessageCtx, note: &Message) -> Result<Reply> {
        if note.topic() == "note" { Reply::of(&ctx.instance().to_string()) } else { Ok(Reply::declined()) }
    }

    async fn warm_up(&mut self) -> Result<()> {
        self.is_warm = true;
        Ok(())
    }

    async fn wind_down(&mut self) {
        self.is_warm = false;
    }
}

impl Agent<Heave> for Hand {
    async fn run(&mut self, _: &Ctx, task: Heave) -> Result<u64> {
        Ok(task.n)
    }
}

struct Mimic;

impl JsonAgent for Mimic {
    async fn run(&mut self, _: &Ctx, task: JsonTask) -> Result<Json> {
        Ok(task.input)
    }
}

/// Rounds, in each of which a hand and a mimic are hired, learn, do something, and are let go.
pub struct Hands {
    count: u64,
    done: AtomicU64,
    hired: AtomicU64,
    chance: Mutex<Random>,
    findings: Findings,
}

impl Hands {
    /// Some rounds.
    pub fn draw(random: &mut Random) -> Self {
        Self {
            count: random.between(1, 4) as u64,
            done: AtomicU64::new(0),
            hired: AtomicU64::new(0),
            chance: Mutex::new(random.split()),
            findings: Findings::default(),
        }
    }

    fn a_while(&self, most: u64) -> Duration {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).millis(most)
    }

    async fn attended(&self, board: &Callboard) -> Result<()> {
        loop {
            let round = self.done.load(Ordering::SeqCst);
            if round >= self.count {
                self.findings.done();
                return Ok(());
            }
            let (hand, mimic) = self.hire(board).await?;
            hand.gain::<Heave>().await?;
            mimic.gain_capability(Capability::new(MIMIC)).await?;
            let key = |what: &str| format!("{what} {round}");
            let hauled = insisted(|| board.call(Haul { n: round }).key(key("haul")).into_future()).await?;
            let heaved = insisted(|| board.call(Heave { n: round }).key(key("heave")).into_future()).await?;
            let input = Json::of(&round)?;
            let said = insisted(|| board.call_json(MIMIC, input.clone()).key(key(MIMIC)).into_future()).await?;
            if (hauled, heaved, said.as_str()) != (round, round, input.as_str()) {
                self.findings
                    .breach(format!("hands: in round {round} it was {hauled}, {heaved} and {}", said.as_str()));
            }
            self.done.fetch_max(round + 1, Ordering::SeqCst);
            hand.lose("heave").await?;
            self.let_go(&hand).await?;
            self.let_go(&mimic).await?;
            sleep(self.a_while(500)).await;
        }
    }

    async fn hire(&self, board: &Callboard) -> Result<(AgentHandle<Hand>, AgentHandle<Described<Mimic>>)> {
        let number = self.hired.fetch_add(1, Ordering::SeqCst);
        let hand = Pool::new(Hand::default).handles::<Haul>().instances(2).id(format!("hand-{number}"));
        let hand = hand.kind("hand").description("It hauls.").version("1").tool("rope").label("side", "port");
        let hand = hand.constraint("weight", 7).breaker(BreakerRules::default().failures(9));
        let mimic = Pool::json(|| Mimic).id(format!("mimic-{number}")).capability(Capability::new("ape"));
        Ok((board.add(hand).await?, board.add(mimic).await?))
    }

    /// What it was cut short in begins again elsewhere.
    async fn let_go<A>(&self, agent: &AgentHandle<A>) -> Result<()> {
        match agent.remove(self.a_while(100)).await {
            Err(error) if error.kind() != ErrorKind::Unknown => Err(error),
            _ => Ok(()),
        }
    }
}

impl Matter for Hands {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        format!(
            "hands: {} of {} rounds, {} were hired",
            self.done.load(Ordering::SeqCst),
            self.count,
            self.hired.load(Ordering::SeqCst)
        )
    }

    fn look_after(self: Arc<Self>, board: Callboard, _: Deeds) -> BoxFuture<'static, ()> {
        async move {
            match self.attended(&board).await {
                Ok(()) => {}
                // The node stops, and lets its agents go: somebody else goes on.
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::NotFound) => {
                    sleep(AGAIN).await
                }
                Err(error) => {
                    self.findings.breach(format!("hands: it is refused: {error:#}"));
                    self.findings.done();
                }
            }
        }
        .boxed()
    }
}
