//! Random handlers, what really came of their calls, and what they must say in the end.

use crate::letters;
use crate::random::Random;
use callboard::prelude::*;
use callboard::{Builder, Capability, Ctx, Either, JsonAgent, JsonTask, RunId};
use callboard_core::Json;
use futures::FutureExt;
use futures::future::BoxFuture;

/// What a handler does; one thing after the other, or side by side.
#[payload]
pub enum Op {
    /// A step.
    Step(u32),
    /// A step that fails; the handler goes on.
    Fails(u32),
    /// A child.
    Call(u32),
    /// A child that fails; the handler goes on.
    Doomed(u32),
    /// Many children.
    Map(Vec<u32>),
    /// The first of these that comes, whichever that is.
    First(Vec<u32>),
    /// The same child several times.
    Vote(u32),
    /// So many milliseconds.
    Sleep(u32),
    /// Waits for a signal.
    Signal,
    /// Waits for an approval.
    Approval,
    /// An effect that can be repeated under its key.
    Keyed(u32),
    /// An effect that can be looked up.
    Checkable(u32),
    /// An effect that nobody but a person can look up.
    Irreversible(u32),
    /// A child that never ends loses against a sleep.
    Outlasts(u32),
    /// A graph within.
    Nest(u32),
    /// A child that does all that.
    Child(Vec<Op>),
    /// A child that goes on while that is done, and is waited for then.
    Beside(u32, Vec<Op>),
    /// Both at once.
    Both(Vec<Op>, Vec<Op>),
    /// Two steps of one name, of which now one and now the other is polled first.
    Twins(u32, u32),
    /// Draws a number.
    Random,
    /// Says how far it is.
    Progress,
    /// The first attempt ends here.
    Again,
    /// A call that is reserved at so many calls of the budget, and really costs so many.
    Spend {
        /// What it says.
        n: u32,
        /// What is reserved.
        at_most: u64,
        /// What it costs.
        costs: u64,
    },
}

/// Does all that.
#[task(output = String)]
pub struct Program {
    /// What it does.
    pub ops: Vec<Op>,
    /// What it is given by those before it in its graph; it says nothing about it.
    pub given: In<Vec<String>>,
}

/// The capability of those who say what they are told, whatever it is.
pub const PARROT: &str = "parrot";

/// Says what it was given.
#[task(output = String)]
pub struct Echo {
    /// What it says; `never` and `doomed` do as they are called.
    pub text: String,
}

/// Takes the output of another task.
#[task(output = String)]
pub struct Use {
    /// The output.
    pub text: In<String>,
}

impl Program {
    /// A program without inputs.
    #[must_use]
    pub fn new(ops: Vec<Op>) -> Self {
        Self { ops, given: Vec::new().into() }
    }
}

/// Something to do, at random; irreversible effects are told by their places.
#[must_use]
pub fn draw(random: &mut Random, most: usize) -> Vec<Op> {
    let mut ops = many(random, 0, most);
    numbered(&mut ops, "p");
    ops
}

fn many(random: &mut Random, depth: usize, most: usize) -> Vec<Op> {
    let count = 1 + random.below(if depth == 0 { most } else { 3 });
    (0..count).map(|_| one(random, depth, most)).collect()
}

fn one(random: &mut Random, depth: usize, most: usize) -> Op {
    let number = |random: &mut Random| random.below(1_000) as u32;
    match random.below(if depth < 2 { 25 } else { 19 }) {
        0..3 => Op::Step(number(random)),
        3 => Op::Fails(number(random)),
        4 => Op::Call(number(random)),
        5 => Op::Doomed(number(random)),
        6 => Op::Map((0..random.below(5)).map(|_| number(random)).collect()),
        7 => Op::First((0..1 + random.below(3)).map(|_| number(random)).collect()),
        8 => Op::Vote(number(random)),
        9 => Op::Sleep(random.below(3_000) as u32),
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
        18 => Op::Twins(number(random), number(random)),
        19 | 20 => Op::Child(many(random, depth + 1, most)),
        21 | 22 => Op::Beside(number(random), many(random, depth + 1, most)),
        _ => Op::Both(many(random, depth + 1, most), many(random, depth + 1, most)),
    }
}

/// Gives every irreversible effect the number that its place tells: it is all that an outsider knows.
fn numbered(ops: &mut [Op], place: &str) {
    for (at, op) in ops.iter_mut().enumerate() {
        let name = format!("{place}.{at}");
        match op {
            Op::Irreversible(n) => *n = number_of_place(&name),
            // Children begin anew with their places.
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

fn number_of_place(place: &str) -> u32 {
    place.bytes().fold(7, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 1_000
}

/// What an irreversible effect gives back that is called so, scopes and all.
#[must_use]
pub fn number_of(call: &str) -> String {
    number_of_place(call.rsplit(':').next().unwrap_or_default().trim_end_matches('!')).to_string()
}

/// A call without its scopes: what is done is named by its place.
#[must_use]
pub fn unscoped(call: &str) -> &str {
    call.rsplit('/').next().unwrap_or(call)
}

/// What a handler that does all that says, by a simple interpreter.
#[must_use]
pub fn oracle(ops: &[Op]) -> String {
    let op = |op: &Op| match op {
        Op::Step(n)
        | Op::Call(n)
        | Op::Vote(n)
        | Op::Keyed(n)
        | Op::Checkable(n)
        | Op::Irreversible(n)
        | Op::Spend { n, .. } => n.to_string(),
        Op::Fails(n) | Op::Doomed(n) => format!("no {n}"),
        Op::Map(numbers) => format!("{numbers:?}"),
        Op::Twins(one, other) => format!("{one}+{other}"),
        Op::First(_) => "one".to_owned(),
        Op::Sleep(_) | Op::Outlasts(_) | Op::Random | Op::Progress | Op::Again => String::new(),
        Op::Signal => "signal".to_owned(),
        Op::Approval => "answered".to_owned(),
        Op::Nest(n) => format!("used {n}"),
        Op::Child(ops) => format!("({})", oracle(ops)),
        Op::Beside(n, ops) => format!("[{}, {n}]", oracle(ops)),
        Op::Both(a, b) => format!("{{{} | {}}}", oracle(a), oracle(b)),
    };
    ops.iter().map(op).filter(|said| !said.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How many signals are waited for.
#[must_use]
pub fn signals(ops: &[Op]) -> usize {
    let op = |op: &Op| match op {
        Op::Signal => 1,
        Op::Child(ops) | Op::Beside(_, ops) => signals(ops),
        Op::Both(a, b) => signals(a) + signals(b),
        _ => 0,
    };
    ops.iter().map(op).sum()
}

/// Whether approvals are asked for.
#[must_use]
pub fn asks(ops: &[Op]) -> bool {
    ops.iter().any(|op| match op {
        Op::Approval => true,
        Op::Beside(_, ops) => asks(ops),
        Op::Both(a, b) => asks(a) || asks(b),
        _ => false,
    })
}

/// Whoever sees from outside what handlers really do. Calls are told without their scopes.
pub trait Outside: Clone + Send + Sync + 'static {
    /// A handler begins; what tells it from those before it.
    fn begins(&self) -> u64;

    /// The code of a call runs, for a handler that began so.
    fn body(&self, task: &str, call: &str, begun: u64);

    /// A handler is given the result of a call.
    fn given(&self, task: &str, call: &str);

    /// An effect happens, under this idempotency key. False if whoever does it dies of that.
    fn effect(&self, task: &str, call: &str, key: &str) -> bool;

    /// Whether an effect has happened.
    fn happened(&self, task: &str, call: &str) -> bool;

    /// Calls what steps depend on now and then; false if it is down.
    fn depended_on(&self) -> bool {
        true
    }

    /// A call of a task is paid for: so much, of which so much was reserved.
    fn pays(&self, _task: &str, _call: &str, _costs: u64, _at_most: u64) {}

    /// A handler is given the answer to an approval.
    fn acts_upon(&self, _task: &str, _approval: &str, _yes: bool) {}

    /// An instance handles a letter.
    fn heard(&self, _letter: u64, _instance: &str) {}
}

/// Tells a task from all others, whoever performs it.
#[must_use]
pub fn id_of(run: RunId, task: &str) -> String {
    format!("{run} {task}")
}

/// One activation of a program.
pub struct Performance<'a, O> {
    ctx: &'a Ctx,
    outside: &'a O,
    /// Tells the task from all others.
    id: &'a str,
    begun: u64,
}

impl Program {
    /// Does what the program says.
    ///
    /// # Errors
    ///
    /// Those of the calls, where the program says nothing else.
    pub async fn perform(&self, ctx: &Ctx, outside: &impl Outside) -> Result<String> {
        let (id, begun) = (id_of(ctx.run_id(), ctx.task_name()), outside.begins());
        Performance { ctx, outside, id: &id, begun }.all(&self.ops, "p".into()).await
    }
}

impl<O: Outside> Performance<'_, O> {
    /// Names what is done by its place, so that every call has a name of its own and a test knows its key.
    fn all<'b>(&'b self, ops: &'b [Op], place: String) -> BoxFuture<'b, Result<String>> {
        async move {
            let mut said = Vec::new();
            for (at, op) in ops.iter().enumerate() {
                let what = self.one(op, format!("{place}.{at}")).await?;
                if !what.is_empty() {
                    said.push(what);
                }
            }
            Ok(said.join(" "))
        }
        .boxed()
    }

    async fn one(&self, op: &Op, name: String) -> Result<String> {
        let Self { ctx, outside, id, begun } = *self;
        let pause = async || tokio::time::sleep(Duration::from_millis(2)).await;
        let number = |n: &u32| Echo { text: n.to_string() };
        Ok(match op {
            Op::Step(n) if n.is_multiple_of(2) => self.guarded(&name, *n).await?,
            Op::Step(n) => {
                let call = format!("step:{name}");
                let step = ctx.step(&name, async || {
                    outside.body(id, &call, begun);
                    pause().await;
                    Ok(n.to_string())
                });
                let said = step.await?;
                outside.given(id, &call);
                said
            }
            Op::Fails(n) => {
                let step = ctx.step(&name, async || {
                    pause().await;
                    Err::<String, _>(Error::terminal("as told"))
                });
                match step.await {
                    Err(error) if is_as_told(&error) => format!("no {n}"),
                    other => return other,
                }
            }
            Op::Call(n) => ctx.call(number(n)).await?,
            Op::Doomed(n) => match ctx.call(Echo { text: "doomed".into() }).await {
                Err(error) if is_as_told(&error) => format!("no {n}"),
                other => return other,
            },
            Op::Map(numbers) => format!("[{}]", ctx.map(numbers.iter().map(number)).width(2).await?.join(", ")),
            Op::First(numbers) => {
                ctx.map(numbers.iter().map(number)).first_ok(1).await?;
                "one".to_owned()
            }
            Op::Vote(n) => ctx.vote(number(n)).await?.winner,
            Op::Sleep(millis) => {
                ctx.sleep(millis_of(*millis)).await?;
                String::new()
            }
            Op::Signal => ctx.signal("s").await?,
            Op::Approval => {
                let yes = ctx.approval(&name).await?;
                outside.acts_upon(id, &name, yes);
                "answered".to_owned()
            }
            Op::Keyed(n) | Op::Checkable(n) | Op::Irreversible(n) => self.effect(op, *n, name).await?,
            Op::Outlasts(millis) => {
                let never = ctx.call(Echo { text: "never".into() });
                match ctx.race(never, ctx.sleep(millis_of(*millis))).await {
                    Either::First(output) => output?,
                    Either::Second(slept) => slept.map(|()| String::new())?,
                }
            }
            Op::Nest(n) => {
                let inner = Workflow::new(&name);
                let first = inner.task("first", number(n));
                let last = inner.task("last", Use { text: first.out() });
                ctx.nest(&inner).await?.output(&last).await?
            }
            Op::Child(ops) => {
                let said = ctx.call(Program::new(ops.clone())).await?;
                format!("({said})")
            }
            Op::Beside(n, ops) => {
                let child = ctx.submit(number(n)).await?;
                let said = self.all(ops, name).await?;
                format!("[{said}, {}]", child.await?)
            }
            Op::Both(a, b) => {
                let (left, right) = (ctx.scope(format!("{name} a")), ctx.scope(format!("{name} b")));
                let (left, right) = (Performance { ctx: &left, ..*self }, Performance { ctx: &right, ..*self });
                // Names are those of places, so the scopes are only one more way to tell them apart.
                let both = futures::join!(left.all(a, format!("{name}a")), right.all(b, format!("{name}b")));
                format!("{{{} | {}}}", both.0?, both.1?)
            }
            Op::Twins(one, other) => {
                let (first, second) = (self.twin(&name, one), self.twin(&name, other));
                let (early, late) = (Duration::ZERO, Duration::from_millis(1 + begun % 3));
                let (before, behind) = if begun.is_multiple_of(2) { (early, late) } else { (late, early) };
                let first = async { tokio::time::sleep(before).then(|()| first).await };
                let second = async { tokio::time::sleep(behind).then(|()| second).await };
                let both = futures::join!(first, second);
                format!("{}+{}", both.0?, both.1?)
            }
            Op::Random => {
                let (random, was) = (ctx.random(), ctx.step(&name, async || Ok(ctx.task_name().len())).await?);
                if random == 0 || was != ctx.task_name().len() {
                    return Err(Error::terminal(format!("{name} is given what another call has recorded: {was}")));
                }
                String::new()
            }
            Op::Progress => {
                ctx.progress(&name)?;
                String::new()
            }
            Op::Spend { n, at_most, costs } => {
                let call = format!("spend:{name}");
                let spend = ctx.spend(&name, callboard::Cost::calls(*at_most), async || {
                    outside.body(id, &call, begun);
                    pause().await;
                    outside.pays(id, &call, *costs, *at_most);
                    pause().await;
                    Ok(callboard::Spent { value: n.to_string(), cost: callboard::Cost::calls(*costs) })
                });
                let said = spend.await?;
                outside.given(id, &call);
                said
            }
            Op::Again if ctx.attempt() == 1 => return Err(Error::retryable("again")),
            Op::Again => String::new(),
        })
    }

    /// A step that calls what may be down. What has failed is tried under another name: what is recorded holds.
    async fn guarded(&self, name: &str, n: u32) -> Result<String> {
        let Self { ctx, outside, id, begun } = *self;
        for tried in 0_u32.. {
            let name = if tried == 0 { name.to_owned() } else { format!("{name}~{tried}") };
            let call = format!("step:{name}");
            let asks = || async {
                outside.body(id, &call, begun);
                // As a probe the slow one has to say that it is still under way, to the breaker and to the other nodes.
                tokio::time::sleep(Duration::from_millis(if n % 4 == 3 { 6_000 } else { 2 })).await;
                if outside.depended_on() { Ok(n.to_string()) } else { Err(Error::retryable("it is down")) }
            };
            let step = ctx.step(&name, || ctx.guard("outside", asks));
            match step.await {
                Err(error) if format!("{error:#}").contains("it is down") => {}
                said => {
                    let said = said?;
                    outside.given(id, &call);
                    return Ok(said);
                }
            }
        }
        Err(Error::terminal("it was down for ever"))
    }

    /// A step that is told from another of its name by the order of the calls alone.
    fn twin<'b>(&'b self, name: &'b str, n: &'b u32) -> impl Future<Output = Result<String>> + Send + 'b {
        self.ctx.step(name, async move || {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok(n.to_string())
        })
    }

    async fn effect(&self, op: &Op, n: u32, name: String) -> Result<String> {
        let Self { ctx, outside, id, begun } = *self;
        let name = if matches!(op, Op::Irreversible(_)) { format!("{name}!") } else { name };
        let call = format!("effect:{name}");
        let effect = ctx.effect(&name);
        let effect = match op {
            Op::Keyed(_) => effect.keyed(),
            Op::Checkable(_) => {
                let (outside, id, call) = (outside.clone(), id.to_owned(), call.clone());
                effect.checkable(move || std::future::ready(Ok(outside.happened(&id, &call).then(|| n.to_string()))))
            }
            _ => effect.irreversible(),
        };
        let run = effect.run(async |idempotency| {
            outside.body(id, &call, begun);
            tokio::time::sleep(Duration::from_millis(2)).await;
            if !outside.effect(id, &call, idempotency.as_str()) {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok(n.to_string())
        });
        let said = run.await?;
        outside.given(id, &call);
        Ok(said)
    }
}

fn is_as_told(error: &Error) -> bool {
    format!("{error:#}").contains("as told")
}

fn millis_of(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

/// Performs programs.
struct Performer<O>(O);

impl<O: Outside> Agent<Program> for Performer<O> {
    async fn run(&mut self, ctx: &Ctx, program: Program) -> Result<String> {
        program.perform(ctx, &self.0).await
    }

    async fn message(&mut self, ctx: &MessageCtx, message: &Message) -> Result<Reply> {
        letters::heard(&self.0, ctx.instance(), message)
    }
}

/// Says what it is told, and knows no types.
struct Parrot;

impl JsonAgent for Parrot {
    async fn run(&mut self, _: &Ctx, task: JsonTask) -> Result<Json> {
        Ok(task.input)
    }
}

/// Adds the agents that programs and their children need; `instances` of them perform programs.
pub fn employed(builder: Builder, instances: usize, outside: &impl Outside) -> Builder {
    let outside = outside.clone();
    let builder = builder.task_fn(|_, task: Echo| async move {
        match task.text.as_str() {
            "never" => std::future::pending().await,
            "doomed" => Err(Error::terminal("as told")),
            _ => Ok(task.text),
        }
    });
    let builder = builder.task_fn(|_, task: Use| async move { Ok(format!("used {}", *task.text)) });
    let builder = builder.add(Pool::json(|| Parrot).capability(Capability::new(PARROT)));
    builder.agents(instances, move || Performer(outside.clone()))
}
