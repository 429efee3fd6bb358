//! Random handlers on nodes and stores that fail at random: they come to what a simple interpreter says, and nothing that
//! is recorded is done again.

use super::kit::*;
use super::lives::{Death, life, recorded};
use crate::random::Random;
use callboard::port::store::fault::{FaultStore, Odds};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Ctx, Either, Settings, What};
use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// What a handler does; one thing after the other, or side by side.
#[payload]
enum Op {
    Step(u32),
    /// A step that fails; the handler goes on.
    Fails(u32),
    Call(u32),
    /// A child that fails; the handler goes on.
    Doomed(u32),
    Map(Vec<u32>),
    /// The first of these that comes, whichever that is.
    First(Vec<u32>),
    Vote(u32),
    Sleep(u32),
    Signal,
    Approval,
    Keyed(u32),
    Checkable(u32),
    Irreversible(u32),
    /// A child that never ends loses against a sleep.
    Outlasts(u32),
    Nest(u32),
    /// A child that does all that.
    Child(Vec<Op>),
    /// A child that goes on while that is done, and is waited for then.
    Beside(u32, Vec<Op>),
    Both(Vec<Op>, Vec<Op>),
    Random,
    Progress,
    /// The first attempt ends here.
    Again,
}

#[task(output = String)]
struct Program {
    ops: Vec<Op>,
}

fn draw(random: &mut Random, depth: usize) -> Vec<Op> {
    let many = 1 + random.below(if depth == 0 { 7 } else { 3 });
    let number = |random: &mut Random| random.below(1_000) as u32;
    let op = |random: &mut Random| match random.below(if depth < 2 { 24 } else { 18 }) {
        0..3 => Op::Step(number(random)),
        3 => Op::Fails(number(random)),
        4 => Op::Call(number(random)),
        5 => Op::Doomed(number(random)),
        6 => Op::Map((0..random.below(5)).map(|_| number(random)).collect()),
        7 => Op::First((0..1 + random.below(3)).map(|_| number(random)).collect()),
        8 => Op::Vote(number(random)),
        9 => Op::Sleep(random.below(5_000) as u32),
        10 => Op::Signal,
        11 => Op::Approval,
        12 => Op::Keyed(number(random)),
        13 => Op::Checkable(number(random)),
        14 => Op::Irreversible(number(random)),
        15 => Op::Outlasts(number(random)),
        16 => match random.below(3) {
            0 => Op::Nest(number(random)),
            1 => Op::Random,
            _ => Op::Progress,
        },
        17 => Op::Again,
        18 | 19 => Op::Child(draw(random, depth + 1)),
        20 | 21 => Op::Beside(number(random), draw(random, depth + 1)),
        _ => Op::Both(draw(random, depth + 1), draw(random, depth + 1)),
    };
    (0..many).map(|_| op(random)).collect()
}

/// What a handler that does all that says, by a simple interpreter.
fn oracle(ops: &[Op]) -> String {
    let op = |op: &Op| match op {
        Op::Step(n) | Op::Call(n) | Op::Vote(n) | Op::Keyed(n) | Op::Checkable(n) | Op::Irreversible(n) => {
            n.to_string()
        }
        Op::Fails(n) | Op::Doomed(n) => format!("no {n}"),
        Op::Map(numbers) => format!("{numbers:?}"),
        Op::First(_) => "one".to_owned(),
        Op::Sleep(_) | Op::Outlasts(_) | Op::Random | Op::Progress | Op::Again => String::new(),
        Op::Signal => "signal".to_owned(),
        Op::Approval => "true".to_owned(),
        Op::Nest(n) => format!("used {n}"),
        Op::Child(ops) => format!("({})", oracle(ops)),
        Op::Beside(n, ops) => format!("[{}, {n}]", oracle(ops)),
        Op::Both(a, b) => format!("{{{} | {}}}", oracle(a), oracle(b)),
    };
    ops.iter().map(op).filter(|said| !said.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How many signals are waited for.
fn signals(ops: &[Op]) -> usize {
    let op = |op: &Op| match op {
        Op::Signal => 1,
        Op::Child(ops) | Op::Beside(_, ops) => signals(ops),
        Op::Both(a, b) => signals(a) + signals(b),
        _ => 0,
    };
    ops.iter().map(op).sum()
}

/// What outlives nodes.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Outside>>);

#[derive(Default)]
struct Outside {
    recorded: BTreeSet<(String, String)>,
    breaches: Vec<String>,
    /// How often each effect happened, and under which keys.
    effects: BTreeMap<(String, String), (usize, BTreeSet<String>)>,
    signalled: usize,
    /// Effects that happen until one takes its node with it, if one does.
    deadly: Option<usize>,
    killed: Arc<Notify>,
}

impl World {
    fn outside(&self) -> std::sync::MutexGuard<'_, Outside> {
        self.0.lock().unwrap()
    }

    /// The code of a call runs: the last that was made, by its kind and name.
    fn body(&self, ctx: &Ctx, call: &str) {
        let mut outside = self.outside();
        if outside.recorded.contains(&(ctx.task_name().to_owned(), call.to_owned())) {
            let breach = format!("{call} of {} runs although it is recorded", ctx.task_name());
            outside.breaches.push(breach);
        }
    }

    /// The effect happens; false if its node dies of that.
    fn effect(&self, task: &str, call: &str, key: &str) -> bool {
        let mut outside = self.outside();
        let is_deadly = outside.deadly == Some(0);
        outside.deadly = outside.deadly.and_then(|left| left.checked_sub(1));
        if is_deadly {
            outside.killed.notify_one();
        }
        let (times, keys) = outside.effects.entry((task.to_owned(), call.to_owned())).or_default();
        *times += 1;
        keys.insert(key.to_owned());
        !is_deadly
    }

    fn happened(&self, task: &str, call: &str) -> bool {
        self.outside().effects.contains_key(&(task.to_owned(), call.to_owned()))
    }
}

/// Names what is done by its place, so that every call has a name of its own and a test knows its key.
fn interpret<'a>(ctx: &'a Ctx, world: &'a World, ops: &'a [Op], place: String) -> BoxFuture<'a, Result<String>> {
    async move {
        let mut said = Vec::new();
        for (at, op) in ops.iter().enumerate() {
            let name = format!("{place}.{at}");
            let what = do_one(ctx, world, op, name).await?;
            if !what.is_empty() {
                said.push(what);
            }
        }
        Ok(said.join(" "))
    }
    .boxed()
}

async fn do_one(ctx: &Ctx, world: &World, op: &Op, name: String) -> Result<String> {
    let call = |kind: &str| format!("{kind}:{name}");
    let pause = async || tokio::time::sleep(Duration::from_millis(2)).await;
    let number = |n: &u32| echo(&n.to_string());
    Ok(match op {
        Op::Step(n) => {
            let step = ctx.step(&name, async || {
                world.body(ctx, &call("step"));
                pause().await;
                Ok(n.to_string())
            });
            step.await?
        }
        Op::Fails(n) => {
            let step = ctx.step(&name, async || {
                pause().await;
                Err::<String, _>(Error::terminal("as told"))
            });
            assert!(full(&step.await.unwrap_err()).contains("as told"), "{name}");
            format!("no {n}")
        }
        Op::Call(n) => ctx.call(number(n)).await?,
        Op::Doomed(n) => match ctx.call(echo("doomed")).await {
            Err(error) if full(&error).contains("as told") => format!("no {n}"),
            other => return other,
        },
        Op::Map(numbers) => format!("[{}]", ctx.map(numbers.iter().map(number)).width(2).await?.join(", ")),
        Op::First(numbers) => {
            ctx.map(numbers.iter().map(number)).first_ok(1).await?;
            "one".to_owned()
        }
        Op::Vote(n) => ctx.vote(number(n)).await?.winner,
        Op::Sleep(millis) => {
            ctx.sleep(Duration::from_millis((*millis).into())).await?;
            String::new()
        }
        Op::Signal => ctx.signal("s").await?,
        Op::Approval => ctx.approval(&name).await?.to_string(),
        Op::Keyed(n) | Op::Checkable(n) | Op::Irreversible(n) => {
            let irreversible = matches!(op, Op::Irreversible(_));
            let name = if irreversible { format!("{name}!") } else { name };
            let effect = ctx.effect(&name);
            let (task, key) = (ctx.task_name().to_owned(), format!("effect:{name}"));
            let effect = match op {
                Op::Keyed(_) => effect.keyed(),
                Op::Checkable(_) => {
                    effect.checkable(|| std::future::ready(Ok(world.happened(&task, &key).then(|| n.to_string()))))
                }
                _ => effect.irreversible(),
            };
            let run = effect.run(async |idempotency| {
                world.body(ctx, &key);
                pause().await;
                if !world.effect(&task, &key, idempotency.as_str()) {
                    std::future::pending::<()>().await;
                }
                pause().await;
                Ok(n.to_string())
            });
            run.await?
        }
        Op::Outlasts(millis) => match ctx.race(ctx.call(echo("never")), ctx.sleep(millis_of(*millis))).await {
            Either::First(output) => output?,
            Either::Second(slept) => slept.map(|()| String::new())?,
        },
        Op::Nest(n) => {
            let inner = Workflow::new(&name);
            let first = inner.task("first", number(n));
            let last = inner.task("last", Use { text: first.out() });
            ctx.nest(&inner).await?.output(&last).await?
        }
        Op::Child(ops) => format!("({})", ctx.call(Program { ops: ops.clone() }).await?),
        Op::Beside(n, ops) => {
            let child = ctx.submit(number(n)).await?;
            let said = interpret(ctx, world, ops, name).await?;
            format!("[{said}, {}]", child.await?)
        }
        Op::Both(a, b) => {
            let (left, right) = (ctx.scope(format!("{name} a")), ctx.scope(format!("{name} b")));
            // Names are those of places, so the scopes are only one more way to tell them apart.
            let both = futures::join!(
                interpret(&left, world, a, format!("{name}a")),
                interpret(&right, world, b, format!("{name}b"))
            );
            format!("{{{} | {}}}", both.0?, both.1?)
        }
        Op::Random => {
            let (random, was) = (ctx.random(), ctx.step(&name, async || Ok(ctx.task_name().len())).await?);
            assert!(random != 0 && was == ctx.task_name().len());
            String::new()
        }
        Op::Progress => {
            ctx.progress(&name)?;
            String::new()
        }
        Op::Again if ctx.attempt() == 1 => return Err(Error::retryable("again")),
        Op::Again => String::new(),
    })
}

fn millis_of(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

fn tight(settings: &mut Settings) {
    settings.partitions = 2;
    settings.park_after = Duration::from_millis(3);
    settings.retry.base = Duration::from_millis(5);
    settings.losses_max = 1_000;
    settings.closed_max = 1;
    settings.snapshot_events = 25;
    settings.garbage_late = Duration::from_secs(4);
}

async fn attend(board: &Callboard, run: &Run, world: &World, wanted: usize) -> Result<std::convert::Infallible> {
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for approval in board.approvals().await?.items {
            // Somebody else may have answered: an earlier try of unknown outcome.
            let _answered = board.approve(approval.id).await;
        }
        for effect in board.unknown_effects().await?.items {
            let happened = world.happened(&effect.task, unscoped(&effect.id.call));
            let value = number_of(&effect.id.call);
            let decide = board.decide(effect.id);
            let _decided = if happened { decide.happened(&value).await } else { decide.did_not_happen().await };
        }
        if world.outside().signalled < wanted && run.signal("s", &"signal").await.is_ok() {
            world.outside().signalled += 1;
        }
    }
}

/// A call without its scopes: what is done is named by its place.
fn unscoped(call: &str) -> &str {
    call.rsplit('/').next().unwrap_or(call)
}

/// What an irreversible effect would have given back, looked up in the program by the place that its name tells.
fn number_of(call: &str) -> String {
    let place = call.rsplit(':').next().unwrap_or_default().trim_end_matches('!');
    PLACES.with(|places| places.borrow().get(place).cloned().unwrap_or_else(|| "?".to_owned()))
}

thread_local! {
    /// The numbers of irreversible effects by place.
    static PLACES: std::cell::RefCell<BTreeMap<String, String>> = const { std::cell::RefCell::new(BTreeMap::new()) };
}

/// Gives every irreversible effect a number that is told by its place, which is what an outsider knows.
fn numbered(ops: &mut [Op], place: &str) {
    for (at, op) in ops.iter_mut().enumerate() {
        let name = format!("{place}.{at}");
        match op {
            Op::Irreversible(n) => {
                // Children begin anew with their places, so the same place means the same number.
                *n = name.bytes().fold(7, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 1_000;
                PLACES.with(|places| places.borrow_mut().insert(name, n.to_string()));
            }
            Op::Child(ops) => numbered(ops, "p"),
            Op::Beside(_, ops) => numbered(ops, &name),
            Op::Both(a, b) => {
                numbered(a, &format!("{name}a"));
                numbered(b, &format!("{name}b"));
            }
            _ => {}
        }
    }
}

/// One life; `spoil` has its store fail once it has begun.
async fn live(store: Arc<dyn Store>, world: &World, ops: &[Op], spoil: impl FnOnce()) -> Result<String> {
    let (echoes, programs) = (Tally::default(), world.clone());
    let builder = Callboard::dev().store(store).settings(tight).task_fn(move |_, task: Echo| {
        echoes.add(&task.text);
        async move {
            match task.text.as_str() {
                "never" => std::future::pending().await,
                "doomed" => Err(Error::terminal("as told")),
                _ => Ok(task.text),
            }
        }
    });
    let builder = builder.task_fn(|_, task: Use| async move { Ok(format!("used {}", *task.text)) });
    let builder = builder.task_fn(move |ctx: Ctx, program: Program| {
        let world = programs.clone();
        async move { interpret(&ctx, &world, &program.ops, "p".into()).await }
    });
    let board = builder.start().await?;
    spoil();
    let workflow = Workflow::new("random");
    let it = workflow.task("it", Program { ops: ops.to_vec() });
    let run = board.start(workflow).key("the run").await?;
    let ended = async {
        let said = run.output(&it).await?;
        run.outcome().await.map(|outcome| (said, outcome))
    };
    let (said, outcome) = tokio::select! {
        ended = ended => ended?,
        never = attend(&board, &run, world, signals(ops)) => match never? {},
    };
    assert_eq!(outcome, RunOutcome::Completed);
    let events: Vec<_> = run.events().collect().await;
    let mut once = BTreeSet::new();
    for event in &events {
        if let What::Recorded { call } = &event.what {
            assert!(once.insert((event.task.clone(), call.clone())), "recorded twice: {event}");
        }
    }
    assert!(board.unknown_effects().await?.items.is_empty() && board.approvals().await?.items.is_empty());
    assert_eq!(board.breaches(), []);
    board.shutdown().await?;
    Ok(said)
}

fn one_program(seed: u64) {
    let mut random = Random(seed);
    let mut ops = draw(&mut random, 0);
    numbered(&mut ops, "p");
    let (objects, world, expected) = (MemoryStore::new(), World::default(), oracle(&ops));
    let in_time = async |store: Arc<dyn Store>, spoil: Box<dyn FnOnce()>| {
        let lived = tokio::time::timeout(Duration::from_secs(7_200), live(store, &world, &ops, spoil)).await;
        lived.unwrap_or_else(|_| panic!("seed {seed}: it hangs: {ops:#?}"))
    };
    let deaths = random.below(6);
    for _ in 0..deaths {
        // The start takes some 60 operations.
        let operations = 50 + random.below(120);
        let death = if random.below(2) == 0 { Death::Before(operations) } else { Death::Behind(operations) };
        let (chance, calm) = (random.below(1 << 30) as u64, random.below(2) == 0);
        world.outside().deadly = Some(random.below(4));
        life(&objects, death, async |store| {
            let faults = FaultStore::new(store);
            let given = faults.clone();
            let spoil = move || {
                let odds = Odds { lose_request: 0.01, lose_answer: 0.02, late: 0.01, ..Odds::default() };
                let odds = Odds { twice: 0.02, exists: 0.02, refuse: 0.02, late_operations_max: 5, ..odds };
                if !calm {
                    given.random(chance, Odds { delay_max: Duration::from_millis(10), ..odds });
                }
            };
            let killed = world.outside().killed.clone();
            tokio::select! {
                _refused_by_its_store = in_time(Arc::new(faults), Box::new(spoil)) => {}
                () = killed.notified() => {}
            }
        });
        world.outside().deadly = None;
        let recorded = recorded(&objects, "the run", tight).into_iter();
        world.outside().recorded = recorded.map(|(task, call)| (task, unscoped(&call).to_owned())).collect();
    }
    let (said, _) = life(&objects, Death::Natural, async |store| in_time(store, Box::new(|| {})).await);
    let said = said.unwrap().unwrap_or_else(|error| panic!("seed {seed}: {}: {ops:#?}", full(&error)));
    assert_eq!(said, expected, "seed {seed}: {ops:#?}");
    let outside = world.outside();
    assert!(outside.breaches.is_empty(), "seed {seed}: {:#?}", outside.breaches);
    for ((task, call), (times, keys)) in &outside.effects {
        assert_eq!(keys.len(), 1, "seed {seed}: {call} of {task} under {keys:?}");
        assert!(
            *times == 1 || !call.ends_with('!') && *times <= deaths + 1,
            "seed {seed}: {call} of {task} {times} times"
        );
    }
}

/// `TEST_SEEDS` is how many programs to run, up to 10,000.
#[test]
fn random_handlers_come_to_what_an_interpreter_says_whatever_dies() {
    let seeds = std::env::var("TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(40).min(10_000);
    (0..seeds).for_each(one_program);
}

/// Runs the one program that `TEST_SEED` names, after a failure of the test above.
#[test]
fn the_random_handler_of_one_seed_comes_to_what_an_interpreter_says() {
    one_program(std::env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0));
}
