//! Somebody who wants to know how things stand, all the time: whatever is answered fits what was answered before.

use crate::case::Case;
use crate::deeds::Deeds;
use crate::matter::{AGAIN, Findings, Matter, PATIENCE};
use crate::random::Random;
use callboard::prelude::*;
use callboard::{Position, Run, RunId, RunStatus};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{sleep, timeout};

/// The longest pause between two questions, in milliseconds.
const PAUSE_MS: u64 = 150;
/// So many kinds of questions there are, of one run and of everything. Those of a run come twice as often.
const OF_RUN: usize = 9;
const OF_ALL: usize = 10;
/// How many events of the whole cluster are followed at a time.
const FOLLOWED: usize = 5;

/// Questions to whichever node is up, at random.
pub struct Questions {
    cases: Vec<Arc<Case>>,
    /// It goes on until these are done.
    others: Vec<Arc<dyn Matter>>,
    /// Whether ended runs may be forgotten.
    may_forget: bool,
    chance: Mutex<Random>,
    told: Mutex<BTreeMap<RunId, Vec<(Position, String)>>>,
    /// What the last look at everything was lacking.
    lacking: Mutex<String>,
    findings: Findings,
}

impl Questions {
    /// About these runs and everything else, until these matters are done.
    pub fn about(cases: Vec<Arc<Case>>, others: Vec<Arc<dyn Matter>>, may_forget: bool, random: &mut Random) -> Self {
        Self {
            cases,
            others,
            may_forget,
            chance: Mutex::new(random.split()),
            told: Mutex::default(),
            lacking: Mutex::default(),
            findings: Findings::default(),
        }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<RunId, Vec<(Position, String)>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrong(&self, what: String) {
        self.findings.breach(format!("questions: {what}"));
    }

    async fn attended(&self, board: &Callboard) {
        while !self.others.iter().all(|other| other.findings().are_done()) {
            self.one(board).await;
            sleep(self.draw(|chance| chance.millis(PAUSE_MS))).await;
        }
        loop {
            // Who was deposed and does not know it tells how it was when it was the owner; not for ever.
            match timeout(PATIENCE, self.everything(board)).await {
                Ok(Ok(None)) => return self.findings.done(),
                Ok(Ok(Some(lacking))) => *self.lacking() = lacking,
                Ok(Err(error)) => *self.lacking() = format!("{error:#}"),
                Err(_elapsed) => "no answer".clone_into(&mut self.lacking()),
            }
            sleep(AGAIN).await;
        }
    }

    fn lacking(&self) -> MutexGuard<'_, String> {
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One question, about a run that was acknowledged or about everything.
    async fn one(&self, board: &Callboard) {
        let known: Vec<RunId> = self.cases.iter().filter_map(|case| case.id()).collect();
        let about = self.draw(|chance| known.get(chance.below(known.len())).copied());
        let kind = self.draw(|chance| chance.below(2 * OF_RUN + OF_ALL));
        let asked = async {
            match about {
                Some(id) if kind < 2 * OF_RUN => self.of_run(kind, board, &board.run(id), &known).await,
                _ => self.of_all(kind, board).await,
            }
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) => {}
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound && self.may_forget => {}
            Ok(Err(error)) => self.wrong(format!("{kind} of {about:?} is answered: {error:#}")),
        }
    }

    async fn of_run(&self, kind: usize, board: &Callboard, run: &Run, known: &[RunId]) -> Result<()> {
        match kind % OF_RUN {
            0 => drop(run.info().await?),
            1 => self.tasks(run).await?,
            2 => {
                if let Some(why) = run.why("t0").await?
                    && why.to_string().is_empty()
                {
                    self.wrong(format!("why t0 of {} does not run: for no reason", run.id()));
                }
            }
            3 => drop((run.task("0").await?, run.progress().await?)),
            4 => drop(run.times().await?),
            5 => {
                let other = self.draw(|chance| *chance.one_of(known));
                drop(run.diff(&board.run(other)).await?);
            }
            6 => {
                if run.graph().await?.to_mermaid()?.is_empty() {
                    self.wrong(format!("{} has no tasks", run.id()));
                }
            }
            7 => self.past(run).await?,
            _ => self.events(run).await?,
        }
        Ok(())
    }

    /// Its tasks, page by page.
    async fn tasks(&self, run: &Run) -> Result<()> {
        let (limit, is_of_programs) = self.draw(|chance| (chance.between(1, 4), chance.once_in(2)));
        let (mut last, mut after) = (None, None);
        loop {
            let mut tasks = run.tasks().limit(limit);
            if let Some(after) = after {
                tasks = tasks.after(after);
            }
            if is_of_programs {
                tasks = tasks.capability("program");
            }
            let page = tasks.await?;
            for task in page.items {
                if last >= Some(task.index) {
                    self.wrong(format!("task {} of {} comes behind {last:?}", task.index, run.id()));
                }
                last = Some(task.index);
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// What has happened so far, again: it begins with what was told before, or that with it.
    async fn events(&self, run: &Run) -> Result<()> {
        let _there = run.info().await?;
        let events = run.replay(f64::INFINITY)?;
        let events: Vec<_> = events.collect().await;
        let events = events.iter().filter(|event| !matches!(event.what, callboard::What::Unreadable { .. }));
        let events: Vec<_> =
            events.map(|event| (event.position, format!("{:?} {:?}", event.task, event.what))).collect();
        let mut told = self.told();
        let before = told.entry(run.id()).or_default();
        if let Some((then, now)) = before.iter().zip(&events).find(|(then, now)| then != now) {
            self.wrong(format!("an event of {} was told as {then:?}, and now as {now:?}", run.id()));
        }
        if events.len() > before.len() {
            *before = events;
        }
        Ok(())
    }

    /// How it stood at an event that was told.
    async fn past(&self, run: &Run) -> Result<()> {
        let of = |all: &BTreeMap<RunId, Vec<(Position, String)>>| {
            let told = all.get(&run.id()).map(Vec::as_slice).unwrap_or_default();
            self.draw(|chance| told.get(chance.below(told.len())).map(|(position, _)| *position))
        };
        let Some(position) = of(&self.told()) else { return Ok(()) };
        let past = run.at(position).await?;
        if past.id() != run.id() {
            self.wrong(format!("the past of {} is that of {}", run.id(), past.id()));
        }
        drop((past.task("t0"), past.info()));
        let mut rest = run.events_after(position);
        let next = timeout(Duration::from_millis(100), rest.next()).await;
        if let Ok(Some(next)) = next
            && next.position <= position
        {
            self.wrong(format!("behind {position} of {} comes {}", run.id(), next.position));
        }
        Ok(())
    }

    async fn of_all(&self, kind: usize, board: &Callboard) -> Result<()> {
        let limit = self.draw(|chance| chance.between(1, 5));
        match kind % OF_ALL {
            0 => drop(self.runs(board).await?),
            1 => {
                let status = self.draw(|chance| *chance.one_of(&RunStatus::ALL));
                drop(board.runs().status(status).limit(limit).await?);
            }
            2 => drop(board.tasks().capability("program").limit(limit).await?),
            3 => drop(board.dead_letters().limit(limit).await?),
            4 => drop((board.approvals().limit(limit).await?, board.unknown_effects().limit(limit).await?)),
            5 => drop(board.schedules().await?),
            6 => drop((board.nodes().await?, board.agents().await?, board.actors().await)),
            7 => drop((board.queue(), board.limits(), board.breakers(), board.locks().await?)),
            8 => drop((board.state_keys("").await?, board.state_spool().await?)),
            _ => self.feed(board).await?,
        }
        Ok(())
    }

    /// The events of all runs: a page, and some of what comes behind it.
    async fn feed(&self, board: &Callboard) -> Result<()> {
        let page = board.events().page(FOLLOWED).await?;
        let mut feed = match page.next {
            Some(after) => board.events().after(after).follow().await?,
            None => board.events().from_now().follow().await?,
        };
        let some = async {
            for _ in 0..FOLLOWED {
                if let Some(event) = feed.next().await {
                    let _told = event?;
                }
            }
            Ok(())
        };
        timeout(Duration::from_secs(1), some).await.unwrap_or(Ok(()))
    }

    /// All runs, page by page: each once.
    async fn runs(&self, board: &Callboard) -> Result<BTreeSet<RunId>> {
        let limit = self.draw(|chance| chance.between(1, 5));
        let (mut all, mut after) = (BTreeSet::new(), None);
        loop {
            let runs = board.runs().limit(limit);
            let page = match after {
                Some(after) => runs.after(after).await?,
                None => runs.await?,
            };
            all.extend(page.items.iter().map(|run| run.id));
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// What is lacking in a list of everything.
    async fn everything(&self, board: &Callboard) -> Result<Option<String>> {
        let all = self.runs(board).await?;
        let known: BTreeSet<RunId> = self.cases.iter().filter_map(|case| case.id()).collect();
        let lacking: Vec<_> = known.difference(&all).filter(|_| !self.may_forget).collect();
        Ok((!lacking.is_empty()).then(|| format!("{lacking:?} are in no list of runs")))
    }
}

impl Matter for Questions {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        match self.others.iter().all(|other| other.findings().are_done()) {
            true => format!("questions: {}", self.lacking()),
            false => "questions are asked until all else is done".to_owned(),
        }
    }

    fn look_after(self: Arc<Self>, board: Callboard, _: Deeds) -> BoxFuture<'static, ()> {
        async move { self.attended(&board).await }.boxed()
    }
}
