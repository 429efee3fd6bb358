//! Every kind of message and of answer, filled with whatever a property draws.

use super::room;
use crate::journal::archive::Summary;
use crate::partition::follow::When;
use crate::partition::message::{Comeback, Message, NewSchedule, Refusal, Reply, Say, ScheduleWish, Target, Wish};
use crate::query::filter::{RunFilter, TaskFilter};
use crate::query::{Place, RunStatus};
use callboard_core::{
    Alive, Answer, Budget, CatchUp, CheckedGraph, Child, Contract, Cost, Decision, Difference, EffectStatus, Failure,
    FailureClass, Graph, GraphLimits, InstanceId, Json, Limits, LossReason, Millis, Note, Overlap, Payload, Priority,
    Rejected, Replace, Retry, RunId, RunOutcome, RunRestored, ScheduleRejected, Speaker, State, Status, TaskIndex,
    TaskRef, TaskSpec, Timeouts, Timing, Token, TraceParent, Wait, decide,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What the samples are made of.
#[derive(Clone, Debug)]
pub(super) struct Bits {
    pub(super) text: String,
    pub(super) number: u64,
    pub(super) moment: i64,
    pub(super) id: u128,
    pub(super) json: Json,
}

/// Any JSON, `null` and the largest numbers more often than chance would have them.
fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1E400".to_owned()),
        any::<i128>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let text = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[ {}]", items.join(" ,"))),
            (any::<String>(), inner)
                .prop_map(|(key, value)| format!("{{{}: {value}}}", serde_json::to_string(&key).unwrap())),
        ]
    });
    text.prop_map(|text| Json::parse(text).unwrap())
}

pub(super) fn bits() -> impl Strategy<Value = Bits> {
    let number = prop_oneof![any::<u64>(), 0..10_u64, Just(u64::MAX)];
    let moment = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    let all = ("(?s).{0,12}", number, moment, any::<u128>(), json());
    all.prop_map(|(text, number, moment, id, json)| Bits { text, number, moment, id, json })
}

/// Fails if a variant is without a sample. A new one does not compile before it is named here.
macro_rules! every {
    ($samples:expr, $type:ident: $($variant:ident)*) => {{
        let samples = $samples;
        let name = |sample: &$type| match sample { $($type::$variant { .. } => stringify!($variant)),* };
        let seen: BTreeSet<&str> = samples.iter().map(name).collect();
        assert_eq!(seen, BTreeSet::from([$(stringify!($variant)),*]), "samples of {}", stringify!($type));
        samples
    }};
}

pub(super) use every;

/// Makes a command with this way back.
pub(super) type Command = Box<dyn FnOnce(Reply) -> Message>;

/// One that is there and one that is not.
pub(super) fn maybe<T>(it: T) -> [Option<T>; 2] {
    [Some(it), None]
}

impl Bits {
    pub(super) fn plain() -> Self {
        Self { text: "review".into(), number: 7, moment: 1_790_000_000_000, id: 1 << 120, json: Json::null() }
    }

    pub(super) fn arc(&self) -> Arc<str> {
        self.text.as_str().into()
    }

    pub(super) fn size(&self) -> usize {
        self.number as usize
    }

    pub(super) fn small(&self) -> u32 {
        self.number as u32
    }

    pub(super) fn at(&self) -> Millis {
        Millis(self.moment)
    }

    pub(super) fn run(&self) -> RunId {
        RunId::new(Uuid::from_u128(self.id))
    }

    pub(super) fn index(&self) -> TaskIndex {
        TaskIndex(self.small())
    }

    pub(super) fn task(&self) -> TaskRef {
        TaskRef { run: self.run(), task: self.index() }
    }

    pub(super) fn token(&self) -> Token {
        Token { attempt: self.small(), activation: self.small().wrapping_add(1) }
    }

    pub(super) fn speaker(&self) -> Speaker {
        Speaker {
            task: self.task(),
            token: self.token(),
            holder: InstanceId::new("node-1", &format!("{}#3", self.text)),
        }
    }

    pub(super) fn place(&self) -> Place {
        Place { submitted_at: self.at(), run: self.run(), task: Some(self.index()) }
    }

    pub(super) fn places(&self) -> [Place; 2] {
        [self.place(), Place { task: None, ..self.place() }]
    }

    pub(super) fn payloads(&self) -> Vec<Payload> {
        let all = vec![Payload::Json(self.json.clone()), Payload::Stored { hash: self.arc(), bytes: self.number }];
        every!(all, Payload: Json Stored)
    }

    pub(super) fn failures(&self) -> Vec<Failure> {
        use FailureClass::{Budget, Cancelled, Diverged, Panic, Retryable, Terminal, Timeout};
        let classes = [Retryable, Terminal, Timeout, Panic, Budget, Cancelled, Diverged];
        let classes = every!(classes, FailureClass: Retryable Terminal Timeout Panic Budget Cancelled Diverged);
        let causes = vec![self.text.clone(), String::new()];
        let long = Failure { causes, retry_after_ms: Some(self.number), ..self.failure() };
        classes.map(|class| Failure::new(class, self.text.clone())).into_iter().chain([long]).collect()
    }

    pub(super) fn failure(&self) -> Failure {
        Failure::new(FailureClass::Retryable, self.text.clone())
    }

    pub(super) fn outcomes(&self) -> [RunOutcome; 3] {
        every!([RunOutcome::Completed, RunOutcome::Failed, RunOutcome::Cancelled], RunOutcome: Completed Failed Cancelled)
    }

    pub(super) fn spec(&self) -> TaskSpec {
        let input = Json::parse(format!("{{\"$literal\":{}}}", self.json)).unwrap();
        let mut spec = TaskSpec::new("first", "text.review", input);
        spec.requires = vec!["zone=e u".parse().unwrap(), "price<=0.5".parse().unwrap()].into();
        spec.priority = Priority::High;
        spec.retry = Some(Retry { base_ms: self.number, ..Retry::default() });
        spec.timeouts = Timeouts { attempt_ms: Some(self.number), ..Timeouts::default() };
        spec.losses_max = Some(self.small());
        spec
    }

    pub(super) fn graph(&self) -> CheckedGraph {
        let mut second = TaskSpec::new("second", "text.review", Json::parse(r#"{"$from":"first"}"#).unwrap());
        second.after = vec!["first".into()];
        let graph = Graph {
            name: "w".into(),
            tasks: vec![self.spec().into(), second.into()],
            timeout_ms: Some(self.number),
            budget: Some(self.budget()),
            tenant: Some(self.text.clone()),
            labels: [(self.text.clone(), self.text.clone())].into(),
            trace: TraceParent::new(self.number.into(), self.number, true),
        };
        graph.check(&GraphLimits::NONE).unwrap()
    }

    pub(super) fn summaries(&self) -> Vec<Summary> {
        let summary = serde_json::json!({
            "page": self.number / 2, "count": self.number, "oldest_ms": self.moment, "newest_ms": self.moment,
            "fingerprints": "0000004affff", "again": [self.run()],
        });
        vec![serde_json::from_value(summary).unwrap()]
    }

    /// The whole history of a run that was cancelled, as the archive has it.
    pub(super) fn past(&self) -> Comeback {
        let mut state = State::new(Limits::default());
        let mut events = Vec::new();
        let submit =
            callboard_core::Command::Submit { run: self.run(), graph: self.graph(), key: Some(self.text.clone()) };
        for command in [submit, callboard_core::Command::Cancel { run: self.run(), reason: self.arc() }] {
            for event in decide(&state, self.at(), command).unwrap().events {
                let mut line = Vec::new();
                event.encode(&mut line);
                events.push(String::from_utf8(line).unwrap().trim_end().to_owned());
                state.apply(&event);
            }
        }
        let events = Json::parse(format!("[{}]", events.join(","))).unwrap();
        let lines = crate::partition::history::lines_of(&events).unwrap();
        let restored = RunRestored::new(events.clone(), RunRestored::fold(self.run(), &events).unwrap());
        Comeback { restored, lines, checked: self.number }
    }

    pub(super) fn rejections(&self) -> Vec<Rejected> {
        let (run, task, key, status) = (self.run(), self.task(), self.arc(), Status::Skipped);
        let (reason, reasons, many) = (self.arc(), vec![self.text.clone(), String::new()], self.size());
        let mut all = vec![
            Rejected::NoRun(run),
            Rejected::NoTask(task),
            Rejected::Conflict { run, key: Some(self.text.clone()) },
            Rejected::Conflict { run, key: None },
            Rejected::Full { live: many, more: usize::MAX, limit: 0 },
            Rejected::Paused { run, reason: reason.clone() },
            Rejected::NotResumable { task, status, first: Some(task) },
            Rejected::NotResumable { task, status, first: None },
            Rejected::Input { task, reasons: reasons.clone() },
            Rejected::News(task),
            Rejected::Children { task, reasons: reasons.clone() },
            Rejected::Cycle { path: reasons.clone() },
            Rejected::Child { task, parent: task },
            Rejected::Undoing { run },
            Rejected::SignalsFull { run, kept: many },
            Rejected::Ambiguous { run, many, open: reasons },
            Rejected::Answered { task, number: self.small() },
            Rejected::TaskEnded { task, status },
            Rejected::NotUnknown { task, key: key.clone(), state: None },
            Rejected::Open(run),
            Rejected::Pages { kept: self.number, pages: many },
            Rejected::TopUp { run, reason: self.text.clone() },
            Rejected::WallTimeSpent { run, limit_ms: self.number },
            Rejected::NotReserved { task, key: key.clone() },
            Rejected::Quarantined { run, reason },
        ];
        all.extend(self.outcomes().map(|outcome| Rejected::Ended { run, outcome }));
        let (held, presented) = (self.token(), Token::FIRST);
        all.extend(Status::ALL.map(|status| Rejected::Fenced { task, status, held, presented }));
        let states = [EffectStatus::UnderWay, EffectStatus::Done, EffectStatus::NotDone];
        let states = every!(states, EffectStatus: UnderWay Done NotDone);
        all.extend(states.map(|state| Rejected::NotUnknown { task, key: key.clone(), state: Some(state) }));
        all.extend(self.schedule_rejections().into_iter().map(Rejected::Schedule));
        every!(all, Rejected: NoRun NoTask Fenced Conflict Full Ended Paused NotResumable Input News Children Cycle Child
            Undoing SignalsFull Ambiguous Answered TaskEnded NotUnknown TopUp WallTimeSpent NotReserved Open Pages Quarantined Schedule)
    }

    pub(super) fn schedule_rejections(&self) -> Vec<ScheduleRejected> {
        let name = self.arc();
        let differences = [Difference::Time, Difference::Overlap, Difference::CatchUp, Difference::Workflow];
        let differences = every!(differences, Difference: Time Overlap CatchUp Workflow);
        let conflicts = differences.map(|differs| ScheduleRejected::Conflict { name: name.clone(), differs });
        let mut all = vec![
            ScheduleRejected::NotFound(name.clone()),
            ScheduleRejected::Full { limit: self.size() },
            ScheduleRejected::Busy { name: name.clone(), run: self.run() },
            ScheduleRejected::Faulty { name: name.clone(), reason: name },
        ];
        all.extend(conflicts);
        every!(all, ScheduleRejected: NotFound Conflict Full Busy Faulty)
    }

    pub(super) fn refusals(&self) -> Vec<Refusal> {
        let mut all = vec![
            Refusal::Unavailable(self.text.clone()),
            Refusal::Unknown(self.text.clone()),
            Refusal::Elsewhere(self.summaries()),
            Refusal::Elsewhere(Vec::new()),
        ];
        all.extend(self.rejections().into_iter().map(Refusal::Rejected));
        every!(all, Refusal: Rejected Unavailable Unknown Elsewhere)
    }

    pub(super) fn cost(&self) -> Cost {
        Cost { calls: self.number, tokens: 0, usd_micros: self.number / 2 }
    }

    pub(super) fn budget(&self) -> Budget {
        Budget { calls: Some(self.number), tokens: None, usd_micros: Some(0), wall_ms: Some(self.number) }
    }

    pub(super) fn waits(&self) -> Vec<Wait> {
        let (name, until) = (self.arc(), self.at());
        let mut all = vec![Wait::Sleep { until }];
        for until in maybe(until) {
            all.push(Wait::Signal { name: name.clone(), until });
            all.push(Wait::Approval { prompt: name.clone(), number: self.small(), until });
            all.push(Wait::Budget { cost: self.cost(), until });
            all.push(Wait::Barrier { name: name.clone(), parties: self.small(), value: self.json.clone(), until });
        }
        every!(all, Wait: Sleep Signal Approval Barrier Budget)
    }

    pub(super) fn contracts() -> [Contract; 3] {
        use Contract::{Checkable, Irreversible, Keyed};
        every!([Keyed, Checkable, Irreversible], Contract: Keyed Checkable Irreversible)
    }

    pub(super) fn notes(&self) -> Vec<Note> {
        let key = self.arc();
        let full = Child {
            key: key.clone(),
            alias: Some(key.clone()),
            hash: Some(key.clone()),
            priority: Some(Priority::Low),
            spec: self.spec(),
        };
        let bare = Child { alias: None, hash: None, priority: None, ..full.clone() };
        let mut all = vec![
            Note::Failed { key: key.clone(), failure: self.failure(), unsure: true },
            Note::Failed { key: key.clone(), failure: self.failure(), unsure: false },
            Note::Children(vec![full, bare]),
            Note::Begin { key: key.clone(), contract: Contract::Keyed, undo: Some(self.spec().into()), since: Some(7) },
            Note::Unknown { key: key.clone(), reason: key.clone() },
            Note::Withdraw(vec![key.clone()]),
            Note::Progress(self.json.clone()),
            Note::Park { seen: self.size(), gate: None },
            Note::Park { seen: self.size(), gate: Some(key.clone()) },
            Note::Settled { key: key.clone(), result: Err(self.failure()), cost: Cost::NONE },
        ];
        let settled = |payload| Note::Settled { key: key.clone(), result: Ok(payload), cost: self.cost() };
        all.extend(self.payloads().into_iter().map(settled));
        all.extend(self.payloads().into_iter().map(|payload| Note::Value(key.clone(), payload)));
        all.extend(Self::contracts().map(|contract| Note::Begin {
            key: key.clone(),
            contract,
            undo: None,
            since: None,
        }));
        let limit = maybe(Duration::new(self.number, 999_999_999));
        let waits = self.waits().into_iter().zip(limit.into_iter().cycle());
        all.extend(waits.map(|(wait, limit)| Note::Wait { key: key.clone(), wait, limit }));
        every!(all, Note: Value Failed Settled Children Begin Unknown Wait Withdraw Progress Park)
    }

    pub(super) fn says(&self) -> Vec<Say> {
        let reasons = [LossReason::Lease, LossReason::Gone, LossReason::Released];
        let reasons = every!(reasons, LossReason: Lease Gone Released);
        let mut all = vec![Say::Accept];
        all.extend(self.payloads().into_iter().map(Say::Complete));
        all.extend(self.failures().into_iter().map(Say::Fail));
        all.extend(reasons.map(Say::Lose));
        all.extend(self.notes().into_iter().map(Say::Note));
        every!(all, Say: Accept Complete Fail Lose Note)
    }

    pub(super) fn wishes(&self) -> Vec<Wish> {
        let id = uuid::Uuid::from_u128(self.number.into());
        let full = Wish::TopUp { id, amount: self.budget(), by: Some(self.arc()) };
        let bare = Wish::TopUp { id, amount: Budget::default(), by: None };
        let all = vec![
            Wish::Cancel(self.arc()),
            Wish::CancelTask(self.task().task, self.arc()),
            Wish::Pause(self.arc()),
            Wish::Resume,
            full,
            bare,
        ];
        every!(all, Wish: Cancel CancelTask Pause Resume TopUp)
    }

    pub(super) fn schedule_wishes(&self) -> Vec<ScheduleWish> {
        let cron = Timing::Cron { expression: self.arc(), zone: self.arc() };
        let timings = vec![Timing::At(self.at()), Timing::AfterMs(self.number), Timing::EveryMs(self.number), cron];
        let timings = every!(timings, Timing: At AfterMs EveryMs Cron);
        let overlaps = [Overlap::Skip, Overlap::Queue, Overlap::CancelPrevious, Overlap::Allow];
        let overlaps = every!(overlaps, Overlap: Skip Queue CancelPrevious Allow);
        let catch_ups =
            every!([CatchUp::Skip, CatchUp::Last, CatchUp::All], CatchUp: Skip Last All).into_iter().cycle();
        let replaces = every!([Replace::No, Replace::Yes], Replace: No Yes).into_iter().cycle();
        let mut all: Vec<ScheduleWish> = vec![
            ScheduleWish::Pause(self.arc()),
            ScheduleWish::Resume,
            ScheduleWish::Remove,
            ScheduleWish::FireNow(self.run()),
        ];
        let rest = timings.into_iter().zip(overlaps).zip(catch_ups.zip(replaces));
        all.extend(rest.map(|((timing, overlap), (catch_up, replace))| {
            ScheduleWish::Set(Box::new(NewSchedule { timing, overlap, catch_up, graph: self.graph(), replace }))
        }));
        every!(all, ScheduleWish: Set Pause Resume Remove FireNow)
    }

    pub(super) fn given(&self) -> Vec<Answer> {
        let (id, key, task) = (Uuid::from_u128(self.id), self.arc(), self.index());
        let approval = |task, number, by| Answer::Approval { id, task, number, approved: true, by };
        let mut all = vec![
            approval(Some(task), Some(self.small()), Some(key.clone())),
            approval(None, None, None),
            Answer::Approval { id, task: None, number: None, approved: false, by: None },
        ];
        let signal = |value| Answer::Signal { id, name: key.clone(), value };
        all.extend(self.payloads().into_iter().map(signal));
        let mut decisions = vec![Decision::DidNotHappen];
        decisions.extend(self.payloads().into_iter().map(Decision::Happened));
        let decisions = every!(decisions, Decision: Happened DidNotHappen);
        let effect = |(decision, by)| Answer::Effect { task, key: key.clone(), decision, by };
        all.extend(decisions.into_iter().zip(maybe(key.clone()).into_iter().cycle()).map(effect));
        every!(all, Answer: Signal Approval Effect)
    }

    /// Every command, and every form of what it says.
    pub(super) fn commands(&self) -> Vec<Command> {
        let (run, task, token, speaker) = (self.run(), self.task(), self.token(), self.speaker());
        let mut all: Vec<Command> = Vec::new();
        for key in maybe(self.text.clone()) {
            let (graph, checked) = (self.graph(), self.number);
            all.push(Box::new(move |reply| Message::Submit { run, graph, key, checked, room: room(), reply }));
        }
        for say in self.says() {
            let speaker = speaker.clone();
            all.push(Box::new(move |reply| Message::Speak { speaker, say, reply }));
        }
        for alive in every!([Alive::Instance, Alive::Handler], Alive: Instance Handler) {
            let speaker = speaker.clone();
            all.push(Box::new(move |reply| Message::Heartbeat { speaker, alive, reply }));
        }
        for answer in self.given() {
            all.push(Box::new(move |reply| Message::Answer { run, answer, room: room(), reply }));
        }
        for wish in self.wishes() {
            all.push(Box::new(move |reply| Message::Control { run, wish, reply }));
        }
        for (input, comeback) in maybe(self.json.clone()).into_iter().zip([None, Some(Box::new(self.past()))]) {
            all.push(Box::new(move |reply| Message::Retry { task, token, input, comeback, room: room(), reply }));
        }
        for wish in self.schedule_wishes() {
            let name = self.arc();
            all.push(Box::new(move |reply| Message::Schedule { name, wish, room: room(), reply }));
        }
        all
    }

    pub(super) fn whens() -> [When; 2] {
        every!([When::Now, When::Soon], When: Now Soon)
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        every!(vec![Target::Task { name: self.text.clone(), at: self.index() }, Target::Run], Target: Task Run)
    }

    pub(super) fn run_filters(&self) -> [Arc<RunFilter>; 2] {
        let full = RunFilter {
            statuses: run_statuses(),
            workflow: Some(self.text.clone()),
            labels: vec![(self.text.clone(), String::new())],
            submitted_after: Some(self.at()),
            submitted_before: Some(self.at()),
            with_dead_tasks: true,
        };
        [full.into(), Arc::default()]
    }

    pub(super) fn task_filters(&self) -> [Arc<TaskFilter>; 2] {
        [TaskFilter { statuses: Status::ALL.into(), capability: Some(self.text.clone()) }.into(), Arc::default()]
    }
}

pub(super) fn run_statuses() -> Vec<RunStatus> {
    use RunStatus::{Cancelled, Completed, Failed, Paused, Quarantined, Running, Undoing};
    let all = vec![Running, Paused, Undoing, Completed, Failed, Cancelled, Quarantined];
    every!(all, RunStatus: Running Paused Undoing Completed Failed Cancelled Quarantined)
}
