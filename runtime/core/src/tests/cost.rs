//! What commands cost in a run of 100,000 tasks: `cargo test --release -p callboard-core cost -- --ignored --nocapture`.
//!
//! A measurement, not a check: its figures belong to a machine, so no other run of the tests looks at them.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use super::board::name_id;
use crate::{
    Answer, Child, Command, Contract, Graph, GraphLimits, InstanceId, Json, Limits, LossReason, Millis, Note, Payload,
    RunId, Speaker, State, TaskIndex, TaskRef, TaskSpec, Token, Wait, check_step, decide,
};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

thread_local! {
    /// How long the events of the last command took to become lines.
    static ENCODED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

const MANY: u32 = 100_000;
const AT: Millis = Millis(1_790_000_000_000);

fn graph(tasks: Vec<TaskSpec>) -> Graph {
    let tasks = tasks.into_iter().map(Arc::new).collect();
    Graph {
        name: "large".into(),
        tasks,
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    }
}

/// `MANY` tasks and one that needs them all.
fn fan_in() -> Graph {
    let name = |n: u32| format!("task-{n}");
    let mut tasks: Vec<_> = (0..MANY - 1).map(|n| TaskSpec::new(name(n), "work", Json::null())).collect();
    let names: Vec<String> = (0..MANY - 1).map(name).collect();
    tasks.push(TaskSpec::new("last", "work", Json::of(&BTreeMap::from([("$all", names)])).unwrap()));
    graph(tasks)
}

/// One task and `MANY` that need it.
fn fan_out() -> Graph {
    let input = Json::parse("{\"x\":{\"$from\":\"first\"}}").unwrap();
    let mut tasks = vec![TaskSpec::new("first", "work", Json::null())];
    tasks.extend((1..MANY).map(|n| TaskSpec::new(format!("task-{n}"), "work", input.clone())));
    graph(tasks)
}

fn chain() -> Graph {
    let mut tasks = vec![TaskSpec::new("task-0", "work", Json::null())];
    tasks.extend((1..MANY).map(|n| {
        let input = format!("{{\"$from\":\"task-{}\"}}", n - 1);
        TaskSpec::new(format!("task-{n}"), "work", Json::parse(input).unwrap())
    }));
    graph(tasks)
}

fn speaker(run: RunId, task: u32, token: Token) -> Speaker {
    Speaker { task: TaskRef { run, task: TaskIndex(task) }, token, holder: InstanceId::new("n1", "x") }
}

/// Decides and applies, and tells the time of each half.
fn put(state: &mut State, command: Command) -> (Duration, Duration) {
    let started = Instant::now();
    let step = decide(state, AT, command).unwrap();
    let decided = started.elapsed();
    let mut line = Vec::new();
    step.events.iter().for_each(|event| event.encode(&mut line));
    ENCODED.set(started.elapsed() - decided);
    let decided_until = started.elapsed();
    step.events.iter().for_each(|event| state.apply(event));
    (decided, started.elapsed() - decided_until)
}

fn one(what: &str, state: &mut State, command: Command) {
    let (decided, applied) = put(state, command);
    println!("{what}: decide {decided:?}, encode {:?}, apply {applied:?}", ENCODED.get());
}

/// Many commands: the mean and the worst of one.
fn each(what: &str, state: &mut State, commands: impl Iterator<Item = Command>) {
    let times: Vec<Duration> = commands.map(|command| put(state, command)).map(|(a, b)| a + b).collect();
    let all: Duration = times.iter().sum();
    println!("{what}: {} commands in {all:?}, worst {:?}", times.len(), times.iter().max().unwrap());
}

fn submitted(what: &str, graph: Graph) -> (State, RunId) {
    // Children come on top of a run that is as large as one may be.
    let graph_limits = GraphLimits { tasks_max: 1_000_000, ..GraphLimits::default() };
    let (mut state, run) = (State::new(Limits { graph: graph_limits, ..Limits::default() }), name_id(what));
    let started = Instant::now();
    let graph = graph.check(&Limits::default().graph).unwrap();
    println!("{what}: check, outside of the partition: {:?}", started.elapsed());
    let again = graph.clone();
    one(&format!("{what}: submit"), &mut state, Command::Submit { run, graph, key: None });
    one(&format!("{what}: submit again"), &mut state, Command::Submit { run, graph: again, key: None });
    (state, run)
}

/// What it costs to hold each step against the invariants, beside the step itself.
#[test]
#[ignore = "a measurement, to be run in release"]
fn cost_of_the_checks() {
    let small = |n: u32| (name_id(&n.to_string()), graph(vec![TaskSpec::new("only", "work", Json::null())]));
    let graphs: Vec<_> =
        (0..20_000).map(small).map(|(run, graph)| (run, graph.check(&GraphLimits::NONE).unwrap())).collect();
    let mut state = State::new(Limits::default());
    let (mut decided, mut checked, mut rest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut line = Vec::new();
    for (run, graph) in graphs {
        let speaker = speaker(run, 0, Token::FIRST);
        let output = Payload::Json(Json::null());
        let submit = Command::Submit { run, graph, key: None };
        for command in [submit, Command::Accept(speaker.clone(), None), Command::Complete(speaker, output)] {
            let started = Instant::now();
            let step = decide(&state, AT, command).unwrap();
            let after_decide = Instant::now();
            let breaches = check_step(&state, AT, &step);
            let after_check = Instant::now();
            line.clear();
            for event in &step.events {
                event.encode(&mut line);
                state.apply(event);
            }
            rest += after_check.elapsed();
            (decided, checked) = (decided + (after_decide - started), checked + (after_check - after_decide));
            assert_eq!(breaches, []);
        }
    }
    println!("20,000 runs of a task: decide {decided:?}, check {checked:?}, encode and apply {rest:?}");
}

#[test]
#[ignore = "a measurement, to be run in release"]
fn cost() {
    let result = || Payload::Json(Json::null());
    let cancel = |run| Command::Cancel { run, reason: "enough".into() };
    let failure = || crate::Failure::new(crate::FailureClass::Terminal, "broken");

    let (mut state, run) = submitted("fan-in", fan_in());
    let all = || (0..MANY - 1).map(move |n| speaker(run, n, Token::FIRST));
    let mut fresh = state.clone();
    one("fan-in: cancel when all are ready", &mut fresh, cancel(run));
    let mut paused = state.clone();
    one("fan-in: pause when all are ready", &mut paused, Command::Pause { run, reason: "enough".into() });
    one("fan-in: resume when all are ready", &mut paused, Command::Unpause { run });
    one("fan-in: archive", &mut fresh, Command::Archive { runs: vec![run], page: Json::null() });
    each("fan-in: fail", &mut state.clone(), all().map(|speaker| Command::Fail(speaker, failure())));
    each("fan-in: accept", &mut state, all().map(|speaker| Command::Accept(speaker, None)));
    one("fan-in: cancel when all are running", &mut state.clone(), cancel(run));
    let mut lost = state.clone();
    let nodes: Vec<Arc<str>> = (0..100).map(|n| format!("node-{n}").into()).collect();
    each("fan-in: keep", &mut lost, (0..=MANY / 1_000).map(|_| Command::KeepHolders(nodes.clone())));
    one("fan-in: keep, none held", &mut lost, Command::KeepHolders(nodes));
    each("fan-in: lose", &mut state.clone(), all().map(|speaker| Command::Lose(speaker, LossReason::Gone)));
    let mut due = state.clone();
    let started = Instant::now();
    while let Some(timer) = due.pop_due(AT.after(Duration::from_secs(10))) {
        put(&mut due, Command::Due(timer));
    }
    println!("fan-in: all leases expire: {:?}", started.elapsed());
    let started = Instant::now();
    println!("fan-in: recover: {} effects in {:?}", state.clone().recover(AT).len(), started.elapsed());
    each("fan-in: complete", &mut state, all().map(|speaker| Command::Complete(speaker, result())));
    let started = Instant::now();
    let parts = state.run(run).unwrap().input(TaskIndex(MANY - 1)).unwrap().len();
    println!("fan-in: input of {parts} parts in {:?}", started.elapsed());
    one("fan-in: complete the last", &mut state, Command::Complete(speaker(run, MANY - 1, Token::FIRST), result()));
    let started = Instant::now();
    let _ = state.run(run).unwrap().digest();
    println!("fan-in: digest in {:?}", started.elapsed());

    let (mut state, run) = submitted("fan-out", fan_out());
    let first = || speaker(run, 0, Token::FIRST);
    let mut failed = state.clone();
    one("fan-out: fail the first", &mut failed, Command::Fail(first(), failure()));
    let retry = |index| {
        let task = TaskRef { run, task: TaskIndex(index) };
        Command::Retry { task, token: Token::FIRST, input: None }
    };
    one("fan-out: resume the first", &mut failed, retry(0));
    one("fan-out: complete the first", &mut state, Command::Complete(first(), result()));

    let (mut state, run) = submitted("chain", chain());
    let mut failed = state.clone();
    one("chain: fail the first", &mut failed, Command::Fail(speaker(run, 0, Token::FIRST), failure()));
    let task = TaskRef { run, task: TaskIndex(0) };
    one("chain: resume the first", &mut failed, Command::Retry { task, token: Token::FIRST, input: None });
    let all = (0..MANY).map(|n| Command::Complete(speaker(run, n, Token::FIRST), result()));
    each("chain: complete", &mut state, all);
}

/// Calls of one handler, and parties of one barrier.
const CALLS: u32 = 10_000;

fn key(n: u32) -> Arc<str> {
    format!("call:{n}").into()
}

fn child(n: u32, after: Option<String>) -> Child {
    let spec = TaskSpec { after: after.into_iter().collect(), ..TaskSpec::new("", "work", Json::null()) };
    Child { key: key(n), alias: None, hash: None, priority: None, spec }
}

#[test]
#[ignore = "a measurement, to be run in release"]
fn cost_of_durable_code() {
    let value = || Payload::Json(Json::null());
    let cancel = |run| Command::Cancel { run, reason: "enough".into() };
    let failure = || crate::Failure::new(crate::FailureClass::Terminal, "broken");
    let (fresh, run) = submitted("durable", fan_in());
    let first = || speaker(run, 0, Token::FIRST);
    let note = |note| Command::Note(first(), note);

    let mut state = fresh.clone();
    each("steps", &mut state, (0..CALLS).map(|n| note(Note::Value(key(n), value()))));
    each("steps, again", &mut state, (0..CALLS).map(|n| note(Note::Value(key(n), value()))));
    each("steps of a task that ends in failure", &mut state, [Command::Fail(first(), failure())].into_iter());

    let mut state = fresh.clone();
    let after = |n: u32| Some(format!("task-{}", MANY - 2 - n));
    one("children, all at once", &mut state, note(Note::Children((0..CALLS).map(|n| child(n, after(n))).collect())));
    one("children, all again", &mut state, note(Note::Children((0..CALLS).map(|n| child(n, after(n))).collect())));
    one("children, all withdrawn", &mut state.clone(), note(Note::Withdraw((0..CALLS).map(key).collect())));
    one("children, their parent fails", &mut state.clone(), Command::Fail(first(), failure()));
    each(
        "children, each asked for by itself",
        &mut state,
        (CALLS..2 * CALLS).map(|n| note(Note::Children(vec![child(n, None)]))),
    );
    let mut token = Token::FIRST;
    let rounds = (CALLS..2 * CALLS).flat_map(|n| {
        let parent = speaker(run, 0, token);
        token = token.next_activation();
        // What was seen: each child was asked for, and so many have ended.
        let park = Command::Note(parent, Note::Park { seen: (CALLS + n) as usize, gate: None });
        [park, Command::Complete(speaker(run, MANY + n, Token::FIRST), value())]
    });
    each("children that end while their parent is parked", &mut state, rounds);
    one("children, cancel", &mut state, cancel(run));

    let signal = |n| Wait::Signal { name: if n % 2 == 0 { "go".into() } else { key(n) }, until: None };
    let mut state = fresh.clone();
    let limit = Some(Duration::from_secs(1));
    each("waits", &mut state, (0..CALLS).map(|n| note(Note::Wait { key: key(n), wait: signal(n), limit })));
    let mut due = state.clone();
    let mut worst = Duration::ZERO;
    while let Some(timer) = due.pop_due(AT.after(Duration::from_secs(2))) {
        let (decided, applied) = put(&mut due, Command::Due(timer));
        worst = worst.max(decided + applied);
    }
    println!("waits, all over at once: worst {worst:?}");
    let answer = |n: u32| Answer::Signal { id: Uuid::from_u128(n.into()), name: "go".into(), value: value() };
    each("waits, signals", &mut state.clone(), (0..CALLS).map(|n| Command::Answer(run, answer(n))));
    one("waits, their task fails", &mut state, Command::Fail(first(), failure()));

    let mut state = fresh.clone();
    let approval = || Wait::Approval { prompt: "?".into(), number: 0, until: None };
    each("approvals", &mut state, (0..CALLS).map(|n| note(Note::Wait { key: key(n), wait: approval(), limit: None })));
    let approve = |n: u32| {
        let (task, number) = (Some(TaskIndex(0)), Some(CALLS - n));
        Answer::Approval { id: Uuid::from_u128(n.into()), task, number, approved: true, by: None }
    };
    each("approvals, answers", &mut state, (0..CALLS).map(|n| Command::Answer(run, approve(n))));

    let mut state = fresh.clone();
    let gate = |parties| Wait::Barrier { name: "gate".into(), parties, value: Json::null(), until: None };
    let come = |n, parties| {
        Command::Note(speaker(run, n, Token::FIRST), Note::Wait { key: key(0), wait: gate(parties), limit: None })
    };
    each("barrier", &mut state, (0..CALLS - 1).map(|n| come(n, CALLS)));
    one("barrier, cancel", &mut state.clone(), cancel(run));
    one("barrier, opens", &mut state, come(CALLS - 1, CALLS));

    let mut state = fresh;
    let undo = Some(Arc::new(TaskSpec::new("undo", "work", Json::null())));
    let begin = |n| note(Note::Begin { key: key(n), contract: Contract::Keyed, undo: undo.clone(), since: None });
    each("effects", &mut state, (0..CALLS).flat_map(|n| [begin(n), note(Note::Value(key(n), value()))]));
    one("effects, cancel", &mut state, cancel(run));
    let undos = (0..CALLS).map(|n| Command::Complete(speaker(run, MANY + n, Token::FIRST), value()));
    each("effects, undone", &mut state, undos);

    let (state, run) = submitted("chain", chain());
    let ask = |task, after: u32| {
        let children = vec![child(0, Some(format!("task-{after}")))];
        Command::Note(speaker(run, task, Token::FIRST), Note::Children(children))
    };
    let started = Instant::now();
    let refused = decide(&state, AT, ask(0, MANY - 1)).unwrap_err();
    println!("a cycle of all tasks, refused in {:?}: {} bytes", started.elapsed(), refused.to_string().len());

    // Half of the tasks wait for who asks, and who is needed waits for the other half.
    let (mut state, run) = submitted("two chains", two_chains());
    let children = vec![child(0, Some(format!("task-{}", MANY - 1)))];
    let ask = Command::Note(speaker(run, 0, Token::FIRST), Note::Children(children));
    one("two chains: no cycle", &mut state, ask);
}

fn two_chains() -> Graph {
    let chained = |n: u32| match n {
        0 => Json::null(),
        n if n == MANY / 2 => Json::null(),
        n => Json::parse(format!("{{\"$from\":\"task-{}\"}}", n - 1)).unwrap(),
    };
    graph((0..MANY).map(|n| TaskSpec::new(format!("task-{n}"), "work", chained(n))).collect())
}
