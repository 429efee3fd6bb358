//! The hot paths of the workflow machine: what each costs, without a clock's noise where that matters.
//!
//!     cargo bench -p callboard-core --bench core                    # time, by criterion
//!     benches/core/instructions                                        # instructions, beside those that are committed
//!
//! Each path prepares what it needs and then does the same work each time; counted is only what is within [`measured`].

use callboard_core::{
    Child, Command, Event, Graph, GraphLimits, InstanceId, Json, Limits, Millis, Note, Payload, RunId, Speaker, State,
    TaskIndex, TaskRef, TaskSpec, Token, check_step, decide,
};
use criterion::{BatchSize, Criterion};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

const AT: Millis = Millis(1_790_000_000_000);

/// What is counted: an argument of callgrind names this function.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// A hot path: how often it does the same, and the work, with what that needs prepared.
struct Path {
    name: &'static str,
    times: u32,
    prepare: fn() -> Box<dyn FnOnce()>,
}

const PATHS: [Path; 8] = [
    Path { name: "a run of one task: submit, accept, complete", times: 1_000, prepare: || single(false) },
    Path { name: "the same, held against the invariants", times: 1_000, prepare: || single(true) },
    Path { name: "the events of such a run read and applied", times: 1_000, prepare: replay },
    Path { name: "a task of a run of 1,000: accept, complete", times: 1_000, prepare: || wide(1_000) },
    Path { name: "a task of a run of 10,000: accept, complete", times: 10_000, prepare: || wide(10_000) },
    Path { name: "a graph of 1,000 tasks, checked", times: 1_000, prepare: check },
    Path { name: "a step of a handler", times: 1_000, prepare: steps },
    Path { name: "a child of a handler: submit, accept, complete", times: 1_000, prepare: children },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, name] = &arguments[..]
        && mode == "--once"
    {
        let path = PATHS.iter().find(|path| path.name == *name).expect("the name of a path");
        return (path.prepare)()();
    }
    if arguments.iter().any(|argument| argument == "--names") {
        return PATHS.iter().for_each(|path| println!("{}\t{}", path.times, path.name));
    }
    let mut criterion = Criterion::default().configure_from_args();
    for Path { name, times, prepare } in PATHS {
        let mut group = criterion.benchmark_group(name);
        group.throughput(criterion::Throughput::Elements(times.into()));
        group.bench_function("time", |bencher| bencher.iter_batched(prepare, |work| work(), BatchSize::PerIteration));
        group.finish();
    }
    criterion.final_summary();
}

fn run_id(number: u32) -> RunId {
    RunId::new(uuid::Uuid::from_u128(number.into()))
}

fn graph(tasks: impl IntoIterator<Item = TaskSpec>) -> Graph {
    Graph {
        name: "bench".into(),
        tasks: tasks.into_iter().map(Arc::new).collect(),
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    }
}

fn input() -> Json {
    Json::of(&"x".repeat(256)).expect("a text is JSON")
}

/// So many tasks and one that needs them all.
fn fan(width: u32) -> Graph {
    let names: Vec<String> = (0..width).map(|n| format!("task-{n}")).collect();
    let needs = Json::of(&BTreeMap::from([("$all", &names)])).expect("names are JSON");
    let tasks = names.iter().map(|name| TaskSpec::new(&**name, "work", input()));
    graph(tasks.chain([TaskSpec::new("last", "work", needs)]))
}

fn speaker(run: RunId, task: u32) -> Speaker {
    Speaker { task: TaskRef { run, task: TaskIndex(task) }, token: Token::FIRST, holder: InstanceId::new("n1", "work") }
}

fn null() -> Payload {
    Payload::Json(Json::null())
}

/// What a partition does with a command, but for the disk.
fn put(state: &mut State, line: &mut Vec<u8>, command: Command, is_checked: bool) {
    let step = decide(state, AT, command).expect("it is agreed to");
    if is_checked {
        assert_eq!(check_step(state, AT, &step), []);
    }
    line.clear();
    for event in &step.events {
        event.encode(line);
        state.apply(event);
    }
}

/// The three commands of each run.
fn commands() -> Vec<Command> {
    let of_run = |number: u32| {
        let run = run_id(number);
        let graph = graph([TaskSpec::new("only", "work", input())]).check(&GraphLimits::NONE).expect("a good graph");
        let speaker = speaker(run, 0);
        [
            Command::Submit { run, graph, key: None },
            Command::Accept(speaker.clone(), None),
            Command::Complete(speaker, null()),
        ]
    };
    (0..1_000).flat_map(of_run).collect()
}

fn single(is_checked: bool) -> Box<dyn FnOnce()> {
    let (mut state, mut line, commands) = (State::new(Limits::default()), Vec::new(), commands());
    Box::new(move || {
        measured(|| commands.into_iter().for_each(|command| put(&mut state, &mut line, command, is_checked)));
        drop(state);
    })
}

fn replay() -> Box<dyn FnOnce()> {
    let (mut state, mut lines) = (State::new(Limits::default()), Vec::new());
    for command in commands() {
        let step = decide(&state, AT, command).expect("it is agreed to");
        for event in &step.events {
            let mut line = Vec::new();
            event.encode(&mut line);
            state.apply(event);
            lines.push(line);
        }
    }
    let mut again = State::new(Limits::default());
    Box::new(move || {
        measured(|| {
            lines.iter().for_each(|line| again.apply(&Event::decode(line.trim_ascii_end()).expect("an event")));
        });
    })
}

/// A state with one run.
fn submitted(graph: Graph) -> (State, RunId) {
    let (mut state, run) = (State::new(Limits::default()), run_id(1));
    let graph = graph.check(&GraphLimits::NONE).expect("a good graph");
    put(&mut state, &mut Vec::new(), Command::Submit { run, graph, key: None }, false);
    (state, run)
}

fn wide(width: u32) -> Box<dyn FnOnce()> {
    let ((mut state, run), mut line) = (submitted(fan(width)), Vec::new());
    Box::new(move || {
        measured(|| {
            for n in 0..width {
                put(&mut state, &mut line, Command::Accept(speaker(run, n), None), false);
                put(&mut state, &mut line, Command::Complete(speaker(run, n), null()), false);
            }
        });
    })
}

fn check() -> Box<dyn FnOnce()> {
    let graph = fan(999);
    Box::new(move || drop(measured(|| graph.check(&GraphLimits::NONE)).expect("a good graph")))
}

fn key(number: u32) -> Arc<str> {
    format!("call:{number}").into()
}

fn steps() -> Box<dyn FnOnce()> {
    let ((mut state, run), mut line) = (submitted(fan(1)), Vec::new());
    put(&mut state, &mut line, Command::Accept(speaker(run, 0), None), false);
    let notes: Vec<Command> = (0..1_000).map(|n| Command::Note(speaker(run, 0), Note::Value(key(n), null()))).collect();
    Box::new(move || measured(|| notes.into_iter().for_each(|note| put(&mut state, &mut line, note, false))))
}

fn children() -> Box<dyn FnOnce()> {
    let ((mut state, run), mut line) = (submitted(fan(1)), Vec::new());
    put(&mut state, &mut line, Command::Accept(speaker(run, 0), None), false);
    let spec = || TaskSpec::new("", "work", input());
    let child = |n| Child { key: key(n), alias: None, hash: None, priority: None, spec: spec() };
    let first = 2; // behind the two tasks of the graph
    let commands = (0..1_000).flat_map(|n| {
        let of_child = speaker(run, first + n);
        [
            Command::Note(speaker(run, 0), Note::Children(vec![child(n)])),
            Command::Accept(of_child.clone(), None),
            Command::Complete(of_child, null()),
        ]
    });
    let commands: Vec<Command> = commands.collect();
    Box::new(move || measured(|| commands.into_iter().for_each(|command| put(&mut state, &mut line, command, false))))
}
