//! Plays a trace: lets the real journal run to its next call of the store, answers as the trace says, and compares
//! what each actor is told.
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use callboard::{port::store::Create, testing::Place};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    Answered, Asked, Request, ScriptedStore,
    actors::{Actors, News, Wanted},
};
use crate::model::{
    store::{Answer, Call, Name, Object, Position},
    trace::{Actor, Event, Step, Told, Trace},
};

/// How often a series of calls is tried before it is given up. No walk is that long, and
/// giving up takes that many unclear answers.
const TRIES: u32 = 400;

/// How long, in the paused clock of the test, an actor may take to its next call. The longest wait between two tries
/// is a second.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Who plays.
#[derive(Clone, Copy, Debug)]
pub enum Cast {
    /// Processes that claim, then append this often, and snapshot when the trace says so.
    Log {
        /// Appends of each.
        appends: u8,
    },
    /// Writers of one register.
    Documents {
        /// Increments of each.
        increments: u8,
        /// Attempts at each.
        attempts: u8,
    },
}

/// Plays `trace` with the real journal in the parts of the `cast`.
///
/// # Errors
/// At the first step at which the journal makes another call than the model, changes the bytes of a try, or tells an
/// actor something else: the step, both sides, and the whole trace up to there.
pub fn play(cast: Cast, trace: &Trace) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut driver = Driver::new(cast, trace.keep);
        for (at, step) in trace.steps.iter().enumerate() {
            driver.step(step).await.map_err(|error| {
                let played = trace.steps[..=at].iter().map(|step| format!("\n  {step:?}"));
                format!("seed {}, step {at}: {error}; played:{}", trace.seed, played.collect::<String>())
            })?;
        }
        Ok(())
    })
}

/// What is known of an owner: where its log ends, its state, and its keeper's inbox.
struct Owner {
    place: Place,
    lines: Vec<String>,
    keeper: UnboundedSender<Wanted>,
}

struct Driver {
    actors: Actors,
    begun: BTreeSet<Actor>,
    requests: UnboundedReceiver<Request>,
    news: UnboundedReceiver<News>,
    waiting: BTreeMap<Actor, VecDeque<Request>>,
    owners: BTreeMap<u8, Owner>,
    /// What the store holds.
    holds: BTreeMap<Name, Object>,
    /// The bytes of every object that was ever sent.
    bytes: BTreeMap<(Name, Object), Bytes>,
    /// Snapshot objects, which are never collected here.
    snapshots: BTreeMap<String, Bytes>,
}

impl Driver {
    fn new(cast: Cast, keep: u8) -> Self {
        let (asking, requests) = unbounded_channel();
        let (telling, news) = unbounded_channel();
        Self {
            actors: Actors::new(Arc::new(ScriptedStore::new(asking)), telling, keep, cast, TRIES),
            begun: BTreeSet::new(),
            requests,
            news,
            waiting: BTreeMap::new(),
            owners: BTreeMap::new(),
            holds: BTreeMap::new(),
            bytes: BTreeMap::new(),
            snapshots: BTreeMap::new(),
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let by = match step.event {
            Event::Holds(name, object) => {
                self.hold(name, object);
                return Ok(());
            }
            Event::Call(by, call) => {
                self.begin(by, call)?;
                let request = self.request(by).await?;
                self.answer(request, call)?;
                by
            }
            Event::GivesUp(by) => return self.give_up(by, step.told.as_ref()).await,
        };
        match &step.told {
            Some(expected) => {
                let news = self.hear(by).await?;
                self.compare(news, by, expected)
            }
            None => Ok(()),
        }
    }

    /// Begins the actor if this is its first call; a snapshot's object begins a snapshot.
    fn begin(&mut self, by: Actor, call: Call) -> Result<(), String> {
        if !matches!(by, Actor::Keeper(_)) && self.begun.insert(by) {
            self.actors.begin(by);
        }
        if let (Actor::Keeper(index), Call::Create { name: Name::Snapshot(_), .. }) = (by, call) {
            let owner = self.owners.get(&index).ok_or("a keeper without an owner")?;
            owner.keeper.send((owner.place, owner.lines.clone())).map_err(|_| "the keeper has ended")?;
        }
        Ok(())
    }

    fn hold(&mut self, name: Name, object: Option<Object>) {
        match object {
            Some(object) => self.holds.insert(name, object),
            None => self.holds.remove(&name),
        };
    }

    /// The actor's next call.
    async fn request(&mut self, by: Actor) -> Result<Request, String> {
        loop {
            if let Some(request) = self.waiting.get_mut(&by).and_then(VecDeque::pop_front) {
                return Ok(request);
            }
            match tokio::time::timeout(PATIENCE, self.requests.recv()).await {
                Ok(Some(request)) => self.queue(request),
                _ => return Err(format!("{by:?} makes no call{}", self.otherwise())),
            }
        }
    }

    /// What an actor is told; meanwhile all calls wait.
    async fn hear(&mut self, by: Actor) -> Result<News, String> {
        loop {
            tokio::select! {
                biased;
                Some(news) = self.news.recv() => return Ok(news),
                Some(request) = self.requests.recv() => self.queue(request),
                () = tokio::time::sleep(PATIENCE) => {
                    let waiting: Vec<_> = self.waiting.get(&by).into_iter().flatten().map(|request| &request.asked).collect();
                    return Err(format!("{by:?} is told nothing, waits for {waiting:?}{}", self.actors.panicked().unwrap_or_default()));
                }
            }
        }
    }

    fn otherwise(&mut self) -> String {
        let news = self.news.try_recv().map(|news| format!(", but was told {:?} ({})", news.told, news.why));
        let panicked = self.actors.panicked().map(|panic| format!(", but panicked: {panic}"));
        panicked.or(news.ok()).unwrap_or_default()
    }

    /// Lets the call wait, but answers the get of a snapshot at once: the model has none.
    fn queue(&mut self, request: Request) {
        if let Asked::Get(name) = &request.asked
            && name.contains("/snapshots/")
        {
            let bytes = self.snapshots.get(name).cloned();
            let _dropped = request.answer.send(Answered::Get(bytes));
            return;
        }
        self.waiting.entry(request.by).or_default().push_back(request);
    }

    async fn give_up(&mut self, by: Actor, told: Option<&Told>) -> Result<(), String> {
        let expected = told.ok_or("the model gives up and is told nothing")?;
        loop {
            while let Some(request) = self.waiting.get_mut(&by).and_then(VecDeque::pop_front) {
                let _dropped = request.answer.send(Answered::Unclear);
            }
            tokio::select! {
                biased;
                Some(news) = self.news.recv() => return self.compare(news, by, expected),
                Some(request) = self.requests.recv() => self.queue(request),
                () = tokio::time::sleep(PATIENCE) => return Err(format!("{by:?} does not give up")),
            }
        }
    }

    fn compare(&mut self, news: News, by: Actor, expected: &Told) -> Result<(), String> {
        if news.by != by || news.told != *expected {
            let News { by: actor, told, why, .. } = news;
            return Err(format!("{by:?} is to be told {expected:?}, but {actor:?} is told {told:?} ({why})"));
        }
        let Actor::Process(index) = by else {
            return Ok(());
        };
        match (news.told, news.place, news.keeper) {
            (Told::Claimed(read), Some(place), Some(keeper)) => {
                let lines = read.iter().map(u8::to_string).collect();
                self.owners.insert(index, Owner { place, lines, keeper });
            }
            (Told::Appended, Some(place), _) => {
                if let Some(owner) = self.owners.get_mut(&index) {
                    owner.place = place;
                    let appended = owner.lines.iter().filter_map(|line| line.parse::<u8>().ok());
                    let before = appended.filter(|batch| batch / 6 == index).count();
                    owner.lines.push((usize::from(index) * 6 + before + 1).to_string());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Answers the call as the trace says, if it is the call that the trace has.
    fn answer(&mut self, request: Request, call: Call) -> Result<(), String> {
        let answered = match (&request.asked, call) {
            (Asked::List(prefix, after), Call::List { last }) => Answered::List(self.list(prefix, after, last)?),
            (Asked::Get(asked), Call::Get { name, found }) if parse(asked) == Some(name) => {
                Answered::Get(self.get(name, found)?)
            }
            (Asked::Create(asked, bytes), Call::Create { name: Name::Snapshot(_), .. })
                if asked.contains("/snapshots/") =>
            {
                self.snapshots.insert(asked.clone(), bytes.clone());
                Answered::Create(Create::Created)
            }
            (Asked::Create(asked, bytes), Call::Create { name, object, answer }) if parse(asked) == Some(name) => {
                self.create(name, object, bytes, answer)?
            }
            (Asked::List(..) | Asked::Get(_), Call::Lost) => Answered::Unclear,
            (asked, call) => {
                return Err(format!("{:?} calls {asked:?}, the model {call:?}", request.by));
            }
        };
        request.answer.send(answered).map_err(|_| "the call was dropped".into())
    }

    fn list(&self, prefix: &str, after: &str, last: u8) -> Result<Vec<String>, String> {
        let versions =
            self.holds.keys().filter_map(|name| if let Name::Version(version) = name { Some(*version) } else { None });
        let versions: Vec<u8> = versions.collect();
        if versions.last().copied().unwrap_or(0) != last {
            return Err(format!("the trace lists up to {last} where {versions:?} are held"));
        }
        let names = versions.iter().map(|version| format!("{prefix}{version:020}"));
        Ok(names.filter(|name| name.as_str() > after).collect())
    }

    fn get(&self, name: Name, found: Option<Object>) -> Result<Option<Bytes>, String> {
        if self.holds.get(&name) != found.as_ref() {
            return Err(format!("the trace finds {found:?} where {:?} is held", self.holds.get(&name)));
        }
        found.map(|object| self.sent(name, object)).transpose()
    }

    fn sent(&self, name: Name, object: Object) -> Result<Bytes, String> {
        self.bytes.get(&(name, object)).cloned().ok_or_else(|| format!("{object:?} was never sent to {name:?}"))
    }

    /// Bytes are fixed before the first try (R1, J5), so every try of an object must have the same.
    fn create(&mut self, name: Name, object: Object, bytes: &Bytes, answer: Answer) -> Result<Answered, String> {
        if self.bytes.entry((name, object)).or_insert_with(|| bytes.clone()) != bytes {
            return Err(format!("{object:?} is tried again with other bytes"));
        }
        Ok(match answer {
            Answer::Created if self.holds.contains_key(&name) => {
                return Err(format!("the trace creates {name:?}, which is taken"));
            }
            Answer::Created => {
                self.holds.insert(name, object);
                Answered::Create(Create::Created)
            }
            Answer::Exists => Answered::Create(Create::Exists),
            Answer::Unclear => Answered::Unclear,
        })
    }
}

/// The model's name of a real one.
fn parse(name: &str) -> Option<Name> {
    let parts: Vec<_> = name.rsplit('/').collect();
    let number = |part: &str| part.parse::<u8>().ok();
    match parts[..] {
        [version, "manifest" | "numbers", ..] => number(version).map(Name::Version),
        [slot, epoch, "log", ..] => Some(Name::Slot(Position::new(number(epoch)?, number(slot)?))),
        _ => None,
    }
}
