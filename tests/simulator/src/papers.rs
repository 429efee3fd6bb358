//! Documents of a simulation: what is written is there, once; what is refused is not; who holds a lock no more writes nothing.

use crate::deeds::Deeds;
use crate::matter::{AGAIN, Findings, Matter};
use crate::random::Random;
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Builder, Document, Version};
use callboard_linear::{Call, Content, Outcome, Recorder, What, known_order};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{Instant, sleep};

/// The document that is updated, the one that is used under a lock alone, and the one to which is merged.
const NAMES: [&str; 3] = ["updated", "locked", "merged"];
/// Everybody's lock, with the shortest life.
const LOCK: (&str, Duration) = ("the lock", Duration::from_secs(1));
/// For how long it may be held.
const LONGEST: Duration = Duration::from_secs(4);
/// How long what was spooled may take to come home when nothing goes wrong any more.
const HOME_MAX: Duration = Duration::from_secs(120);

/// Some of the writers of numbers, each of which is written once; others may be looked after through another process.
pub struct Papers {
    number: usize,
    desk: Arc<Desk>,
    writers: usize,
    /// How long a holder takes between its read and its write at the longest, in milliseconds.
    dwells_ms: u64,
    chance: Mutex<Random>,
    findings: Findings,
}

/// What all writers have in common.
struct Desk {
    known: Mutex<Known>,
    /// Those of all processes.
    spools: Vec<MemoryStore>,
    minutes: Minutes,
}

/// What is done with the documents, as it is told by those who do it.
#[derive(Clone, Default)]
pub struct Minutes {
    recorder: Recorder,
    /// By what they merge, those who have asked for that.
    merging: Arc<Mutex<BTreeMap<u64, Call>>>,
}

impl Minutes {
    fn begin(&self, number: usize, name: &str, what: What) -> Call {
        self.recorder.call(&format!("papers {number}").into(), &name.into(), what)
    }

    /// Somebody is about to have a number merged, which may be done long after.
    fn begin_merging(&self, number: usize, n: u64) -> Call {
        let call = self.begin(number, NAMES[2], What::Update(Vec::new()));
        self.merging.lock().unwrap_or_else(PoisonError::into_inner).insert(n, call);
        call
    }

    fn merges(&self, newest: &[u64], mine: &[u64], all: &[u64]) {
        let merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = mine.first().and_then(|n| merging.get(n)) {
            self.recorder.tries(*call, said(newest), said(all));
        }
    }

    fn written(&self, call: Call, result: &Result<Version<Vec<u64>>>) {
        let outcome = match result {
            Ok(version) => Outcome::Written { version: version.number, content: Some(said(&version.value)) },
            Err(error) if error.kind() == ErrorKind::Unknown => Outcome::Unknown,
            Err(_) => Outcome::Refused,
        };
        self.recorder.answer(call, outcome);
    }

    fn read(&self, call: Call, read: Option<&Version<Vec<u64>>>) {
        let content = read.and_then(|version| said(&version.value));
        self.recorder.answer(call, Outcome::Read { version: read.map(|version| version.number), content });
    }
}

/// What a document says, by a number; one that holds nothing is not there.
fn said(all: &[u64]) -> Content {
    let mut hasher = DefaultHasher::new();
    all.hash(&mut hasher);
    (!all.is_empty()).then(|| hasher.finish())
}

/// What those outside know.
#[derive(Debug, Default)]
struct Known {
    /// Papers whose writers are at it.
    at_it: BTreeSet<usize>,
    /// Numbers that are yet to be written.
    left: u64,
    next: u64,
    /// By document: what was written, and what was refused. Of the others nobody knows.
    written: BTreeMap<&'static str, BTreeSet<u64>>,
    refused: BTreeMap<&'static str, BTreeSet<u64>>,
}

/// What merges.
pub fn merging(builder: Builder, minutes: Minutes) -> Builder {
    builder.merge(NAMES[2], move |newest: Option<Vec<u64>>, mine: Vec<u64>| {
        let newest = newest.unwrap_or_default();
        let all = [newest.as_slice(), &mine].concat();
        minutes.merges(&newest, &mine, &all);
        all
    })
}

impl Papers {
    /// Some papers of the same writing, at random.
    pub fn draw(random: &mut Random, spools: Vec<MemoryStore>, minutes: Minutes) -> Vec<Self> {
        let count = random.between(1, 3);
        let known = Known { at_it: (0..count).collect(), left: random.between(4, 80) as u64, ..Known::default() };
        let desk = Arc::new(Desk { known: Mutex::new(known), spools, minutes });
        let dwells_ms = *random.one_of(&[10, 500, 1_500]);
        let each = (0..count).map(|number| Self {
            number,
            desk: desk.clone(),
            writers: random.between(1, 2),
            dwells_ms,
            chance: Mutex::new(random.split()),
            findings: Findings::default(),
        });
        each.collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.desk.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draws(&self, below: u64) -> u64 {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).any() % below.max(1)
    }

    fn wrong(&self, what: String) {
        self.findings.breach(format!("documents: {what}"));
    }

    /// A number that nobody has written, if there are more to be.
    fn takes(&self) -> Option<u64> {
        let mut known = self.known();
        known.left = known.left.checked_sub(1)?;
        known.next += 1;
        Some(known.next)
    }

    fn came<T>(&self, name: &'static str, n: u64, result: &Result<T>) {
        let mut known = self.known();
        let such = match result {
            Ok(_) => &mut known.written,
            Err(error) => match error.kind() {
                ErrorKind::Unavailable | ErrorKind::Fenced => &mut known.refused,
                ErrorKind::Unknown => return,
                _ => return self.findings.breach(format!("documents: {n} of {name:?} is refused: {error:#}")),
            },
        };
        such.entry(name).or_default().insert(n);
    }

    async fn write(&self, board: &Callboard) {
        let [updated, _, merged] = NAMES.map(|name| board.state::<Vec<u64>>(name));
        while let Some(n) = self.takes() {
            sleep(Duration::from_millis(self.draws(200))).await;
            let minutes = &self.desk.minutes;
            match self.draws(4) {
                0 | 1 => {
                    let call = minutes.begin(self.number, NAMES[0], What::Update(Vec::new()));
                    let push = |all: &mut Vec<u64>| {
                        let saw = said(all);
                        all.push(n);
                        minutes.recorder.tries(call, saw, said(all));
                    };
                    let result = updated.update(push).await;
                    minutes.written(call, &result);
                    self.came(NAMES[0], n, &result);
                }
                2 => {
                    let call = minutes.begin_merging(self.number, n);
                    let result = merged.merge_or_spool(&vec![n]).await;
                    self.came(NAMES[2], n, &result);
                    // When what was spooled is merged nobody is told.
                    if let Some(result) = result.transpose() {
                        minutes.written(call, &result);
                    }
                }
                _ => self.under_the_lock(board, n).await,
            }
            self.remember(&updated).await;
        }
    }

    /// Reads, thinks, and writes what it has made of that.
    async fn under_the_lock(&self, board: &Callboard, n: u64) {
        let taken = board.lock(LOCK.0, LOCK.1).wait(Duration::from_secs(5)).longest(LONGEST).await;
        let Ok(lock) = taken else { return };
        let (document, minutes) = (lock.state::<Vec<u64>>(NAMES[1]), &self.desk.minutes);
        let call = minutes.begin(self.number, NAMES[1], What::Touch);
        let Ok(read) = document.load().await else { return };
        minutes.read(call, read.as_ref());
        // Now and then it takes longer than a lock may be held, and another has written meanwhile.
        let is_slow = self.dwells_ms > 1_000 && self.draws(5) == 0;
        let dwells_ms = self.draws(self.dwells_ms) + if is_slow { LONGEST.as_millis() as u64 } else { 0 };
        sleep(Duration::from_millis(dwells_ms)).await;
        let mut all = read.map(|version| version.value).unwrap_or_default();
        all.push(n);
        let call = minutes.begin(self.number, NAMES[1], What::Set(said(&all).unwrap_or_default()));
        let result = document.overwrite(&all).await;
        minutes.written(call, &result);
        self.came(NAMES[1], n, &result);
    }

    async fn remember(&self, document: &Document<Vec<u64>>) {
        if let Ok(seen) = document.remembered().await
            && !seen.is_stale
            && seen.age > Duration::from_secs(1)
        {
            self.wrong(format!("what is {:?} old counts as fresh", seen.age));
        }
    }

    async fn attended(&self, board: &Callboard) {
        join_all((0..self.writers).map(|_| self.write(board))).await;
        let is_last = {
            let mut known = self.known();
            known.at_it.remove(&self.number);
            known.at_it.is_empty()
        };
        if is_last {
            self.look_through(board).await;
        }
    }

    /// When nobody writes any more.
    async fn look_through(&self, board: &Callboard) {
        let began = Instant::now();
        while join_all(self.desk.spools.iter().map(|spool| spool.list("", "")))
            .await
            .iter()
            .any(|all| all.as_ref().is_ok_and(|all| !all.is_empty()))
        {
            if began.elapsed() > HOME_MAX {
                return self.wrong("what was spooled does not come home".to_owned());
            }
            sleep(AGAIN).await;
        }
        for name in NAMES {
            let (document, minutes) = (board.state::<Vec<u64>>(name), &self.desk.minutes);
            let call = minutes.begin(self.number, name, What::Read);
            let all = loop {
                match document.load().await {
                    Ok(all) => {
                        minutes.read(call, all.as_ref());
                        break all.map(|version| version.value).unwrap_or_default();
                    }
                    Err(error) if error.kind() == ErrorKind::Unavailable => sleep(AGAIN).await,
                    Err(error) => return self.wrong(format!("{name:?} can not be read: {error:#}")),
                }
            };
            self.check(name, &all);
            if let Err(error) = self.look_back(&document, &all).await
                && error.kind() != ErrorKind::Unavailable
            {
                self.wrong(format!("the past of {name:?} can not be read: {error:#}"));
            }
        }
        for (name, history) in self.desk.minutes.recorder.histories() {
            if let Err(violation) = known_order(&history) {
                self.wrong(format!("{name:?} has no order: {violation}"));
            }
        }
    }

    /// The newest version that is kept says what the document says, and each says the same when it is asked for alone.
    async fn look_back(&self, document: &Document<Vec<u64>>, all: &[u64]) -> Result<()> {
        let past = document.history().await?;
        let Some(newest) = past.last() else { return Ok(()) };
        if newest.value != all || !past.is_sorted_by_key(|version| version.number) {
            let numbers: Vec<u64> = past.iter().map(|version| version.number).collect();
            self.wrong(format!("{:?} is {all:?}, and {:?} in the last of {numbers:?}", document.key(), newest.value));
        }
        // Older ones may be deleted meanwhile.
        let before = &past[past.len().saturating_sub(2)];
        let again = document.at(before.number).await?;
        if again.value != before.value {
            self.wrong(format!("a version of {:?} is {again:?} and {before:?}", document.key()));
        }
        Ok(())
    }

    fn check(&self, name: &'static str, all: &[u64]) {
        let known = self.known();
        let none = BTreeSet::new();
        let (written, refused) = (known.written.get(name).unwrap_or(&none), known.refused.get(name).unwrap_or(&none));
        let there: BTreeSet<u64> = all.iter().copied().collect();
        let mut wrong = Vec::new();
        if there.len() != all.len() {
            wrong.push(format!("{name:?} holds something twice: {all:?}"));
        }
        wrong.extend(written.difference(&there).map(|n| format!("{n} was written to {name:?}, which is {all:?}")));
        wrong.extend(refused.intersection(&there).map(|n| format!("{n} was refused by {name:?}, which is {all:?}")));
        drop(known);
        wrong.into_iter().for_each(|what| self.wrong(what));
    }
}

impl Matter for Papers {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        format!("documents: {:?}", self.known())
    }

    fn look_after(self: Arc<Self>, board: Callboard, _: Deeds) -> BoxFuture<'static, ()> {
        async move {
            self.attended(&board).await;
            self.findings.done();
        }
        .boxed()
    }
}
