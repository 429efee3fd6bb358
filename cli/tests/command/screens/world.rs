//! A small world: a node with agents, and a run for each state in which a run can be.

use super::super::node::{Said, program};
use super::normal::Normal;
use callboard::prelude::*;
use callboard::{Cost, Limit, Lock, Settings, Spent};
use serde_json::Value;
use std::fs;
use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Says what it was given.
#[task(output = String)]
struct Say {
    text: String,
}

/// Fails, as it was told to.
#[task(output = String, capability = "fail")]
struct Fail {
    is_final: bool,
}

/// Waits for what it was told to wait for.
#[task(output = String, capability = "wait")]
struct Wait {
    for_what: String,
}

/// Pays, and does not know whether that went well.
#[task(output = String, capability = "pay")]
struct Pay {}

/// Spends more than there is.
#[task(output = u32, capability = "spend")]
struct Spend {}

/// The node with its agents, and how to call what is in it.
pub(super) struct World {
    board: Callboard,
    pub(super) address: String,
    pub(super) normal: Normal,
    waiting: JoinSet<()>,
    held: Lock,
    released: Arc<Notify>,
}

impl World {
    pub(super) async fn new() -> Self {
        let released = Arc::new(Notify::new());
        let board = board(released.clone()).await;
        let address = board.serve().await.expect("an address").to_string();
        let mut normal = Normal::default();
        normal.call(board.nodes().await.expect("itself")[0].id.to_string(), "NODE");
        let held = board.lock("branch/main", Duration::from_secs(30)).by("the release").await.expect("nobody has it");
        let mut waiting = JoinSet::new();
        let fix = board.lock("branch/main", Duration::from_secs(30)).by("a fix").into_future();
        waiting.spawn(async move { drop(fix.await) });
        while board.locks().await.expect("a list").iter().all(|lock| lock.waiting.is_empty()) {
            tokio::task::yield_now().await;
        }
        let mut world = Self { board, address, normal, waiting, held, released };
        world.fill().await;
        world
    }

    async fn fill(&mut self) {
        self.run(
            "notes",
            "log: {capability: say, input: {text: twelve commits}}\n  \
            draft: {capability: say, priority: high, input: {text: {$from: log}}}",
            "completed",
        )
        .await;
        self.run(
            "broken",
            "dead: {capability: fail, input: {is_final: false}, retry: {retries: 1, base: 1ms, cap: 1ms}}\n  \
            final: {capability: fail, input: {is_final: true}}\n  \
            skipped: {capability: say, input: {text: {$from: dead}}}",
            "failed",
        )
        .await;
        self.run(
            "waits",
            "approval: {capability: wait, input: {for_what: approval}}\n  \
            signal: {capability: wait, input: {for_what: signal}}\n  \
            sleep: {capability: wait, input: {for_what: sleep}}\n  \
            under-way: {capability: wait, input: {for_what: release}}\n  \
            nobody: {capability: sey}\n  \
            blocked: {capability: say, input: {text: {$from: nobody}}}",
            "running",
        )
        .await;
        self.until("waits", |tasks| count(tasks, "parked") == 3 && tasks[3]["progress"].is_object()).await;
        self.run("paused", "it: {capability: sey}", "running").await;
        self.ask(&["run", "pause", "RUN-paused", "--reason", "Ann: the bill"]);
        self.run("cancelled", "it: {capability: sey}", "running").await;
        self.ask(&["run", "cancel", "RUN-cancelled", "--reason", "Ann: not needed"]);
        self.run("pays", "pay: {capability: pay}", "running").await;
        self.until("pays", |tasks| tasks[0]["why"].as_str().is_some_and(|why| why.contains("decide it"))).await;
        self.run("paid", "it: {capability: spend}", "running").await;
        self.until("paid", |tasks| tasks[0]["why"].as_str().is_some_and(|why| why.contains("no room"))).await;
        self.ask(&["circuit-breaker", "open", "agent:sick", "--reason", "Ann: it is ill"]);
        self.run("gated", "it: {capability: ill, input: {text: hm}}", "running").await;
        self.until("gated", |tasks| tasks[0]["why"].as_str().is_some_and(|why| why.contains("breaker"))).await;
        self.ask(&["state", "set", "visits/2026", "{\"count\":1}", "--new", "--by", "Ann"]);
        self.ask(&["state", "set", "visits/2026", "{\"count\": 2.50}", "--expect", "1", "--label", "ticket:7"]);
        self.ask(&["state", "set", "visits/2025", "null", "--new"]);
    }

    /// Submits a run, calls it RUN and its name, and waits for its status.
    async fn run(&mut self, name: &str, tasks: &str, status: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("w.yaml");
        let budget = if name == "paid" { "budget: 0.50usd, 12calls\n" } else { "" };
        fs::write(&file, format!("name: {name}\n{budget}tasks:\n  {tasks}\n")).expect("a file");
        let run = self.ask(&["task", "submit", file.to_str().expect("a name"), "--key", name]);
        let id = run["id"].as_str().expect("an id").to_owned();
        self.normal.call(id.as_str(), &format!("RUN-{name}"));
        while self.ask(&["run", "show", &id])["status"] != status {
            tokio::task::yield_now().await;
        }
    }

    async fn until(&self, name: &str, is_so: impl Fn(&[Value]) -> bool) {
        let run = self.board.run(self.board.run_id_of_key(name));
        loop {
            let path = format!("RUN-{name}");
            let count = run.tasks().await.expect("tasks").items.len();
            let tasks: Vec<Value> = (0..count).map(|n| self.ask(&["task", "status", &format!("{path}/{n}")])).collect();
            if is_so(&tasks) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    #[track_caller]
    fn ask(&self, words: &[&str]) -> Value {
        let real = words.iter().map(|word| self.normal.real(word)).chain(["-o".to_owned(), "json".to_owned()]);
        let said = Said::of(program(real).env("CALLBOARD_ADDR", &self.address));
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said.json()
    }

    pub(super) async fn end(mut self) {
        self.released.notify_waiters();
        self.held.release().await;
        while self.waiting.join_next().await.is_some() {}
        self.board.shutdown().await.expect("a clean end");
    }
}

fn count(tasks: &[Value], status: &str) -> usize {
    tasks.iter().filter(|task| task["status"] == status).count()
}

async fn board(released: Arc<Notify>) -> Callboard {
    let mut settings = Settings::default();
    settings.http.listen = (Ipv4Addr::LOCALHOST, 0).into();
    let wait = move |ctx: Ctx, task: Wait| {
        let released = released.clone();
        async move {
            match task.for_what.as_str() {
                "approval" => drop(ctx.approval("ship it?").await?),
                "signal" => drop(ctx.signal::<callboard::Json>("go").await?),
                "sleep" => ctx.sleep(Duration::from_secs(86_400)).await?,
                _ => {
                    let released = released.notified();
                    ctx.progress(callboard::Json::parse("{\"done\":4,\"total\":10}")?)?;
                    released.await;
                }
            }
            Ok(task.for_what)
        }
    };
    let fail = |_: Ctx, task: Fail| async move {
        match task.is_final {
            true => Err::<String, _>(Error::terminal("there is no such repository")),
            false => Err(Error::retryable("no disk")),
        }
    };
    let pay = |ctx: Ctx, _: Pay| async move {
        let pay = ctx.effect("pay").irreversible();
        pay.run(|_| async { Err::<String, _>(Error::retryable("the line is dead")) }).await
    };
    let spend = |ctx: Ctx, _: Spend| async move {
        let cost = || Cost::calls(1).usd(0.40);
        let once =
            ctx.spend("ask", cost(), || async { Ok(Spent { value: 1, cost: Cost::calls(1).usd(0.39) }) }).await?;
        let again = ctx.spend("again", cost(), || async { Ok(Spent { value: 1, cost: Cost::calls(1).usd(0.39) }) });
        Ok(once + again.await?)
    };
    Callboard::builder(settings)
        .ephemeral()
        .metrics()
        .limit_capability("say", Limit::per(Duration::from_secs(3_600), 600).at_once(2))
        .task_fn(|_, say: Say| async move { Ok(say.text) })
        .task_fn(fail)
        .task_fn(wait)
        .task_fn(pay)
        .task_fn(spend)
        .pool(|| Sick)
        .handles::<Ill>()
        .id("sick")
        .label("zone", "eu")
        .start()
        .await
        .expect("a board")
}

/// Does the same, and is ill.
#[task(output = String, capability = "ill")]
struct Ill {
    text: String,
}

struct Sick;

impl Agent<Ill> for Sick {
    async fn run(&mut self, _: &Ctx, task: Ill) -> Result<String> {
        Ok(task.text)
    }
}
