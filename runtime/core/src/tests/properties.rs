//! Random commands to random graphs, put to the machine and to the naive model of `model.rs`.

use super::board::{journalled, name_id};
use super::config;
use super::durable::{Asked, DEPTH_MAX, Is, Said, TASKS_MAX, What, Wish};
use super::model::{Model, No, Released, Spec, Word};
use crate::{
    Alive, Answer, Budget, Child, Command, Contract, Cost, Decision, Effect, EffectState, Event, EventKind, Failure,
    FailureClass, Graph, GraphLimits, InstanceId, Json, Limits, LossReason, Millis, Note, Noted, OnCycle, Payload,
    Priority, Rejected, Retry, RunId, RunRestored, Speaker, State, Status, Step, TaskIndex, TaskRef, TaskSpec, Timer,
    TimerKind, Token, Wait, check_history, check_owed, check_step, decide,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const START: i64 = 1_790_000_000_000;

/// A graph as drawn: the tasks, and how long a run of it may take.
#[derive(Clone, Debug)]
struct Drawn {
    tasks: Vec<Spec>,
    timeout: Option<i64>,
    /// How many calls it may make, and how long it may take.
    budget: (Option<u64>, Option<i64>),
}

/// One step of a history; runs, tasks and holders are drawn as numbers.
#[derive(Clone, Debug)]
enum Op {
    Submit(usize),
    Accept(Who),
    Complete(Who),
    Fail(Who, FailureClass, Option<u64>),
    Refuse(Who, FailureClass),
    Lose(Who, LossReason),
    Beat(Who, bool),
    Keep(u8),
    Cancel(usize),
    CancelTask(Who),
    Pause(usize),
    Unpause(usize),
    /// Another life for a task, perhaps with another input.
    Retry(Who, Option<u8>),
    Archive(usize),
    /// All pages of the archive but so many are forgotten.
    Forget(u64),
    Restore(usize),
    Comeback(Who, Option<u8>),
    /// The clock moves, forwards or back.
    Clock(i64),
    /// Everything due is fired.
    Fire,
    Restart,
    /// A timer that was never set.
    Forge(Who, u8),
    /// A note; the needs of children are drawn as numbers. Who parks has seen all but so many entries.
    Note(Who, Wish),
    Signal(usize, u16, u8),
    Approve(usize, u16, Option<usize>, Option<u32>, bool),
    Decide(Who, u8, bool),
    /// So many calls more, and so much time.
    TopUp(usize, u16, u64, i64),
    /// What is no wish at all: a task that is not there, a graph with faults.
    Nonsense(usize),
}

#[derive(Clone, Copy, Debug)]
struct Who {
    run: usize,
    task: usize,
    holder: usize,
    /// How far the token that is shown is from the present one: attempt and activation.
    off: (i8, i8),
}

const RUNS: usize = 3;
const HOLDERS: [(&str, &str); 4] = [("n1", "x"), ("n1", "y"), ("n2", "x"), ("n3", "z")];

fn spec() -> impl Strategy<Value = Spec> {
    let limit = |ms: std::ops::Range<i64>| prop_oneof![3 => Just(None), 1 => ms.prop_map(Some)];
    (0..3_u32, 0..3_u32, limit(1..20_000), limit(1..9_000), limit(1..9_000), 0..3_u8).prop_map(
        |(retries, losses_max, start, attempt, beat, priority)| {
            let needs = BTreeSet::new();
            Spec { needs, retries, losses_max, start, attempt, beat, priority }
        },
    )
}

/// What a handler wants. Keys are few, so that they meet.
fn wish() -> impl Strategy<Value = Wish> {
    let key = || 0..6_u8;
    let limit = || proptest::option::of(1..9_000_i64);
    let few = |max: usize, len| proptest::collection::btree_set(0..max, 0..len);
    let asked = (key(), few(16, 2), few(3, 2), spec());
    let asked = asked.prop_map(|(key, needs, siblings, spec)| Asked { key, needs, siblings, spec });
    let barrier = (key(), 0..2_u8, 0..4_usize, any::<u8>(), limit());
    prop_oneof![
        4 => (key(), any::<u8>()).prop_map(|(key, value)| Wish::Value(key, value)),
        2 => key().prop_map(Wish::Failed),
        8 => proptest::collection::vec(asked, 1..4).prop_map(Wish::Children),
        4 => (key(), any::<bool>(), any::<bool>()).prop_map(|(key, keyed, undo)| Wish::Begin { key, keyed, undo }),
        2 => key().prop_map(Wish::Unknown),
        2 => (key(), 1..9_000_i64).prop_map(|(key, ms)| Wish::Sleep(key, ms)),
        3 => (key(), 0..2_u8, limit()).prop_map(|(key, name, ms)| Wish::Signal(key, name, ms)),
        3 => (key(), limit()).prop_map(|(key, ms)| Wish::Approval(key, ms)),
        3 => barrier.prop_map(|(key, name, parties, value, limit)| Wish::Barrier { key, name, parties, value, limit }),
        2 => proptest::collection::vec(key(), 0..3).prop_map(Wish::Withdraw),
        1 => Just(Wish::Progress),
        8 => prop_oneof![8 => Just(0), 1 => Just(1)].prop_flat_map(|off| any::<bool>().prop_map(move |at_gate| Wish::Park(off, at_gate))),
        10 => (key(), 0..4_u64, limit()).prop_map(|(key, cost, ms)| Wish::Spend(key, cost, ms)),
        10 => (key(), 0..5_u64, any::<bool>()).prop_map(|(key, cost, fails)| Wish::Settle(key, cost, fails)),
    ]
}

/// Up to seven tasks; an edge leads from a task to one of lower rank, and ranks are shuffled over the places.
fn drawn() -> impl Strategy<Value = Drawn> {
    let tasks = proptest::collection::vec((spec(), any::<u8>(), any::<u16>()), 1..7);
    let timeout = prop_oneof![3 => Just(None), 1 => (1_000..60_000_i64).prop_map(Some)];
    let budget = (proptest::option::of(0..9_u64), prop_oneof![3 => Just(None), 1 => (0..60_000_i64).prop_map(Some)]);
    (tasks, timeout, budget).prop_map(|(drawn, timeout, budget)| {
        let ranks: Vec<(u16, usize)> = drawn.iter().enumerate().map(|(place, task)| (task.2, place)).collect();
        let mut tasks: Vec<Spec> = drawn.iter().map(|task| task.0.clone()).collect();
        for (place, task) in tasks.iter_mut().enumerate() {
            let lower = (0..ranks.len()).filter(|&other| ranks[other] < ranks[place]);
            task.needs = lower.filter(|&other| drawn[place].1 >> other & 1 == 1).collect();
        }
        Drawn { tasks, timeout, budget }
    })
}

fn who() -> impl Strategy<Value = Who> {
    let off = prop_oneof![8 => Just((0_i8, 0_i8)), 2 => (-1..=1_i8, -1..=1_i8)];
    (
        0..RUNS,
        prop_oneof![3 => 0..7_usize, 2 => 0..16_usize],
        prop_oneof![3 => Just(0_usize), 2 => 0..HOLDERS.len()],
        off,
    )
        .prop_map(|(run, task, holder, off)| Who { run, task, holder, off })
}

fn class() -> impl Strategy<Value = FailureClass> {
    use FailureClass::{Budget, Cancelled, Diverged, Panic, Retryable, Terminal, Timeout};
    prop_oneof![6 => Just(Retryable), 1 => proptest::sample::select(vec![Terminal, Timeout, Panic, Budget, Cancelled, Diverged])]
}

fn op() -> impl Strategy<Value = Op> {
    let reason = || proptest::sample::select(vec![LossReason::Lease, LossReason::Gone, LossReason::Released]);
    let clock = prop_oneof![
        4 => 0..3_000_i64,
        2 => 0..15_000_i64,
        1 => -10_000..0_i64,
        1 => proptest::sample::select(vec![3_600_000_i64, -3_600_000]),
    ];
    prop_oneof![
        4 => (0..RUNS).prop_map(Op::Submit),
        16 => who().prop_map(Op::Accept),
        12 => who().prop_map(Op::Complete),
        5 => (who(), class(), proptest::option::of(0..9_000_u64)).prop_map(|(who, class, after)| Op::Fail(who, class, after)),
        1 => (who(), class()).prop_map(|(who, class)| Op::Refuse(who, class)),
        4 => (who(), reason()).prop_map(|(who, reason)| Op::Lose(who, reason)),
        4 => (who(), any::<bool>()).prop_map(|(who, handler)| Op::Beat(who, handler)),
        1 => any::<u8>().prop_map(Op::Keep),
        1 => (0..RUNS).prop_map(Op::Cancel),
        2 => who().prop_map(Op::CancelTask),
        2 => (0..RUNS).prop_map(Op::Pause),
        2 => (0..RUNS).prop_map(Op::Unpause),
        3 => (who(), proptest::option::of(0..3_u8)).prop_map(|(who, edited)| Op::Comeback(who, edited)),
        6 => (who(), proptest::option::of(0..3_u8)).prop_map(|(who, edited)| Op::Retry(who, edited)),
        2 => (0..RUNS).prop_map(Op::Archive),
        1 => (0..4_u64).prop_map(Op::Forget),
        2 => (0..RUNS).prop_map(Op::Restore),
        6 => clock.prop_map(Op::Clock),
        6 => Just(Op::Fire),
        1 => Just(Op::Restart),
        1 => (who(), any::<u8>()).prop_map(|(who, kind)| Op::Forge(who, kind)),
        1 => (0..RUNS).prop_map(Op::Nonsense),
        40 => (who(), wish()).prop_map(|(who, wish)| Op::Note(who, wish)),
        5 => (0..RUNS, 0..12_u16, 0..2_u8).prop_map(|(run, id, name)| Op::Signal(run, id, name)),
        5 => (0..RUNS, 0..12_u16, proptest::option::of(0..9_usize), proptest::option::of(0..3_u32), any::<bool>())
            .prop_map(|(run, id, task, number, yes)| Op::Approve(run, id, task, number, yes)),
        5 => (who(), 0..6_u8, any::<bool>()).prop_map(|(who, key, happened)| Op::Decide(who, key, happened)),
        3 => (0..RUNS, 0..12_u16, 0..4_u64, prop_oneof![Just(0), 0..9_000_i64])
            .prop_map(|(run, id, calls, ms)| Op::TopUp(run, id, calls, ms)),
    ]
}

/// The machine with its journal, and the model beside it.
struct Pair {
    graphs: Vec<Drawn>,
    state: State,
    journal: Vec<u8>,
    model: Model,
    now: i64,
    /// What the workers know of: the newest hand-out of each task that was offered to them.
    board: BTreeMap<TaskRef, Token>,
    completed: BTreeSet<TaskRef>,
    /// The lines of each run in memory, and of those that were archived.
    history: BTreeMap<RunId, Vec<String>>,
    archive: BTreeMap<RunId, Vec<String>>,
}

fn run_id(run: usize) -> RunId {
    name_id(["r", "s", "t"][run])
}

impl Pair {
    fn new(graphs: Vec<Drawn>, on_cycle: OnCycle) -> Self {
        let graph = GraphLimits { tasks_max: TASKS_MAX, ..GraphLimits::default() };
        let limits = Limits { on_cycle, depth_max: DEPTH_MAX as u32, graph, ..Limits::default() };
        Self {
            graphs,
            state: State::new(limits),
            journal: Vec::new(),
            model: Model { at: 0, ..Model::default() },
            now: START,
            board: BTreeMap::new(),
            completed: BTreeSet::new(),
            history: BTreeMap::new(),
            archive: BTreeMap::new(),
        }
    }

    fn graph(&self, run: usize) -> Graph {
        let Drawn { tasks, timeout, budget } = &self.graphs[run];
        let budget = Budget { calls: budget.0, wall_ms: budget.1.map(|ms| ms as u64), ..Budget::default() };
        let tasks = tasks.iter().enumerate().map(|(index, drawn)| {
            // Every other need is an edge of data, the rest only orders.
            let name = |need: &usize| format!("t{need}");
            let data: Vec<String> = drawn.needs.iter().filter(|need| *need % 2 == 0).map(name).collect();
            let mut spec =
                TaskSpec::new(format!("t{index}"), "work", Json::of(&BTreeMap::from([("$all", data)])).unwrap());
            spec.after = drawn.needs.iter().filter(|need| *need % 2 == 1).map(name).collect();
            spec.retry = Some(Retry::exponential(drawn.retries));
            spec.losses_max = Some(drawn.losses_max);
            spec.priority = Priority::new(drawn.priority).unwrap();
            spec.timeouts.start_ms = drawn.start.map(|ms| ms as u64);
            spec.timeouts.attempt_ms = drawn.attempt.map(|ms| ms as u64);
            spec.timeouts.heartbeat_ms = drawn.beat.map(|ms| ms as u64);
            Arc::new(spec)
        });
        let (tasks, timeout_ms) = (tasks.collect(), timeout.map(|ms| ms as u64));
        let (budget, labels) = (Some(budget), BTreeMap::new());
        Graph { name: format!("g{run}"), tasks, timeout_ms, budget, tenant: None, labels, trace: None }
    }

    fn speaker(&self, who: Who) -> Speaker {
        let run = run_id(who.run);
        let task = who.task % self.state.run(run).map_or(self.graphs[who.run].tasks.len(), |run| run.tasks.len());
        let token = self.state.run(run).map_or(Token::FIRST, |run| run.tasks[task].token);
        let off = |number: u32, by: i8| number.saturating_add_signed(by.into()).max(1);
        let token = Token { attempt: off(token.attempt, who.off.0), activation: off(token.activation, who.off.1) };
        let (node, agent) = HOLDERS[who.holder];
        Speaker { task: TaskRef { run, task: TaskIndex(task as u32) }, token, holder: InstanceId::new(node, agent) }
    }

    fn put(&mut self, op: &Op) {
        let now = self.now;
        match *op {
            Op::Note(who, ref wish) => self.note(who, wish),
            Op::Signal(run, id, name) => {
                let expected = self.model.signal(now, run_id(run), id, name, id);
                let value = Payload::Json(Json::of(&id).unwrap());
                let answer = Answer::Signal { id: Uuid::from_u128(id.into()), name: format!("s{name}").into(), value };
                self.command(Command::Answer(run_id(run), answer), expected);
            }
            Op::Approve(run, id, task, number, approved) => {
                let count = self.model.runs.get(&run_id(run)).map_or(1, |run| run.tasks.len());
                let task = task.map(|task| task % count);
                let expected = self.model.approve(now, run_id(run), id, (task, number), approved);
                let task = task.map(|task| TaskIndex(task as u32));
                let id = Uuid::from_u128(id.into());
                let answer = Answer::Approval { id, task, number, approved, by: None };
                self.command(Command::Answer(run_id(run), answer), expected);
            }
            Op::Decide(who, key, happened) => {
                let Speaker { task: TaskRef { run, task }, .. } = self.speaker(who);
                let expected = self.model.decide(now, run, task.at(), key, happened);
                let value = Payload::Json(Json::null());
                let decision = if happened { Decision::Happened(value) } else { Decision::DidNotHappen };
                let answer = Answer::Effect { task, key: format!("k{key}").into(), decision, by: None };
                self.command(Command::Answer(run, answer), expected);
            }
            Op::TopUp(run, id, calls, wall) => {
                let expected = self.model.top_up(now, run_id(run), id, calls, wall);
                let amount = Budget { calls: Some(calls), wall_ms: Some(wall as u64), ..Budget::default() };
                let id = Uuid::from_u128(id.into());
                self.command(Command::TopUp { id, run: run_id(run), amount, by: None }, expected);
            }
            Op::Submit(run) => {
                let command = Command::Submit {
                    run: run_id(run),
                    graph: self.graph(run).check(&GraphLimits::default()).unwrap(),
                    key: None,
                };
                let Drawn { tasks, timeout, budget } = self.graphs[run].clone();
                if self.state.run(run_id(run)).is_none() {
                    self.completed.retain(|task| task.run != run_id(run));
                }
                self.model.submit(now, run_id(run), &tasks, timeout, budget);
                self.command(command, Ok(()));
            }
            Op::Accept(who) => {
                self.speak(who, |speaker| Command::Accept(speaker, None), |model, word| model.accept(now, word))
            }
            Op::Complete(who) => {
                let complete = |speaker| Command::Complete(speaker, Payload::Json(Json::null()));
                self.speak(who, complete, |model, word| model.complete(now, word));
            }
            Op::Fail(who, class, after) => {
                let failure = Failure { retry_after_ms: after, ..Failure::new(class, "drawn") };
                let fail = |speaker| Command::Fail(speaker, failure.clone());
                self.speak(who, fail, |model, word| model.fail(now, word, class));
                self.learn_delays(after.unwrap_or(0));
            }
            Op::Refuse(who, class) => {
                let refuse = |s: Speaker| Command::Refuse(s.task, s.token, Failure::new(class, "drawn"));
                self.speak(who, refuse, |model, word| model.refuse(now, word, class));
                self.learn_delays(0);
            }
            Op::Lose(who, reason) => {
                let lose = |speaker| Command::Lose(speaker, reason);
                self.speak(who, lose, |model, word| model.lose(now, word, reason));
            }
            Op::Beat(who, handler) => self.beat(who, handler),
            Op::Keep(nodes) => self.keep(nodes),
            Op::Cancel(run) => {
                let expected = self.model.cancel(now, run_id(run));
                self.command(Command::Cancel { run: run_id(run), reason: "drawn".into() }, expected);
            }
            Op::CancelTask(who) => {
                let cancel = |speaker: Speaker| Command::CancelTask { task: speaker.task, reason: "drawn".into() };
                self.speak(who, cancel, |model, word| model.cancel_task(now, word));
            }
            Op::Pause(run) => {
                let expected = self.model.pause(now, run_id(run));
                self.command(Command::Pause { run: run_id(run), reason: "drawn".into() }, expected);
            }
            Op::Unpause(run) => {
                let expected = self.model.unpause(now, run_id(run));
                self.command(Command::Unpause { run: run_id(run) }, expected);
            }
            Op::Retry(who, edited) => {
                let input = edited.map(|edited| Json::of(&edited).unwrap());
                let retry = |s: Speaker| Command::Retry { task: s.task, token: s.token, input: input.clone() };
                self.speak(who, retry, |model, word| model.retry(now, word, edited));
            }
            Op::Restore(run) => self.restore_run(run_id(run)),
            Op::Comeback(who, edited) => self.comeback(who, edited),
            Op::Archive(run) => {
                let expected = self.model.archive(run_id(run));
                if expected.is_ok() {
                    self.model.at = self.model.at.max(now);
                }
                let page = Json::of(&self.model.pages.1).unwrap();
                self.command(Command::Archive { runs: vec![run_id(run)], page }, expected);
            }
            Op::Forget(kept) => {
                let expected = self.model.forget(now, kept);
                self.command(Command::ForgetPages { kept }, expected);
            }
            Op::Clock(by) => self.now += by,
            Op::Fire => self.fire(),
            Op::Restart => self.restart(),
            Op::Forge(who, kind) => {
                use TimerKind::{Attempt, Heartbeat, Lease, Retry, Run, Start};
                let Speaker { task, .. } = self.speaker(who);
                let kind = [Retry, Start, Attempt, Heartbeat, Lease, Run][usize::from(kind) % 6];
                let task_index = (kind != Run || who.holder > 0).then_some(task.task);
                let forged = Timer { due: Millis(who.holder as i64), run: task.run, task: task_index, kind };
                self.command(Command::Due(forged), Ok(()));
            }
            Op::Nonsense(run) => self.nonsense(run_id(run)),
        }
        self.compare();
    }

    /// Puts a speaker's wish to both, and compares the answers.
    fn speak(
        &mut self,
        who: Who,
        command: impl Fn(Speaker) -> Command,
        model: impl Fn(&mut Model, &Word<'_>) -> Result<(), No>,
    ) {
        let speaker = self.speaker(who);
        let Speaker { task, token, ref holder } = speaker;
        let expected = model(&mut self.model, &Word { run: task.run, task: task.task.at(), token, holder });
        self.command(command(speaker), expected);
    }

    /// Decides, makes durable and applies; says how many events came of it.
    fn command(&mut self, command: Command, expected: Result<(), No>) -> usize {
        let (before, due) = (journalled(&self.state), self.state.next_due());
        let decided = decide(&self.state, Millis(self.now), command.clone());
        assert_eq!((journalled(&self.state), self.state.next_due()), (before, due), "decide changes nothing");
        let seen = match &decided {
            Ok(_) => Ok(()),
            Err(Rejected::NoRun(_)) => Err(No::Run),
            Err(Rejected::Fenced { .. }) => Err(No::Fenced),
            Err(Rejected::Ended { .. }) => Err(No::Ended),
            Err(Rejected::Open(_)) => Err(No::Open),
            Err(Rejected::Pages { .. }) => Err(No::Pages),
            Err(Rejected::Paused { .. }) => Err(No::Paused),
            Err(Rejected::NotResumable { .. }) => Err(No::NotResumable),
            Err(Rejected::Child { .. }) => Err(No::Child),
            Err(Rejected::Undoing { .. }) => Err(No::Undoing),
            Err(Rejected::News(_)) => Err(No::News),
            Err(Rejected::Children { .. }) => Err(No::Children),
            Err(Rejected::Cycle { .. }) => Err(No::Cycle),
            Err(Rejected::Ambiguous { .. }) => Err(No::Ambiguous),
            Err(Rejected::Answered { .. }) => Err(No::Answered),
            Err(Rejected::TaskEnded { .. }) => Err(No::TaskEnded),
            Err(Rejected::NotUnknown { .. }) => Err(No::NotUnknown),
            Err(Rejected::NotReserved { .. }) => Err(No::NotReserved),
            Err(Rejected::TopUp { .. }) => Err(No::TopUp),
            Err(Rejected::WallTimeSpent { .. }) => Err(No::WallTimeSpent),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(seen, expected, "{command:?}");
        let Ok(step) = decided else { return 0 };
        assert_eq!(check_step(&self.state, Millis(self.now), &step), []);
        let events = step.events.len();
        self.follow(step);
        events
    }

    fn follow(&mut self, step: Step) {
        self.make_durable(&step);
        self.release(&step.effects);
    }

    fn make_durable(&mut self, step: &Step) {
        for event in &step.events {
            assert_eq!(event.seq, self.state.seq() + 1);
            assert!(event.at >= self.state.at());
            self.watch(event);
            let from = self.journal.len();
            event.encode(&mut self.journal);
            assert_eq!(&Event::decode(&self.journal[from..]).unwrap(), event);
            self.state.apply(event);
            self.keep_line(event, from);
        }
    }

    fn keep_line(&mut self, event: &Event, from: usize) {
        match (event.run, &event.kind) {
            (Some(run), EventKind::RunRestored(_)) => drop(self.history.insert(run, self.archive[&run].clone())),
            (Some(run), _) => {
                let line = std::str::from_utf8(&self.journal[from..]).unwrap().trim_end();
                self.history.entry(run).or_default().push(line.to_owned());
            }
            (None, EventKind::RunsArchived(archived)) => {
                let lines = archived.runs.iter().map(|run| (*run, self.history.remove(run).unwrap()));
                self.archive.extend(lines);
            }
            (None, EventKind::PagesForgotten(_)) => {}
            (None, kind) => panic!("{kind:?}"),
        }
    }

    fn restore_run(&mut self, run: RunId) {
        let Some(lines) = self.archive.get(&run) else { return };
        let events = Json::parse(format!("[{}]", lines.join(","))).unwrap();
        let folded = RunRestored::fold(run, &events).unwrap();
        self.model.restore(self.now, run);
        self.command(Command::Restore { run, restored: RunRestored::new(events, folded) }, Ok(()));
    }

    /// Gives a task another life and takes its run back with that, or does neither: as a restoration and a retry that
    /// is only tried if it will be heard.
    fn comeback(&mut self, who: Who, edited: Option<u8>) {
        let Speaker { task, token, .. } = self.speaker(who);
        let Some(lines) = self.archive.get(&task.run).filter(|_| self.state.run(task.run).is_none()) else { return };
        let events = Json::parse(format!("[{}]", lines.join(","))).unwrap();
        let folded = RunRestored::fold(task.run, &events).unwrap();
        let restored = RunRestored::new(events, folded);
        let input = edited.map(|edited| Json::of(&edited).unwrap());
        let command = Command::Comeback { restored: restored.clone(), task, token, input: input.clone() };
        let both = decide(&self.state, Millis(self.now), command);
        let mut state = self.state.clone();
        let alone = decide(&state, Millis(self.now), Command::Restore { run: task.run, restored }).unwrap().events;
        alone.iter().for_each(|event| state.apply(event));
        let then = decide(&state, Millis(self.now), Command::Retry { task, token, input });
        match (both, then) {
            (Ok(both), Ok(then)) if then.events.is_empty() => assert!(both.events.is_empty()),
            (Ok(both), Ok(then)) => assert_eq!(both.events, [alone, then.events].concat()),
            (both, then) => assert_eq!(both.map(drop), then.map(drop)),
        }
    }

    /// What must hold of every event by itself: work only on what is needed and done, and a result once.
    fn watch(&mut self, event: &Event) {
        let (task, holder) = match &event.kind {
            EventKind::TaskAccepted(accepted) => (accepted.task, &accepted.holder),
            EventKind::TaskCompleted(completed) => (completed.task, &completed.holder),
            _ => return,
        };
        let task = TaskRef { run: event.run.unwrap(), task };
        self.needs_are_completed(task);
        if let EventKind::TaskCompleted(_) = event.kind {
            assert!(self.completed.insert(task), "a result is accepted once: {task} by {holder}");
        }
    }

    fn needs_are_completed(&self, task: TaskRef) {
        for &need in &self.model.runs[&task.run].tasks[task.task.at()].spec.needs {
            let need = TaskRef { run: task.run, task: TaskIndex(need as u32) };
            assert!(self.completed.contains(&need), "{task} before {need} has completed");
        }
    }

    /// Compares what is released with what the model releases.
    fn release(&mut self, effects: &[Effect]) {
        let mut released = Released::default();
        for effect in effects {
            match effect {
                Effect::Offer(ready) => {
                    self.needs_are_completed(ready.task);
                    self.board.insert(ready.task, ready.token);
                    let offer = (ready.task.run, ready.task.task.at(), ready.token);
                    assert!(released.offers.insert(offer), "offered twice: {offer:?}");
                }
                Effect::Stop { speaker: Speaker { task, token, holder }, reason } => {
                    released.stops.push((task.run, task.task.at(), *token, holder.clone(), *reason));
                }
                Effect::Withdraw { run } => {
                    assert!(released.withdrawn.insert(*run));
                    self.board.retain(|task, _| task.run != *run);
                }
                Effect::Ended { run, outcome } => released.ended.push((*run, *outcome)),
            }
        }
        let mut expected = std::mem::take(&mut self.model.released);
        for stops in [&mut released.stops, &mut expected.stops] {
            stops.sort_by_key(|stop| (stop.0, stop.1));
        }
        assert_eq!(released, expected);
    }

    fn note(&mut self, who: Who, wish: &Wish) {
        let now = self.now;
        let speaker = self.speaker(who);
        let Speaker { task, token, ref holder } = speaker;
        let word = Word { run: task.run, task: task.task.at(), token, holder };
        let mut wish = wish.clone();
        let run = self.model.runs.get(&task.run);
        match &mut wish {
            // They are drawn as numbers, and become those of tasks and of earlier siblings.
            Wish::Children(asked) => {
                let count = run.map_or(1, |run| run.tasks.len());
                for (place, child) in asked.iter_mut().enumerate() {
                    child.needs = child.needs.iter().map(|need| need % count).collect();
                    child.siblings.retain(|sibling| *sibling < place);
                }
            }
            Wish::Park(off, _) => {
                let entries = run.map_or(0, |run| run.tasks[task.task.at()].record.entries.len());
                *off = entries.saturating_sub(*off);
            }
            _ => {}
        }
        let command = Command::Note(speaker.clone(), self.in_words(&task, &wish));
        let expected = self.model.note(now, &word, &wish);
        if expected != Err(No::Cycle) {
            self.command(command, expected);
            return;
        }
        // Which of several cycles is found is not promised; that it is one, and who is the victim, is.
        match decide(&self.state, Millis(now), command.clone()) {
            Err(Rejected::Cycle { path }) => {
                let (members, child) = self.cycle(task, &path, &wish);
                if self.state.limits.on_cycle == OnCycle::FailLeastUrgent {
                    let tasks = &self.model.runs[&task.run].tasks;
                    assert!(members.iter().all(|member| tasks[*member].spec.priority >= child), "{path:?}");
                }
                self.command(command, expected);
            }
            Ok(step) => {
                assert_eq!(self.state.limits.on_cycle, OnCycle::FailLeastUrgent);
                let failed = step.events.iter().find_map(|event| match &event.kind {
                    EventKind::TaskFailed(failed) => Some((failed.task, failed.failure.message.clone())),
                    EventKind::AttemptFailed(failed) => Some((failed.task, failed.failure.message.clone())),
                    _ => None,
                });
                let (victim, message) = failed.unwrap();
                let path: Vec<String> = message.rsplit(": ").next().unwrap().split(" -> ").map(str::to_owned).collect();
                let (members, child) = self.cycle(task, &path, &wish);
                let tasks = &self.model.runs[&task.run].tasks;
                let urgency = |task: &usize| (tasks[*task].spec.priority, std::cmp::Reverse(*task));
                assert_eq!(members.iter().min_by_key(|task| urgency(task)), Some(&victim.at()), "{path:?}");
                assert!(tasks[victim.at()].spec.priority < child);
                self.model.fail_on_cycle(now, &word, victim.at());
                self.command(command, Ok(()));
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// The tasks on a cycle that a child would close, and how urgent the child is.
    fn cycle(&self, parent: TaskRef, path: &[String], wish: &Wish) -> (Vec<usize>, u8) {
        let run = &self.model.runs[&parent.run];
        let Wish::Children(asked) = wish else { panic!("{path:?}") };
        let (first, rest) = path.split_first().unwrap();
        let (child, rest) = rest.split_first().unwrap();
        assert_eq!((first, Some(first)), (&run.tasks[parent.task.at()].name, rest.last()));
        let called = |asked: &&Asked| {
            let plain = format!("{first}/k{}", asked.key);
            child.strip_prefix(&plain).is_some_and(|rest| rest.is_empty() || rest.starts_with('~'))
        };
        let child = asked.iter().find(called).unwrap();
        let members: Vec<usize> =
            rest.iter().map(|name| run.tasks.iter().position(|task| task.name == *name).unwrap()).collect();
        let of_sibling = |sibling: &usize| {
            run.tasks.iter().rposition(|task| task.parent == Some((parent.task.at(), asked[*sibling].key)))
        };
        let known: Vec<usize> = child.siblings.iter().filter_map(of_sibling).collect();
        assert!(child.needs.contains(&members[0]) || known.contains(&members[0]), "{path:?}");
        assert!(members.windows(2).all(|pair| run.edge(pair[0], pair[1])), "{path:?}");
        (members, child.spec.priority)
    }

    /// The note that a wish is.
    fn in_words(&self, task: &TaskRef, wish: &Wish) -> Note {
        let name = |key: u8| -> Arc<str> { format!("k{key}").into() };
        let json = |value: u8| Payload::Json(Json::of(&value).unwrap());
        let wait = |key: u8, wait: Wait, limit: Option<i64>| Note::Wait {
            key: name(key),
            wait,
            limit: limit.map(|ms| Duration::from_millis(ms as u64)),
        };
        match wish {
            Wish::Value(key, value) => Note::Value(name(*key), json(*value)),
            Wish::Failed(key) => {
                let failure = Failure::new(FailureClass::Terminal, "drawn");
                Note::Failed { key: name(*key), failure, unsure: false }
            }
            Wish::Children(asked) => {
                let children = asked.iter().enumerate().map(|(place, asked)| self.child(task, place, asked));
                Note::Children(children.collect())
            }
            Wish::Begin { key, keyed, undo } => {
                let mut spec = TaskSpec::new("drawn", "undo", Json::null());
                (spec.retry, spec.losses_max) = (Some(Retry::exponential(0)), Some(1));
                let contract = if *keyed { Contract::Keyed } else { Contract::Irreversible };
                let since = keyed.then_some(7);
                Note::Begin { key: name(*key), contract, undo: undo.then(|| Arc::new(spec)), since }
            }
            Wish::Unknown(key) => Note::Unknown { key: name(*key), reason: "drawn".into() },
            Wish::Sleep(key, ms) => wait(*key, Wait::Sleep { until: Millis(0) }, Some(*ms)),
            Wish::Signal(key, signal, ms) => {
                wait(*key, Wait::Signal { name: format!("s{signal}").into(), until: None }, *ms)
            }
            Wish::Approval(key, ms) => {
                wait(*key, Wait::Approval { prompt: "drawn".into(), number: 77, until: Some(Millis(1)) }, *ms)
            }
            Wish::Barrier { key, name, parties, value, limit } => {
                let (name, parties) = (format!("b{name}").into(), *parties as u32);
                wait(*key, Wait::Barrier { name, parties, value: Json::of(value).unwrap(), until: None }, *limit)
            }
            Wish::Withdraw(keys) => Note::Withdraw(keys.iter().map(|key| name(*key)).collect()),
            Wish::Progress => Note::Progress(Json::null()),
            Wish::Park(seen, at_gate) => Note::Park { seen: *seen, gate: at_gate.then(|| "llm".into()) },
            Wish::Spend(key, calls, ms) => {
                let cost = Cost { calls: *calls, ..Cost::NONE };
                wait(*key, Wait::Budget { cost, until: Some(Millis(1)) }, *ms)
            }
            Wish::Settle(key, calls, fails) => {
                let result = if *fails { Err(Failure::new(FailureClass::Terminal, "drawn")) } else { Ok(json(7)) };
                Note::Settled { key: name(*key), result, cost: Cost { calls: *calls, ..Cost::NONE } }
            }
        }
    }

    fn child(&self, task: &TaskRef, place: usize, asked: &Asked) -> Child {
        let drawn = &asked.spec;
        let name =
            |need: &usize| self.state.run(task.run).map_or("none".into(), |run| run.tasks[*need].spec.name.clone());
        // Every other need is an edge of data, the rest only orders; and so it is with siblings.
        let data: Vec<String> = asked.needs.iter().filter(|need| *need % 2 == 0).map(name).collect();
        let mut spec = TaskSpec::new("drawn", "work", Json::of(&BTreeMap::from([("$all", data)])).unwrap());
        spec.after = asked.needs.iter().filter(|need| *need % 2 == 1).map(name).collect();
        spec.after.extend(asked.siblings.iter().map(|sibling| format!("s{sibling}")));
        spec.retry = Some(Retry::exponential(drawn.retries));
        spec.losses_max = Some(drawn.losses_max);
        spec.timeouts.start_ms = drawn.start.map(|ms| ms as u64);
        spec.timeouts.attempt_ms = drawn.attempt.map(|ms| ms as u64);
        spec.timeouts.heartbeat_ms = drawn.beat.map(|ms| ms as u64);
        let (alias, priority) = (Some(format!("s{place}").into()), Priority::new(drawn.priority));
        Child { key: format!("k{}", asked.key).into(), alias, hash: None, priority, spec }
    }

    fn beat(&mut self, who: Who, handler: bool) {
        let speaker = self.speaker(who);
        let Speaker { task, token, ref holder } = speaker;
        let expected = self.model.beat(self.now, &Word { run: task.run, task: task.task.at(), token, holder }, handler);
        let before = journalled(&self.state);
        let alive = if handler { Alive::Handler } else { Alive::Instance };
        let seen = self.state.heartbeat(Millis(self.now), &speaker, alive).map_err(|rejected| match rejected {
            Rejected::NoRun(_) => No::Run,
            Rejected::Fenced { .. } => No::Fenced,
            other => panic!("{other}"),
        });
        assert_eq!(seen, expected);
        assert_eq!(journalled(&self.state), before, "a heartbeat is not journalled");
    }

    fn keep(&mut self, nodes: u8) {
        let kept: BTreeSet<&str> = ["n1", "n2", "n3"]
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| nodes >> bit & 1 == 1)
            .map(|(_, n)| n)
            .collect();
        self.model.keep(self.now, &kept);
        let mut effects = Vec::new();
        loop {
            // Of three nodes all but one live: that is what is said of the one that is dead, too.
            let dead: Vec<&str> = ["n1", "n2", "n3"].into_iter().filter(|node| !kept.contains(node)).collect();
            let command = match dead[..] {
                [dead] => Command::LoseHolders(dead.into()),
                _ => Command::KeepHolders(kept.iter().map(|node| Arc::from(*node)).collect()),
            };
            let step = decide(&self.state, Millis(self.now), command).unwrap();
            if step.events.is_empty() {
                break;
            }
            assert_eq!(check_step(&self.state, Millis(self.now), &step), []);
            self.make_durable(&step);
            effects.extend(step.effects);
        }
        // Several commands do it, run by run; what they come to together is what counts.
        self.release(&effects);
    }

    fn fire(&mut self) {
        while let Some(timer) = self.state.pop_due(Millis(self.now)) {
            let expected = self.model.due(self.now).expect("nothing fires early");
            assert_eq!((timer.due.0, timer.run, timer.task.map(TaskIndex::at), timer.kind), expected);
            self.model.fire(self.now, expected);
            self.command(Command::Due(timer), Ok(()));
            self.learn_delays(0);
        }
        assert_eq!(self.model.due(self.now), None, "whatever is due is fired");
    }

    /// Takes over the delays that the machine has drawn, once they are found to be within the policy's bounds.
    fn learn_delays(&mut self, retry_after: u64) {
        for (id, run) in &mut self.model.runs {
            for (index, task) in run.tasks.iter_mut().enumerate() {
                let real = &self.state.run(*id).unwrap().tasks[index];
                let crate::TaskState::Ready { not_before, .. } = real.state else { continue };
                if task.status == Status::Ready && not_before.0 != task.not_before {
                    let retry = task.token.attempt - task.first_attempt; // the first, the second ...
                    let backoff = 2_000 * 2_i64.pow(retry - 1);
                    let (low, high) = (backoff * 8 / 10, backoff * 12 / 10);
                    let after = retry_after as i64;
                    let delay = not_before.0 - self.model.at;
                    assert!((low.max(after)..=high.max(after)).contains(&delay), "{delay} ms before retry {retry}");
                    assert_eq!(task.token.activation, 1, "only a retry has a delay");
                    task.not_before = not_before.0;
                }
            }
        }
    }

    fn replayed(&self) -> State {
        let mut state = State::new(self.state.limits);
        for line in self.journal.split_inclusive(|&byte| byte == b'\n') {
            state.apply(&Event::decode(line).unwrap());
        }
        state
    }

    fn restart(&mut self) {
        let replayed = self.replayed();
        assert_eq!(journalled(&replayed), journalled(&self.state), "a replay gives the same state");
        let lines = self.journal.split_inclusive(|&byte| byte == b'\n');
        let events: Vec<Event> = lines.map(|line| Event::decode(line).unwrap()).collect();
        // There is no archive here that would find a run that is submitted once more.
        let breaches = check_history(&events).into_iter().filter(|breach| breach.what != "it was submitted twice");
        assert_eq!(breaches.collect::<Vec<_>>(), []);
        self.state = replayed;
        self.board.clear();
        let effects = self.state.recover(Millis(self.now));
        assert_eq!(check_owed(&self.state, Millis(self.now), &effects), []);
        self.model.restart(self.now);
        self.release(&effects);
    }

    fn nonsense(&mut self, run: RunId) {
        assert!(Graph { tasks: Vec::new(), ..self.graph(0) }.check(&GraphLimits::default()).is_err());
        let task = TaskRef { run, task: TaskIndex(u32::MAX) };
        let speaker = Speaker { task, token: Token::FIRST, holder: InstanceId::new("n1", "x") };
        let failure = || Failure::new(FailureClass::Terminal, "nonsense");
        let fresh = RunId::from_key("tests", "another");
        for command in [
            Command::Accept(speaker.clone(), None),
            Command::Complete(speaker.clone(), Payload::Json(Json::null())),
            Command::Fail(speaker.clone(), failure()),
            Command::Lose(speaker.clone(), LossReason::Lease),
            Command::Refuse(task, Token::FIRST, failure()),
            Command::Retry { task, token: Token::FIRST, input: None },
            Command::Pause { run: fresh, reason: "nonsense".into() },
            Command::Unpause { run: fresh },
            Command::Restore { run: fresh, restored: self.nonsense_history(run) },
            Command::Cancel { run: fresh, reason: "nonsense".into() },
            Command::CancelTask { task, reason: "nonsense".into() },
            Command::Archive { runs: vec![run, fresh], page: Json::null() },
            Command::ForgetPages { kept: 0 },
            Command::ForgetPages { kept: u64::MAX },
        ] {
            assert!(decide(&self.state, Millis(i64::MIN), command).is_err());
        }
        for (task, kind) in [(Some(task.task), TimerKind::Lease), (None, TimerKind::Retry)] {
            let timer = Timer { due: Millis(i64::MAX), run, task, kind };
            let step = decide(&self.state, Millis(i64::MAX), Command::Due(timer)).unwrap();
            assert!(step.events.is_empty() && step.effects.is_empty());
        }
        assert!(self.state.heartbeat(Millis(i64::MAX), &speaker, Alive::Handler).is_err());
    }

    /// The history of another run, if there is one.
    fn nonsense_history(&self, run: RunId) -> RunRestored {
        let events =
            Json::parse(format!("[{}]", self.history.get(&run).map_or(String::new(), |l| l.join(",")))).unwrap();
        match self.state.run(run) {
            Some(run) => RunRestored::new(events, run.clone()),
            None => serde_json::from_str(&format!("{{\"events\":{}}}", events.as_str())).unwrap(),
        }
    }

    fn compare(&self) {
        assert_eq!(self.state.next_due(), self.model.next_due(), "the next timer");
        assert_eq!(self.state.at().0, self.model.at, "the moment of the last event");
        assert!(self.state.runs().map(|run| run.id).eq(self.model.runs.keys().copied()));
        let pages: Vec<Json> = self.model.pages.0.iter().map(|page| Json::of(page).unwrap()).collect();
        assert_eq!(self.state.pages(), pages, "the pages that are not forgotten");
        let tasks = || self.model.runs.values().flat_map(|run| &run.tasks);
        for (status, count) in self.state.counts().iter() {
            assert_eq!(count, tasks().filter(|task| task.shown() == status).count(), "{status}");
        }
        for (id, model) in &self.model.runs {
            let run = self.state.run(*id).unwrap();
            assert_eq!(run.quarantined, None);
            assert_eq!(run.ended.map(|(outcome, _)| outcome), model.ended);
            assert_eq!(run.undoing, model.undoing);
            self.compare_ledgers(run);
            assert_eq!((run.paused.is_some(), run.counts().total()), (model.paused, model.tasks.len()));
            assert_eq!(run.open(), model.tasks.iter().filter(|task| !task.status.is_ended()).count());
            // What has an effect of unknown outcome is not for the archive.
            let is_open = |effect: &super::durable::Effect| matches!(effect.is, Is::Begun | Is::Unknown);
            let is_settled = !model.tasks.iter().any(|task| task.record.effects.values().any(is_open));
            let is_closed = self.state.closed().any(|(_, closed)| closed == *id);
            assert_eq!(is_closed, model.ended.is_some() && is_settled);
            for (index, (task, model)) in run.tasks.iter().zip(&model.tasks).enumerate() {
                let holder = model.holder.as_ref().filter(|_| model.status == Status::Running);
                assert_eq!(
                    (task.status(), task.token, task.holder(), task.losses, task.failures.len(), task.first_attempt),
                    (model.shown(), model.token, holder, model.losses, model.failures, model.first_attempt),
                    "task {index} of {id}"
                );
                assert_eq!(task.retries_used(), model.token.attempt - model.first_attempt, "task {index} of {id}");
                assert_eq!(task.ended_at.is_some(), model.status.is_ended());
                if let crate::TaskState::Skipped { cause } = task.state {
                    assert_eq!(Some(cause.at()), model.cause);
                }
                self.compare_records(run, index);
                let needs_done = model.spec.needs.iter().all(|&need| run.tasks[need].output().is_some());
                let has_input = run.input(TaskIndex(index as u32)).is_some();
                if model.parent.is_some() {
                    assert!(has_input || !needs_done, "siblings are needed by order, whatever their numbers");
                    continue;
                }
                assert_eq!(has_input, {
                    let data = model.spec.needs.iter().filter(|need| *need % 2 == 0);
                    needs_done
                        || model.edited.is_some()
                        || data.into_iter().all(|&need| run.tasks[need].output().is_some())
                });
            }
        }
    }

    fn compare_ledgers(&self, run: &crate::Run) {
        let model = &self.model.runs[&run.id];
        let purse = &model.purse;
        let Some(ledger) = run.ledger() else { return assert_eq!((model.used(), purse.wall_spent), (0, false)) };
        let (used, limit) = (ledger.used().calls, purse.calls.unwrap_or(u64::MAX));
        assert_eq!((used, ledger.spent.calls), (model.used(), purse.spent));
        assert_eq!((ledger.overshoot.calls, ledger.limit.calls), (purse.beyond, purse.calls));
        assert_eq!((ledger.wall_spent, ledger.limit.wall_ms), (purse.wall_spent, purse.wall.map(|ms| ms as u64)));
        assert!(used <= limit.saturating_add(purse.beyond), "{used} of {limit}");
        assert_eq!(ledger.held().map(|(_, _, cost)| cost.calls).sum::<u64>(), ledger.reserved.calls);
        assert!(ledger.held().all(|(task, ..)| !run.tasks[task.at()].status().is_ended()));
    }

    fn compare_records(&self, run: &crate::Run, index: usize) {
        let of_model = &self.model.runs[&run.id].tasks[index];
        let (task, model) = (&run.tasks[index], &of_model.record);
        let parent = task.parent.as_ref().map(|parent| (parent.task.at(), parent.key.to_string()));
        assert_eq!(parent, of_model.parent.map(|(parent, key)| (parent, format!("k{key}"))));
        assert_eq!((&task.spec.name, task.undoes.is_some()), (&of_model.name, of_model.undoes));
        let Some(record) = task.record.as_deref() else { return assert!(!model.any) };
        let entries = record.entries.iter().map(|entry| {
            let said = match &entry.what {
                Noted::Submitted { child, .. } => Said::Submitted(child.at()),
                Noted::Begun(_) | Noted::BegunBehind(..) => Said::Begun,
                Noted::Unknown => Said::Unknown,
                Noted::NotDone => Said::NotDone,
                Noted::Waits => Said::Waits,
                Noted::Reserved(cost) => Said::Reserved(cost.calls),
                Noted::Charged(cost) => Said::Charged(cost.calls),
                Noted::Value(Payload::Json(json)) => Said::Value(json.to_string()),
                Noted::Value(payload) => panic!("{payload:?}"),
                Noted::Failed(_) => Said::Failed,
            };
            (entry.key.to_string(), said)
        });
        let expected = model.entries.iter().map(|(key, said)| (format!("k{key}"), said.clone()));
        assert_eq!(entries.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "task {index} of {}", run.id);
        let waits = record.waits.iter().map(|(key, wait)| {
            let what = match wait {
                Wait::Sleep { .. } => What::Sleep,
                Wait::Signal { name, .. } => What::Signal(name[1..].parse().unwrap()),
                Wait::Approval { number, .. } => What::Approval(*number),
                Wait::Barrier { name, .. } => What::Barrier(name[1..].parse().unwrap()),
                Wait::Budget { cost, .. } => What::Budget(cost.calls),
            };
            (key.to_string(), what, wait.until().map(|until| until.0))
        });
        let expected = model.waits.iter().map(|(key, wait)| (format!("k{key}"), wait.what.clone(), wait.until));
        assert_eq!(waits.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        let effects = record.effects.iter().map(|(key, effect)| {
            let is = match effect.state {
                EffectState::Begun => Is::Begun,
                EffectState::Unknown(_) => Is::Unknown,
                EffectState::Done => Is::Done,
                EffectState::NotDone => Is::NotDone,
            };
            (key.to_string(), is, effect.contract == Contract::Keyed, effect.undo.is_some(), effect.undone)
        });
        let expected = model.effects.iter();
        let expected =
            expected.map(|(key, effect)| (format!("k{key}"), effect.is, effect.keyed, effect.undo, effect.undone));
        assert_eq!(effects.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    /// Gives whoever is parked what it waits for, and cancels the run if that is others who will not come.
    fn answer_the_parked(&mut self, next: &mut u16) {
        for run in 0..RUNS {
            let of_run = self.model.runs.get(&run_id(run)).filter(|run| run.ended.is_none());
            if of_run.is_some_and(|run| run.purse.wall_spent) {
                *next += 1;
                self.put(&Op::TopUp(run, *next, 0, 1_000_000_000));
                self.put(&Op::Unpause(run)); // somebody may have paused it before
                continue;
            }
            let parked = of_run.and_then(|run| run.tasks.iter().position(|task| task.status == Status::Parked));
            let Some(index) = parked else { continue };
            let record = &self.model.runs[&run_id(run)].tasks[index].record;
            *next += 1;
            let unknown = record.effects.iter().find(|(_, effect)| effect.is == Is::Unknown).map(|(key, _)| *key);
            let who = Who { run, task: index, holder: 0, off: (0, 0) };
            let op = match (record.waits.values().next().map(|wait| wait.what.clone()), unknown) {
                (Some(What::Signal(name)), _) => Op::Signal(run, *next, name),
                (Some(What::Approval(number)), _) => Op::Approve(run, *next, Some(index), Some(number), true),
                (Some(What::Budget(_)), _) => Op::TopUp(run, *next, 9, 0),
                (_, Some(key)) => Op::Decide(who, key, true),
                _ => Op::Cancel(run),
            };
            self.put(&op);
        }
    }

    /// Workers who know only what they were offered, and are honest: every run comes to an end.
    fn drive_to_the_end(&mut self) {
        for run in 0..RUNS {
            self.put(&Op::Submit(run));
            if self.state.run(run_id(run)).unwrap().ended.is_none() {
                self.put(&Op::Unpause(run));
            }
        }
        let mut next = 100;
        for _ in 0..3_000 {
            if self.state.runs().all(|run| run.ended.is_some()) {
                return;
            }
            match self.board.pop_first() {
                Some((task, token)) => {
                    let holder = InstanceId::new("n9", "honest");
                    let word = Word { run: task.run, task: task.task.at(), token, holder: &holder };
                    let speaker = Speaker { task, token, holder: holder.clone() };
                    let accepted = self.model.accept(self.now, &word);
                    self.command(Command::Accept(speaker.clone(), None), accepted);
                    if accepted == Err(No::Paused) {
                        continue; // it is offered when it goes on
                    }
                    let completed = self.model.complete(self.now, &word);
                    self.command(Command::Complete(speaker, Payload::Json(Json::null())), completed);
                }
                None => match self.state.next_due() {
                    Some(next) => {
                        self.now = self.now.max(next.0);
                        self.fire();
                    }
                    None => {
                        let parked = |task: &crate::Task| matches!(task.state, crate::TaskState::Parked { .. });
                        let waits = self.state.runs().any(|run| {
                            let is_spent = run.ledger().is_some_and(|ledger| ledger.wall_spent);
                            run.ended.is_none() && (is_spent || run.tasks.iter().any(parked))
                        });
                        assert!(waits, "what is open is offered, or has a timer, or waits for somebody");
                        self.answer_the_parked(&mut next);
                    }
                },
            }
            self.compare();
        }
        panic!("a run that never ends");
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn the_machine_does_what_the_model_does_and_every_run_ends(
        graphs in proptest::collection::vec(drawn(), RUNS),
        ops in proptest::collection::vec(op(), 0..120),
        fails in any::<bool>(),
    ) {
        let on_cycle = if fails { OnCycle::FailLeastUrgent } else { OnCycle::Reject };
        let mut pair = Pair::new(graphs, on_cycle);
        for op in [Op::Submit(0), Op::Submit(1)].iter().chain(&ops) {
            pair.put(op);
        }
        pair.put(&Op::Restart);
        pair.drive_to_the_end();
        pair.put(&Op::Restart);
    }
}
