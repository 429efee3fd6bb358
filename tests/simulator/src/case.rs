//! The runs of a simulation: what each is, what was told of it, and what it must come to.

use crate::deeds::Deeds;
use crate::matter::{AGAIN, Findings, Matter, PATIENCE};
use crate::program::{Op, Outside, Program, asks, draw, id_of, number_of, oracle, signals, unscoped};
use crate::random::Random;
use callboard::prelude::*;
use callboard::{ApprovalId, Run, RunId, TaskIndex};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{sleep, timeout};

/// What a run is and what becomes of it, whoever looks after it.
pub struct Case {
    /// The key under which it is submitted.
    pub key: String,
    tasks: Vec<(Vec<Op>, Vec<usize>)>,
    /// How urgent each of them is.
    priorities: Vec<Priority>,
    /// How many calls it may make, if that is limited.
    budget: Option<u64>,
    /// How long after its submission it is to be cancelled, if it is.
    cancel_after: Option<Duration>,
    /// Whether it is given up when its submission is refused: it must not be there then.
    gives_up: bool,
    /// Whether approvals are answered by their numbers, before they are asked for.
    answers_early: bool,
    known: Mutex<Known>,
    findings: Findings,
}

/// What those outside know.
#[derive(Clone, Debug, Default)]
struct Known {
    id: Option<RunId>,
    tries: usize,
    /// Its first submission was refused, and there was no other.
    is_given_up: bool,
    is_cancelled: bool,
    is_perhaps_cancelled: bool,
    signalled: usize,
    /// What is being added to its budget, if that is not known to be added, and how often it was.
    adding: Option<u64>,
    added: usize,
    outcome: Option<RunOutcome>,
}

impl Case {
    /// A run, at random.
    pub fn draw(key: String, random: &mut Random, most: usize, cancels: bool) -> Self {
        // Of its own, so that everything else is drawn as if there were no budgets.
        let mut purse = Random(random.0 ^ 0xB0D6_E755);
        let answers_early = Random(random.0 ^ 0x0A27_1A11).once_in(2);
        let count = if random.once_in(3) { 1 } else { random.between(2, 5) };
        let tasks = (0..count).map(|n| {
            let ops = draw(random, most);
            let mut needs: Vec<usize> =
                (0..random.below(3)).map(|_| random.below(n)).filter(|need| *need < n).collect();
            needs.sort_unstable();
            needs.dedup();
            (ops, needs)
        });
        let mut tasks: Vec<_> = tasks.collect();
        let budget = purse.once_in(3).then(|| purse.between(2, 9) as u64);
        if budget.is_some() {
            tasks.iter_mut().for_each(|(ops, _)| ops.push(paid(&mut purse)));
        }
        let levels = [Priority::Background, Priority::Medium, Priority::Critical];
        let priorities = tasks.iter().map(|_| *random.one_of(&levels)).collect();
        let cancel_after = (cancels && random.once_in(4)).then(|| random.millis(2_000));
        let (gives_up, known, findings) = (random.once_in(4), Mutex::default(), Findings::default());
        Self { key, tasks, priorities, budget, cancel_after, gives_up, answers_early, known, findings }
    }

    /// Its id, when its submission was acknowledged.
    pub fn id(&self) -> Option<RunId> {
        self.known().id
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workflow(&self) -> Workflow {
        let workflow = Workflow::new(&self.key);
        let mut nodes: Vec<Node<String>> = Vec::new();
        for (n, (ops, needs)) in self.tasks.iter().enumerate() {
            let given = needs.iter().map(|need| nodes[*need].clone()).collect::<Vec<_>>().as_slice().gather();
            let task = workflow.task(format!("t{n}"), Program { ops: ops.clone(), given });
            nodes.push(task.losses(1_000).priority(self.priorities[n]));
        }
        match self.budget {
            Some(calls) => workflow.budget(callboard::Budget::new().calls(calls)),
            None => workflow,
        }
    }

    fn wrong(&self, what: String) {
        self.findings.breach(format!("{}: {what}", self.key));
    }

    async fn attended(&self, board: Callboard, deeds: Deeds) {
        if self.known().is_given_up {
            return self.look_for_it(&board, &deeds).await;
        }
        let Some(run) = self.submit(&board, &deeds).await else { return };
        let cancel = async {
            if let Some(after) = self.cancel_after {
                sleep(after).await;
                self.cancel(&run).await;
            }
            std::future::pending::<()>().await;
        };
        let attend = self.attend(&run, &board, &deeds);
        let ended = async {
            loop {
                if let Ok(Ok(outcome)) = timeout(PATIENCE, run.outcome()).await {
                    return outcome;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        let outcome = tokio::select! {
            biased;
            outcome = ended => outcome,
            () = cancel => return,
            () = attend => return,
        };
        self.check(&run, outcome).await;
    }

    async fn submit(&self, board: &Callboard, deeds: &Deeds) -> Option<Run> {
        let submitted = self.known().id;
        if let Some(id) = submitted {
            return Some(board.run(id));
        }
        loop {
            self.known().tries += 1;
            if let (1, Some(calls)) = (self.known().tries, self.budget) {
                deeds.allow(board.run_id_of_key(&self.key), calls);
            }
            match timeout(PATIENCE, board.start(self.workflow()).key(self.key.clone()).into_future()).await {
                Ok(Ok(run)) => {
                    self.known().id = Some(run.id());
                    return Some(run);
                }
                Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => {
                    let mut known = self.known();
                    known.is_given_up = self.gives_up && known.tries == 1;
                }
                Ok(Err(error)) if error.kind() == ErrorKind::Unknown => {}
                Ok(Err(error)) => {
                    self.wrong(format!("its submission is refused: {error:#}"));
                    return None;
                }
                Err(_elapsed) => {}
            }
            if self.known().is_given_up {
                return None; // it is looked for later
            }
            sleep(AGAIN).await;
        }
    }

    /// What was refused is not there, not even later.
    async fn look_for_it(&self, board: &Callboard, deeds: &Deeds) {
        let run = board.run(board.run_id_of_key(&self.key));
        if deeds.have_begun(run.id()) {
            self.wrong("its submission was refused, and its code has run".to_owned());
        }
        match timeout(PATIENCE, run.info()).await {
            Ok(Ok(_)) => self.wrong("its submission was refused, and it is there".to_owned()),
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
                sleep(Duration::from_secs(1)).await;
                self.findings.done();
            }
            _ => sleep(AGAIN).await,
        }
    }

    async fn cancel(&self, run: &Run) {
        if self.known().is_cancelled {
            return;
        }
        loop {
            self.known().is_perhaps_cancelled = true;
            match timeout(PATIENCE, run.cancel("the customer has changed its mind")).await {
                Ok(Ok(())) => {
                    self.known().is_cancelled = true;
                    return;
                }
                // It has ended.
                Ok(Err(error)) if error.kind() == ErrorKind::Conflict => return,
                _ => sleep(AGAIN).await,
            }
        }
    }

    /// Answers what the run asks, for ever.
    async fn attend(&self, run: &Run, board: &Callboard, deeds: &Deeds) {
        let wanted: usize = self.tasks.iter().map(|(ops, _)| signals(ops)).sum();
        if self.answers_early {
            self.answer_early(run, board, deeds).await;
        }
        loop {
            sleep(Duration::from_millis(250)).await;
            if let Ok(Ok(page)) = timeout(PATIENCE, board.approvals().into_future()).await {
                for approval in page.items.into_iter().filter(|approval| approval.id.run == run.id()) {
                    deeds.asks(approval.id, id_of(run.id(), &approval.task), &approval.prompt);
                    answer(approval.id, board, deeds).await;
                }
            }
            decide(board, deeds, |of| of == run.id()).await;
            if self.budget.is_some() {
                self.add(run, deeds).await;
            }
            let is_waited_for = self.known().signalled < wanted;
            if is_waited_for && matches!(timeout(PATIENCE, run.signal("s", &"signal")).await, Ok(Ok(()))) {
                self.known().signalled += 1;
            }
        }
    }

    /// Answers the first approval of each task, mostly before it is asked for.
    async fn answer_early(&self, run: &Run, board: &Callboard, deeds: &Deeds) {
        for (n, _) in self.tasks.iter().enumerate().filter(|(_, (ops, _))| asks(ops)) {
            let approval = ApprovalId { run: run.id(), task: TaskIndex(n as u32), number: 1 };
            answer(approval, board, deeds).await;
        }
    }

    /// Adds to the budget what the call needs that waits the longest; under one key until it is known to be added.
    async fn add(&self, run: &Run, deeds: &Deeds) {
        let adding = self.known().adding;
        let amount = match adding {
            Some(amount) => amount,
            None => {
                let Ok(Ok(Some(budget))) = timeout(PATIENCE, run.budget()).await else { return };
                if budget.waiting == 0 {
                    return;
                }
                let amount = 1 + self.known().added as u64 % 4;
                deeds.allow(run.id(), amount);
                self.known().adding = Some(amount);
                amount
            }
        };
        let key = self.known().added.to_string();
        let top_up = run.top_up(callboard::Budget::new().calls(amount)).key(&key).by("the customer pays");
        if matches!(timeout(PATIENCE, top_up.into_future()).await, Ok(Ok(()))) {
            let mut known = self.known();
            (known.adding, known.added) = (None, known.added + 1);
        }
    }

    async fn check(&self, run: &Run, outcome: RunOutcome) {
        {
            let mut known = self.known();
            match known.outcome {
                Some(before) if before != outcome => {
                    self.wrong(format!("ended as {before:?} and as {outcome:?}"));
                }
                _ => known.outcome = Some(outcome),
            }
            let is_allowed = match outcome {
                RunOutcome::Completed => !known.is_cancelled,
                RunOutcome::Cancelled => known.is_perhaps_cancelled,
                RunOutcome::Failed => false,
            };
            if !is_allowed {
                self.wrong(format!("ended as {outcome:?}"));
            }
        }
        let Ok(Some(events)) = timeout(PATIENCE, self.events(run)).await else { return };
        if outcome == RunOutcome::Failed {
            let failures = events.iter().filter(|event| matches!(event.what, callboard::What::Failed { .. }));
            failures.for_each(|event| self.wrong(format!("{event:?}")));
        }
        let mut completed: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut recorded: BTreeMap<(Option<Arc<str>>, Arc<str>), usize> = BTreeMap::new();
        for event in &events {
            match &event.what {
                callboard::What::Completed => {
                    *completed.entry(event.task.clone().unwrap_or_default()).or_default() += 1
                }
                callboard::What::Recorded { call } => {
                    *recorded.entry((event.task.clone(), call.clone())).or_default() += 1;
                }
                _ => {}
            }
        }
        let twice = completed.iter().filter(|(_, times)| **times != 1);
        twice.for_each(|(task, times)| self.wrong(format!("{task} has {times} results")));
        let twice = recorded.iter().filter(|(_, times)| **times != 1);
        twice.for_each(|((task, call), times)| self.wrong(format!("{call} of {task:?} is recorded {times} times")));
        for (n, (ops, _)) in self.tasks.iter().enumerate() {
            let name: Arc<str> = format!("t{n}").into();
            if outcome != RunOutcome::Completed && !completed.contains_key(&name) {
                continue;
            }
            let expected = oracle(ops);
            match timeout(PATIENCE, run.output_json(&name)).await {
                Ok(Ok(said)) if said.as_str() == format!("{expected:?}") => {}
                Ok(Ok(said)) => self.wrong(format!("{name} says {}, not {expected:?}", said.as_str())),
                _ => return, // somebody asks again
            }
        }
        self.findings.done();
    }

    async fn events(&self, run: &Run) -> Option<Vec<callboard::RunEvent>> {
        let _there = run.info().await.ok()?;
        Some(run.events().collect().await)
    }
}

/// Tells these runs what has become of effects of which nobody knows, as far as somebody listens.
pub(crate) async fn decide(board: &Callboard, deeds: &Deeds, are_of: impl Fn(RunId) -> bool) {
    let Ok(Ok(page)) = timeout(PATIENCE, board.unknown_effects().into_future()).await else { return };
    for effect in page.items.into_iter().filter(|effect| are_of(effect.id.run)) {
        let id = id_of(effect.id.run, &effect.task);
        let happened = deeds.happened(&id, unscoped(&effect.id.call));
        let value = number_of(unscoped(&effect.id.call));
        let decide = board.decide(effect.id);
        let _decided = match happened {
            true => timeout(PATIENCE, decide.happened(&value)).await,
            false => timeout(PATIENCE, decide.did_not_happen()).await,
        };
    }
}

/// Two people answer an approval, at the same time and not always the same. Somebody may have before: an earlier try of
/// unknown outcome.
async fn answer(approval: ApprovalId, board: &Callboard, deeds: &Deeds) {
    let say = async |yes| {
        let answering = if yes { board.approve(approval) } else { board.reject(approval) };
        if let Ok(Ok(())) = timeout(PATIENCE, answering.into_future()).await {
            deeds.answered(approval, yes);
        }
    };
    let agree = (approval.task.0 + approval.number).is_multiple_of(3);
    futures::join!(say(true), say(agree));
}

/// Calls that cost something, side by side.
fn paid(random: &mut Random) -> Op {
    let mut call = || {
        let at_most = random.between(1, 4) as u64;
        let costs = if random.once_in(6) { at_most + 1 } else { random.below(at_most as usize + 1) as u64 };
        Op::Spend { n: random.below(1_000) as u32, at_most, costs }
    };
    Op::Both(vec![call(), call()], vec![call(), Op::Both(vec![call()], vec![call()])])
}

impl Matter for Case {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        format!("{}: {:?} {:?}", self.key, *self.known(), self.tasks)
    }

    fn look_after(self: Arc<Self>, board: Callboard, deeds: Deeds) -> BoxFuture<'static, ()> {
        async move { self.attended(board, deeds).await }.boxed()
    }
}
