//! The driver of the scenario tests: a partition without a shell, spoken to in words.
//!
//! To each line, a command, there is an answer: what was journalled, then what was released (`>`), or why nothing
//! came of it (`!`). Every step goes the way of a real one: `decide`, the encoded line of each
//! event decoded again, `apply`. After each command the journal is replayed and must give the same state.

mod schedule;

use super::words;
use crate::{
    Alive, Budget, Command, Effect, Event, EventKind, Failure, FailureClass, Graph, InstanceId, Json, Ledger, Limits,
    LossReason, Millis, Payload, Priority, Rejected, Retry, Run, RunId, RunRestored, Speaker, State, Status, Step,
    StopReason, TaskIndex, TaskRef, TaskSpec, TaskState, Then, Timer, TimerKind, Token, check_history, check_owed,
    check_replay, check_step, decide,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// The moment at which every script begins.
const START: Millis = Millis(1_790_000_000_000);

pub(super) struct Board {
    pub(super) state: State,
    pub(super) now: Millis,
    journal: Vec<u8>,
    names: BTreeMap<RunId, String>,
    last: String,
    /// Runs that a schedule has named.
    ids: BTreeMap<String, RunId>,
    /// What the archive holds.
    pages: BTreeMap<RunId, Json>,
    /// Pages of the archive that were written.
    archived: u64,
    /// Whether the journal holds what the machine would not write.
    is_poisoned: bool,
    /// What has been seen to happen: states with events, rejections, timers, stops.
    pub(super) seen: BTreeSet<String>,
    /// The variants of the machine's enums that have been seen, as `Command::Submit`.
    pub(super) variants: BTreeSet<String>,
}

/// As much of a `Debug` text as is a name.
struct Head(String);

impl Write for Head {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        self.0.push_str(name);
        if name.len() == text.len() { Ok(()) } else { Err(std::fmt::Error) }
    }
}

/// The name of a variant.
fn variant(value: &impl std::fmt::Debug) -> String {
    let mut head = Head(String::new());
    let _cut = write!(head, "{value:?}");
    head.0
}

impl Board {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            state: State::new(limits),
            now: START,
            journal: Vec::new(),
            names: BTreeMap::new(),
            last: String::new(),
            ids: BTreeMap::new(),
            pages: BTreeMap::new(),
            archived: 0,
            is_poisoned: false,
            seen: BTreeSet::new(),
            variants: BTreeSet::new(),
        }
    }

    /// Carries out one line and says what came of it.
    pub(super) fn say(&mut self, line: &str) -> String {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let said = match verb {
            "tick" => self.tick(duration(words[0])),
            "wait" => self.shift(millis(words[0])),
            "back" => self.shift(-millis(words[0])),
            "due" => self.fire(),
            "next" => self.state.next_due().map_or("none".into(), |due| self.moment(due)),
            "forged" => self.forged(&words),
            "beat" => self.beat(&words),
            "restart" => self.restart(),
            "poison" => self.poison(rest),
            "show" => self.show(words[0]),
            "input" => self.input(words[0]),
            "closed" => self.closed(),
            "pages" => self.state.pages().iter().map(Json::as_str).collect::<Vec<_>>().join(" "),
            "submit" => self.submit(rest),
            "page" => self.page(words[0]),
            "restore" => self.restore(words[0]),
            "comeback" => self.comeback(&words),
            "limits" => self.limit(&words),
            "record" => self.record(words[0]),
            "ledger" => self.ledger(words[0]),
            "undecided" => self.undecided(words[0]),
            "schedule" | "unschedule" | "fire" | "hold" | "unhold" | "schedules" => self.schedule(verb, rest),
            _ => {
                let command = self.command(verb, &words, rest);
                self.put(command)
            }
        };
        self.replay();
        if said.is_empty() { "-".into() } else { said }
    }

    fn command(&mut self, verb: &str, words: &[&str], rest: &str) -> Command {
        let run = |board: &Self, name: &str| board.run_id(name);
        match verb {
            "accept" => Command::Accept(self.speaker(words), None),
            "complete" => {
                let output = option(words, "out=").unwrap_or("1");
                Command::Complete(self.speaker(words), Payload::Json(Json::parse(output).unwrap()))
            }
            "fail" => Command::Fail(self.speaker(words), failure(words[2], words)),
            "lose" => Command::Lose(self.speaker(words), loss(words[2])),
            "refuse" => {
                let speaker = self.speaker(words);
                Command::Refuse(speaker.task, speaker.token, failure(words[1], words))
            }
            "gone" => Command::LoseHolders(words[0].into()),
            "keep" => Command::KeepHolders(words.iter().map(|node| Arc::from(*node)).collect()),
            "cancel" => Command::Cancel { run: run(self, words[0]), reason: words[1..].join(" ").into() },
            "cancel-task" => {
                Command::CancelTask { task: self.speaker(words).task, reason: words[1..].join(" ").into() }
            }
            "pause" => Command::Pause { run: run(self, words[0]), reason: words[1..].join(" ").into() },
            "resume" => Command::Unpause { run: run(self, words[0]) },
            "topup" => Command::TopUp {
                id: uuid::Uuid::from_u128(option(words, "id=").unwrap().parse().unwrap()),
                run: run(self, words[0]),
                amount: option(words, "by=").map_or_else(Budget::default, |amount| amount.parse().unwrap()),
                by: Some("me".into()),
            },
            "retry" => {
                let Speaker { task, token, .. } = self.speaker(words);
                let input = rest.split_once("input=").map(|(_, json)| Json::parse(json).unwrap());
                Command::Retry { task, token, input }
            }
            "archive" => Command::Archive {
                runs: words.iter().map(|name| run(self, name)).collect(),
                page: Json::of(&(self.archived + 1)).unwrap(),
            },
            "forget-all-but" => Command::ForgetPages { kept: words[0].parse().unwrap() },
            verb => words::command(self, verb, words, rest),
        }
    }

    /// `limits depth=2 live=10 tasks=10 signals=2 cycle=fail`: other limits, before anything is submitted.
    fn limit(&mut self, words: &[&str]) -> String {
        let number = |key: &str| option(words, key).map(|number| number.parse::<usize>().unwrap());
        let limits = &mut self.state.limits;
        limits.depth_max = number("depth=").map_or(limits.depth_max, |depth| depth as u32);
        limits.live_tasks_max = number("live=").unwrap_or(limits.live_tasks_max);
        limits.signals_max = number("signals=").unwrap_or(limits.signals_max);
        limits.graph.tasks_max = number("tasks=").unwrap_or(limits.graph.tasks_max);
        if option(words, "cycle=") == Some("fail") {
            limits.on_cycle = crate::OnCycle::FailLeastUrgent;
        }
        String::new()
    }

    /// What a task has recorded.
    fn record(&self, task: &str) -> String {
        let (run, id) = self.find(task).unwrap();
        let Some(record) = run.record(id.task) else { return "nothing".into() };
        let entries: Vec<String> = record.entries.iter().map(|entry| words::entry(self, run.id, entry)).collect();
        let waits: Vec<&str> = record.waits.keys().map(|key| &**key).collect();
        let waits = if waits.is_empty() { String::new() } else { format!("; waits: {}", waits.join(" ")) };
        format!("{}{waits}", entries.join(", "))
    }

    /// What a run may cost, has cost, and who waits.
    fn ledger(&self, run: &str) -> String {
        let id = self.run_id(run);
        let Some(run) = self.state.run(id) else { return "no such run".into() };
        let Some(ledger) = run.ledger() else { return "none".into() };
        let call = |(task, key): (TaskIndex, &Arc<str>)| format!(" {}/{key}", self.task(id, task));
        let held: String = ledger.held().map(|(task, key, cost)| format!("{} ({cost})", call((task, key)))).collect();
        let waiting: String = ledger.waiting().map(call).collect();
        let list = |word: &str, list: String| if list.is_empty() { list } else { format!("; {word}:{list}") };
        let over = if ledger.overshoot.is_none() { String::new() } else { format!(", over {}", ledger.overshoot) };
        let wall = if ledger.wall_spent { "; no time" } else { "" };
        let Ledger { limit, spent, reserved, .. } = ledger;
        let (held, waiting) = (list("held", held), list("waiting", waiting));
        format!("limit {limit}, spent {spent}, reserved {reserved}{over}{held}{waiting}{wall}")
    }

    /// The effects of a run of which nobody knows whether they happened.
    fn undecided(&self, run: &str) -> String {
        let Some(run) = self.state.run(self.run_id(run)) else { return "no such run".into() };
        let effects = run.unknown_effects().map(|(task, key, _)| format!("{} {key}", self.task(run.id, task)));
        effects.collect::<Vec<_>>().join(", ")
    }

    /// `submit <run> [timeout=..]: <task> [option=..].. ; <task> ..`
    fn submit(&mut self, rest: &str) -> String {
        let (head, tasks) = rest.split_once(':').unwrap();
        let head: Vec<&str> = head.split_whitespace().collect();
        self.last = head[0].into();
        self.names.insert(name_id(head[0]), head[0].into());
        let graph = Graph {
            name: "test".into(),
            tasks: tasks.split(';').map(|task| Arc::new(spec(task))).collect(),
            timeout_ms: option(&head, "timeout=").map(|limit| duration(limit).as_millis() as u64),
            budget: option(&head, "budget=").map(|budget| budget.parse().unwrap()),
            tenant: None,
            labels: BTreeMap::new(),
            trace: None,
        };
        let key = option(&head, "key=").map(str::to_owned);
        match graph.check(&self.state.limits.graph) {
            Ok(graph) => self.put(Command::Submit { run: name_id(head[0]), graph, key }),
            Err(faults) => {
                self.seen.insert("rejected graph".into());
                format!("! graph{}", faults.iter().map(|fault| format!(" <{fault}>")).collect::<String>())
            }
        }
    }

    /// Keeps the lines of a run, as a page of the archive does.
    fn page(&mut self, name: &str) -> String {
        let id = self.run_id(name);
        let lines = self.journal.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        // What was restored is as good as what was written then.
        let own = lines.filter(|line| {
            let event = Event::decode(line).unwrap();
            event.run == Some(id) && !matches!(event.kind, EventKind::RunRestored(_))
        });
        let own: Vec<&str> = own.map(|line| std::str::from_utf8(line).unwrap()).collect();
        let page = Json::parse(format!("[{}]", own.join(","))).unwrap();
        self.pages.insert(id, page);
        format!("{} events", own.len())
    }

    fn restore(&mut self, name: &str) -> String {
        let run = self.run_id(name);
        let events = self.pages[&run].clone();
        let folded = RunRestored::fold(run, &events).unwrap();
        self.put(Command::Restore { run, restored: RunRestored::new(events, folded) })
    }

    /// `comeback <run> <task, by its number> token=a.b`: out of the archive, with another life for the task.
    fn comeback(&mut self, words: &[&str]) -> String {
        let run = self.run_id(words[0]);
        let events = self.pages[&run].clone();
        let folded = RunRestored::fold(run, &events).unwrap();
        let task = TaskRef { run, task: TaskIndex(words[1].parse().unwrap()) };
        let token = option(words, "token=").unwrap().parse().unwrap();
        self.put(Command::Comeback { restored: RunRestored::new(events, folded), task, token, input: None })
    }

    /// Puts a command to the machine, makes its events durable and says what came of it.
    fn put(&mut self, command: Command) -> String {
        self.variants.insert(format!("Command::{}", variant(&command)));
        match &command {
            Command::Note(_, note) => drop(self.variants.insert(format!("Note::{}", variant(note)))),
            Command::Answer(_, answer) => drop(self.variants.insert(format!("Answer::{}", variant(answer)))),
            Command::Schedule(wish) => drop(self.variants.insert(format!("ScheduleCommand::{}", variant(wish)))),
            Command::Due(timer) => drop(self.variants.insert(format!("TimerKind::{}", variant(&timer.kind)))),
            _ => {}
        }
        // A timer was given out when its moment had come, whatever the clock has done since.
        let now = if let Command::Due(timer) = &command { self.now.max(timer.due) } else { self.now };
        match decide(&self.state, self.now, command) {
            Ok(step) => {
                assert_eq!(check_step(&self.state, now, &step), [], "{step:?}");
                self.follow(step)
            }
            Err(rejected) => self.rejection(&rejected),
        }
    }

    fn follow(&mut self, step: Step) -> String {
        let mut said = Vec::new();
        for event in step.events {
            assert_eq!(event.seq, self.state.seq() + 1, "events are numbered without gaps");
            assert!(event.at >= self.state.at(), "time never runs back");
            said.push(self.event(&event));
            self.variants.insert(format!("EventKind::{}", variant(&event.kind)));
            if let EventKind::Schedule(what) = &event.kind {
                self.variants.insert(format!("ScheduleEvent::{}", variant(what)));
            }
            let from = self.journal.len();
            event.encode(&mut self.journal);
            let decoded = Event::decode(&self.journal[from..]).unwrap();
            assert_eq!(decoded, event, "an event survives its line");
            let parked = self.parked();
            self.state.apply(&decoded);
            for (run, task) in parked {
                let woken = self.state.run(run).is_some_and(|run| run.tasks[task].status() == Status::Ready);
                self.seen.extend(woken.then(|| format!("parked woken by {}", event.kind.name())));
            }
            let followed = event.run.and_then(|run| self.state.run(run)).is_none_or(|run| run.quarantined.is_none());
            assert!(followed, "what is decided can be followed: {event:?}");
        }
        said.extend(step.effects.iter().map(|effect| format!("> {}", self.effect(effect))));
        said.join(", ")
    }

    fn parked(&self) -> Vec<(RunId, usize)> {
        let is_parked = |(_, task): &(usize, &crate::Task)| task.status() == Status::Parked;
        let of_run = |run: &Run| run.tasks.iter().enumerate().filter(is_parked).map(|it| it.0).collect::<Vec<_>>();
        self.state.runs().flat_map(|run| of_run(run).into_iter().map(|task| (run.id, task))).collect()
    }

    fn tick(&mut self, by: Duration) -> String {
        self.now = self.now.after(by);
        self.fire()
    }

    fn fire(&mut self) -> String {
        let mut said = Vec::new();
        while let Some(timer) = self.state.pop_due(self.now) {
            self.seen.insert(format!("timer {:?}", timer.kind).to_lowercase());
            said.push(self.put(Command::Due(timer)));
        }
        said.extend(self.fire_schedules());
        said.retain(|said| !said.is_empty());
        said.join(", ")
    }

    /// `forged <run or task> <kind> <due>`: a timer that the index has not given out, due that long after the start.
    fn forged(&mut self, words: &[&str]) -> String {
        let found = self.find(words[0]).map(|(_, found)| found);
        let kind = match words[1] {
            "lease" => TimerKind::Lease,
            "retry" => TimerKind::Retry,
            "run" => TimerKind::Run,
            "budget" => TimerKind::Budget,
            "wait" => TimerKind::Wait,
            kind => panic!("no such timer: {kind}"),
        };
        let (run, task) = found.map_or((self.run_id(words[0]), None), |found| (found.run, Some(found.task)));
        self.put(Command::Due(Timer { due: START.after(duration(words[2])), run, task, kind }))
    }

    fn shift(&mut self, by: i64) -> String {
        self.now = Millis(self.now.0 + by);
        String::new()
    }

    fn beat(&mut self, words: &[&str]) -> String {
        let alive = if words.contains(&"handler") { Alive::Handler } else { Alive::Instance };
        let speaker = self.speaker(words);
        match self.state.heartbeat(self.now, &speaker, alive) {
            Ok(()) => "alive".into(),
            Err(rejected) => self.rejection(&rejected),
        }
    }

    /// The owner dies and another replays the journal.
    fn restart(&mut self) -> String {
        self.state = self.replayed();
        let effects = self.state.recover(self.now);
        assert_eq!(check_owed(&self.state, self.now, &effects), []);
        effects.iter().map(|effect| format!("> {}", self.effect(effect))).collect::<Vec<_>>().join(", ")
    }

    fn replayed(&self) -> State {
        let mut state = State::new(self.state.limits);
        for line in self.journal.split_inclusive(|&byte| byte == b'\n') {
            state.apply(&Event::decode(line).unwrap());
        }
        state
    }

    fn replay(&self) {
        let replayed = self.replayed();
        assert_eq!(journalled(&replayed), journalled(&self.state), "a replay gives the same state");
        assert_eq!(check_replay(&self.state, &replayed), []);
        if !self.is_poisoned {
            assert_eq!(check_history(&self.events()), []);
        }
    }

    /// All events so far.
    pub(super) fn events(&self) -> Vec<Event> {
        let lines = self.journal.split_inclusive(|&byte| byte == b'\n');
        lines.map(|line| Event::decode(line).unwrap()).collect()
    }

    /// Makes events durable, whoever has written them.
    pub(super) fn append(&mut self, events: &[Event]) {
        for event in events {
            event.encode(&mut self.journal);
            self.state.apply(event);
        }
    }

    /// `poison <run> <kind> <data>`: an event that the machine itself would not write; `RUN` in it is the run's id.
    fn poison(&mut self, rest: &str) -> String {
        self.is_poisoned = true;
        let (run, rest) = rest.split_once(' ').unwrap();
        let (kind, data) = rest.split_once(' ').unwrap();
        let (seq, at, id) = (self.state.seq() + 1, self.now.max(self.state.at()).0, self.run_id(run));
        let data = data.replace("RUN", &id.to_string());
        let line =
            format!("{{\"v\":1,\"seq\":{seq},\"at\":{at},\"run\":\"{id}\",\"kind\":\"{kind}\",\"data\":{data}}}\n");
        self.state.apply(&Event::decode(line.as_bytes()).unwrap());
        self.journal.extend_from_slice(line.as_bytes());
        match self.state.run(id).and_then(|run| run.quarantined.clone()) {
            Some(reason) => format!("quarantined: {}", reason.split(": ").next().unwrap_or_default()),
            None => "followed".into(),
        }
    }

    fn show(&self, what: &str) -> String {
        if let Some((_, id)) = self.find(what) {
            let run = self.state.run(id.run).unwrap();
            let task = &run.tasks[id.task.at()];
            let failures = task
                .failures
                .iter()
                .map(|failed| format!(" [{} at {}: {}]", failed.attempt, self.moment(failed.at), failed.failure));
            let more = match &task.state {
                TaskState::Blocked { waiting } => format!(" for {waiting}"),
                TaskState::Ready { not_before, gate } => {
                    let gate = gate.as_ref().map_or(String::new(), |gate| format!(" at {gate}"));
                    format!(" {} from {}{gate}", task.token, self.moment(*not_before))
                }
                TaskState::Running { holder, .. } => format!(" {} by {holder}", task.token),
                TaskState::Parked { since } => format!(" {} since {}", task.token, self.moment(*since)),
                TaskState::Completed { output, by } => format!(" by {by}: {output:?}"),
                TaskState::Cancelled { reason } => format!(": {reason}"),
                TaskState::Skipped { cause } => format!(" because of {}", run.tasks[cause.at()].spec.name),
                TaskState::Failed | TaskState::Dead => String::new(),
            };
            return format!("{}{more} losses={}{}", task.status(), task.losses, failures.collect::<String>());
        }
        let Some(run) = self.state.run(self.run_id(what)) else { return "no such run".into() };
        let tasks: Vec<String> = run.tasks.iter().map(|task| format!("{} {}", task.spec.name, task.status())).collect();
        let counted = run.tasks.iter().filter(|task| task.status() == Status::Ready).count();
        assert_eq!((run.counts().total(), run.counts().of(Status::Ready)), (run.tasks.len(), counted));
        let open = run.paused.as_ref().map_or("open".into(), |reason| format!("paused ({reason})"));
        let ended = run.ended.map_or(open, |(outcome, at)| format!("{} {}", outcome.as_str(), self.moment(at)));
        format!("{ended}: {}", tasks.join(", "))
    }

    fn input(&self, task: &str) -> String {
        let (run, id) = self.find(task).unwrap();
        run.input(id.task).map_or("not yet".into(), |parts| super::text_of(&parts))
    }

    fn closed(&self) -> String {
        self.state.closed().map(|(_, id)| self.names[&id].clone()).collect::<Vec<_>>().join(" ")
    }

    fn event(&mut self, event: &Event) -> String {
        let id = event.run.unwrap_or(RunId::from_key("", ""));
        let before =
            |index: TaskIndex| self.state.run(id).map_or("none", |run| run.tasks[index.at()].status().as_str());
        let (seen, said) = match &event.kind {
            EventKind::RunSubmitted(_) => (vec!["run_submitted".into()], "submitted".into()),
            EventKind::TaskAccepted(e) => {
                let said = format!("accepted {} {} {}", self.task(id, e.task), e.token, e.holder);
                (vec![format!("{} task_accepted", before(e.task))], said)
            }
            EventKind::TaskCompleted(e) => {
                let said = format!("completed {} {} {}", self.task(id, e.task), e.token, e.holder);
                (vec![format!("{} task_completed", before(e.task))], said)
            }
            EventKind::AttemptFailed(e) => {
                let class = e.failure.class.as_str();
                let said =
                    format!("failed {} {} {class} {}", self.task(id, e.task), e.token, self.then(e.then, event.at));
                (vec![format!("{} attempt_failed {}", before(e.task), then(e.then))], said)
            }
            EventKind::AttemptLost(e) => {
                let reason = format!("{:?}", e.reason).to_lowercase();
                let said =
                    format!("lost {} {} {reason} {}", self.task(id, e.task), e.token, self.then(e.then, event.at));
                (vec![format!("{} attempt_lost {reason} {}", before(e.task), then(e.then))], said)
            }
            EventKind::TasksSkipped(e) => {
                let seen = e.tasks.iter().map(|&task| format!("{} tasks_skipped", before(task))).collect();
                (seen, format!("skipped {} because of {}", self.tasks(id, &e.tasks), self.task(id, e.cause)))
            }
            EventKind::TasksCancelled(e) => {
                let seen = e.tasks.iter().map(|&task| format!("{} tasks_cancelled", before(task))).collect();
                (seen, format!("cancelled {} ({})", self.tasks(id, &e.tasks), e.reason))
            }
            EventKind::RunEnded(e) => {
                let said = format!("ended {} {}", self.names[&id], e.outcome.as_str());
                (vec![format!("run_ended {}", e.outcome.as_str())], said)
            }
            EventKind::RunsArchived(e) => {
                self.archived += 1;
                let runs: Vec<&str> = e.runs.iter().map(|run| self.names[run].as_str()).collect();
                (vec!["runs_archived".into()], format!("archived {}", runs.join(" ")))
            }
            EventKind::PagesForgotten(e) => (vec!["pages_forgotten".into()], format!("forgot all but {}", e.kept)),
            EventKind::RunPaused(e) => {
                (vec!["run_paused".into()], format!("paused {} ({})", self.names[&id], e.reason))
            }
            EventKind::RunResumed(_) => (vec!["run_resumed".into()], format!("resumed {}", self.names[&id])),
            EventKind::TaskResumed(e) => {
                let edited = e.input.as_ref().map_or(String::new(), |input| format!(" with {input:?}"));
                let reopened = match &e.reopened[..] {
                    [] => String::new(),
                    tasks => format!(" reopening {}", self.tasks(id, tasks)),
                };
                let seen = vec![format!("{} task_resumed", before(e.task))];
                (seen, format!("retried {} {}{edited}{reopened}", self.task(id, e.task), e.token))
            }
            EventKind::RunRestored(_) => (vec!["run_restored".into()], format!("restored {}", self.names[&id])),
            EventKind::Schedule(what) => self.schedule_event(what),
            kind => words::event(self, id, event.at, kind, &before),
        };
        self.seen.extend(seen);
        said
    }

    fn effect(&mut self, effect: &Effect) -> String {
        self.variants.insert(format!("Effect::{}", variant(effect)));
        match effect {
            Effect::Offer(ready) => {
                assert_eq!(
                    self.state.run(ready.task.run).and_then(|run| run.paused.clone()),
                    None,
                    "offered while paused"
                );
                assert_eq!(
                    self.state.run(ready.task.run).and_then(|run| run.ready(ready.task.task)).as_ref(),
                    Some(ready),
                    "what is offered can be accepted"
                );
                let at = ready.gate.as_ref().map_or(String::new(), |gate| format!(" at {gate}"));
                format!("offer {} {}{at}", self.task(ready.task.run, ready.task.task), ready.token)
            }
            Effect::Stop { speaker, reason } => {
                self.variants.insert(format!("StopReason::{}", variant(reason)));
                let reason = match reason {
                    StopReason::Cancelled => "cancelled",
                    StopReason::Timeout => "timeout",
                    StopReason::Silent => "silent",
                    StopReason::Lost => "lost",
                };
                self.seen.insert(format!("stop {reason}"));
                let task = self.task(speaker.task.run, speaker.task.task);
                format!("stop {task} {} {} {reason}", speaker.token, speaker.holder)
            }
            Effect::Withdraw { run } => format!("withdraw {}", self.names[run]),
            Effect::Ended { run, outcome } => format!("end {} {}", self.names[run], outcome.as_str()),
        }
    }

    fn rejection(&mut self, rejected: &Rejected) -> String {
        self.variants.insert(format!("Rejected::{}", variant(rejected)));
        if let Rejected::Schedule(rejected) = rejected {
            self.variants.insert(format!("ScheduleRejected::{}", variant(rejected)));
        }
        let (word, more) = match rejected {
            Rejected::NoRun(_) => ("no_run", String::new()),
            Rejected::NoTask(_) => ("no_task", String::new()),
            Rejected::Fenced { status, held, presented, .. } => {
                ("fenced", format!(" {status} {held}, shown {presented}"))
            }
            Rejected::Conflict { .. } => ("conflict", String::new()),
            Rejected::Paused { reason, .. } => ("paused", format!(" ({reason})")),
            Rejected::NotResumable { status, first, .. } => {
                let first = first.map(|task| format!(", first {}", self.task(task.run, task.task)));
                ("not_resumable", format!(" {status}{}", first.unwrap_or_default()))
            }
            Rejected::Input { reasons, .. } => ("input", format!(" {}", reasons.join("; "))),
            Rejected::Ended { outcome, .. } => ("ended", format!(" {}", outcome.as_str())),
            Rejected::Open(_) => ("open", String::new()),
            Rejected::Pages { kept, pages } => ("pages", format!(" {kept} of {pages}")),
            Rejected::Quarantined { .. } => ("quarantined", String::new()),
            Rejected::Full { live, more, limit } => ("full", format!(" live={live} more={more} limit={limit}")),
            Rejected::Schedule(rejected) => schedule::rejection(rejected),
            rejected => words::rejection(self, rejected),
        };
        self.seen.insert(format!("rejected {word}"));
        format!("! {word}{more}")
    }

    pub(super) fn run_id(&self, name: &str) -> RunId {
        self.ids.get(name).copied().unwrap_or_else(|| name_id(name))
    }

    /// `run.task`, or the task of the run that was submitted last.
    pub(super) fn find(&self, name: &str) -> Option<(&Run, TaskRef)> {
        let (run, task) = name.split_once('.').unwrap_or((&self.last, name));
        let run = self.state.run(self.run_id(run))?;
        let task = task.replace("undo:", "undo "); // a word has no blank
        Some((run, TaskRef { run: run.id, task: run.find(&task)? }))
    }

    /// `<task> <holder> .. [token=a.b]`; the present token unless another is shown.
    pub(super) fn speaker(&self, words: &[&str]) -> Speaker {
        let token = option(words, "token=").map(|token| token.parse().unwrap());
        let holder = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(InstanceId::new("n1", "x"));
        match self.find(words[0]) {
            Some((run, task)) => Speaker { task, token: token.unwrap_or(run.tasks[task.task.at()].token), holder },
            None => {
                let (run, task) = words[0].split_once('.').unwrap_or((&self.last, "4000000000"));
                let task = TaskIndex(task.parse().unwrap_or(0));
                Speaker { task: TaskRef { run: name_id(run), task }, token: token.unwrap_or(Token::FIRST), holder }
            }
        }
    }

    pub(super) fn name(&self, run: RunId) -> String {
        self.names[&run].clone()
    }

    /// The task's name, with that of its run unless it is the one that was submitted last.
    pub(super) fn task(&self, run: RunId, task: TaskIndex) -> String {
        let name = self.state.run(run).map_or("?", |run| &run.tasks[task.at()].spec.name);
        if self.names[&run] == self.last { name.into() } else { format!("{}.{name}", self.names[&run]) }
    }

    pub(super) fn tasks(&self, run: RunId, tasks: &[TaskIndex]) -> String {
        tasks.iter().map(|&task| self.task(run, task)).collect::<Vec<_>>().join(" ")
    }

    fn then(&self, then: Then, at: Millis) -> String {
        match then {
            Then::Again(moment) => format!("again in {:?}", moment.since(at)),
            Then::Failed => "for good".into(),
            Then::Dead => "dead".into(),
        }
    }

    pub(super) fn moment(&self, at: Millis) -> String {
        format!("at {:?}", at.since(START)).replace("at ", "+")
    }
}

/// Everything of a state that is journalled.
pub(super) fn journalled(state: &State) -> String {
    let runs: String = state.runs().map(|run| format!("{} {}\n", run.id, run.digest())).collect();
    let closed: Vec<_> = state.closed().collect();
    let schedules: Vec<_> = state.schedules().iter_after(None).collect();
    let schedules = serde_json::to_string(&schedules).unwrap();
    format!("seq {} at {:?} pages {:?} closed {closed:?}\n{runs}{schedules}", state.seq(), state.at(), state.pages())
}

pub(super) fn name_id(name: &str) -> RunId {
    RunId::from_key("tests", name)
}

pub(super) fn spec(text: &str) -> TaskSpec {
    let words: Vec<&str> = text.split_whitespace().collect();
    let list = |key: &str| -> Vec<String> {
        option(&words, key).map_or(Vec::new(), |names| names.split(',').map(str::to_owned).collect())
    };
    let ms = |key: &str| option(&words, key).map(|limit| duration(limit).as_millis() as u64);
    let refs: Vec<String> = list("from=").iter().map(|name| format!("{{\"$from\":\"{name}\"}}")).collect();
    let mut spec = TaskSpec::new(words[0], "work", Json::parse(format!("[{}]", refs.join(","))).unwrap());
    spec.after = list("after=");
    if let Some(retries) = option(&words, "retries=") {
        spec.retry = Some(Retry::exponential(retries.parse().unwrap()));
    }
    spec.timeouts.start_ms = ms("start=");
    spec.timeouts.attempt_ms = ms("attempt=");
    spec.timeouts.heartbeat_ms = ms("beat=");
    spec.losses_max = option(&words, "losses=").map(|losses| losses.parse().unwrap());
    if let Some(level) = option(&words, "priority=") {
        spec.priority = Priority::new(level.parse().unwrap()).unwrap();
    }
    spec
}

pub(super) fn option<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key))
}

pub(super) fn failure(class: &str, words: &[&str]) -> Failure {
    let class: FailureClass = serde_json::from_value(class.into()).unwrap();
    let mut failure = Failure::new(class, option(words, "why=").unwrap_or("broken"));
    failure.causes.extend(option(words, "cause=").map(str::to_owned));
    failure.retry_after_ms = option(words, "retry_after=").map(|after| duration(after).as_millis() as u64);
    failure
}

fn loss(reason: &str) -> LossReason {
    serde_json::from_value(reason.into()).unwrap()
}

fn then(then: Then) -> &'static str {
    match then {
        Then::Again(_) => "again",
        Then::Failed => "failed",
        Then::Dead => "dead",
    }
}

pub(super) fn duration(text: &str) -> Duration {
    Duration::from_millis(millis(text) as u64)
}

/// `10ms`, `3s`, `2h`.
pub(super) fn millis(text: &str) -> i64 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap();
    let number: i64 = text[..end].parse().unwrap();
    number
        * match &text[end..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            unit => panic!("no such unit: {unit}"),
        }
}
