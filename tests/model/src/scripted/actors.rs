//! The real journal's actors: each is one task that tells the driver what it was told.
use std::sync::Arc;

use callboard::{
    port::store::Store,
    testing::{self, Advanced, Appended, Numbers, Place, Setup, Snapshots},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

use super::ACTOR;
use super::driver::Cast;
use crate::model::trace::{Actor, Told};

/// A snapshot to take: the place and the state there.
pub(super) type Wanted = (Place, Vec<String>);

/// What an actor was told, with the place it left the log at and the reason it was given.
#[derive(Debug)]
pub(super) struct News {
    pub(super) by: Actor,
    pub(super) told: Told,
    pub(super) place: Option<Place>,
    pub(super) why: String,
    /// A new owner's keeper waits for snapshots to take here.
    pub(super) keeper: Option<UnboundedSender<Wanted>>,
}

impl News {
    fn new(by: Actor, told: Told, place: Option<Place>, why: String) -> Self {
        Self { by, told, place, why, keeper: None }
    }
}

/// The actors under way. They live on the driver's thread, where everything happens in one order.
pub(super) struct Actors {
    tasks: JoinSet<()>,
    news: UnboundedSender<News>,
    store: Arc<dyn Store>,
    keep: u8,
    cast: Cast,
    tries: u32,
}

impl Actors {
    pub(super) fn new(store: Arc<dyn Store>, news: UnboundedSender<News>, keep: u8, cast: Cast, tries: u32) -> Self {
        Self { tasks: JoinSet::new(), news, store, keep, cast, tries }
    }

    fn setup(&self, process: u8) -> Setup {
        Setup { process: process.into(), keep_versions: self.keep.into(), tries: self.tries }
    }

    /// Begins the actor: a process claims and appends, the reader reads. A keeper begins with its owner.
    pub(super) fn begin(&mut self, actor: Actor) {
        let (store, news) = (self.store.clone(), self.news.clone());
        match (actor, self.cast) {
            (Actor::Process(index), Cast::Log { appends }) => {
                let setup = self.setup(index);
                let (keepers, keeper) = unbounded_channel();
                let process = process(store, setup, appends, news.clone(), keepers);
                self.tasks.spawn_local(ACTOR.scope(actor, process));
                self.tasks.spawn_local(ACTOR.scope(Actor::Keeper(index), keep(keeper, news)));
            }
            (Actor::Process(index), Cast::Documents { increments, attempts }) => {
                let numbers = Numbers::new(store, self.setup(index));
                let own = index * increments..(index + 1) * increments;
                self.tasks.spawn_local(ACTOR.scope(actor, write(numbers, own, attempts, news)));
            }
            (Actor::Reader, Cast::Log { .. }) => {
                let setup = self.setup(u8::MAX);
                self.tasks.spawn_local(ACTOR.scope(actor, read(store, setup, news)));
            }
            (Actor::Reader, Cast::Documents { .. }) => {
                let numbers = Numbers::new(store, self.setup(u8::MAX));
                self.tasks.spawn_local(ACTOR.scope(actor, read_numbers(numbers, news)));
            }
            (Actor::Keeper(_), _) => {}
        }
    }

    /// Why an actor panicked, if one has.
    pub(super) fn panicked(&mut self) -> Option<String> {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended {
                return Some(error.to_string());
            }
        }
        None
    }
}

fn numbers(lines: &[String]) -> Vec<u8> {
    lines.iter().filter_map(|line| line.parse().ok()).collect()
}

async fn process(
    store: Arc<dyn Store>,
    setup: Setup,
    appends: u8,
    news: UnboundedSender<News>,
    keepers: UnboundedSender<(Snapshots, UnboundedReceiver<Wanted>)>,
) {
    let by = ACTOR.get();
    let Actor::Process(index) = by else { return };
    let mut owned = match testing::claim(store, setup).await {
        Ok(owned) => owned,
        Err(why) => {
            let _ended = news.send(News::new(by, Told::NotClaimed, None, why));
            return;
        }
    };
    let (snapshots, wanted) = unbounded_channel();
    let _ended = keepers.send((owned.snapshots, wanted));
    let claimed = Told::Claimed(numbers(&owned.lines));
    let claimed = News::new(by, claimed, Some(owned.start), String::new());
    let _ended = news.send(News { keeper: Some(snapshots), ..claimed });
    for append in 1..=appends {
        let line = (index * 6 + append).to_string();
        let (told, place, why) = match owned.log.append(&line).await {
            Appended::Committed(place) => (Told::Appended, Some(place), String::new()),
            Appended::Failed => (Told::Failed, None, String::new()),
            Appended::Unknown(why) => (Told::Unknown, None, why),
            Appended::Refused(_) => return,
        };
        let over = place.is_none();
        let _ended = news.send(News::new(by, told, place, why));
        if over {
            return;
        }
    }
}

async fn keep(mut keepers: UnboundedReceiver<(Snapshots, UnboundedReceiver<Wanted>)>, news: UnboundedSender<News>) {
    let Some((mut snapshots, mut wanted)) = keepers.recv().await else {
        return;
    };
    while let Some((place, lines)) = wanted.recv().await {
        let (told, why) = match snapshots.snapshot(place, &lines).await {
            Ok(()) => (Told::Snapshotted, String::new()),
            Err(why) => (Told::Deposed, why),
        };
        let _ended = news.send(News::new(ACTOR.get(), told, None, why));
    }
}

async fn read(store: Arc<dyn Store>, setup: Setup, news: UnboundedSender<News>) {
    let (read, why) = match testing::read(store, setup).await {
        Ok(lines) => (numbers(&lines), String::new()),
        Err(why) => (vec![u8::MAX], why),
    };
    let _ended = news.send(News::new(Actor::Reader, Told::Read(read), None, why));
}

/// A writer of the documents: each of its `own` numbers is added once, with a new read after each *Moved*.
async fn write(numbers: Numbers, own: std::ops::Range<u8>, attempts: u8, news: UnboundedSender<News>) {
    let mut cached = None;
    for number in own {
        let (told, why) = match add(&numbers, number, attempts, &mut cached).await {
            Ok(told) => (told, String::new()),
            Err(why) => (Told::Unknown, why),
        };
        let _ended = news.send(News::new(ACTOR.get(), told, None, why));
    }
}

async fn add(
    numbers: &Numbers,
    number: u8,
    attempts: u8,
    cached: &mut Option<testing::Version>,
) -> Result<Told, String> {
    for _ in 0..attempts {
        let base = match cached.take() {
            Some(version) => version,
            None => numbers.read().await?,
        };
        let mut body = base.numbers()?;
        body.push(number);
        match numbers.advance(&base, &body).await {
            Advanced::Newest(version) => {
                *cached = Some(version);
                return Ok(Told::Appended);
            }
            Advanced::Superseded => return Ok(Told::Appended),
            Advanced::Moved => {}
            Advanced::Unknown(why) => return Err(why),
        }
    }
    Ok(Told::Failed)
}

async fn read_numbers(numbers: Numbers, news: UnboundedSender<News>) {
    let read = match numbers.read().await {
        Ok(version) => version.numbers(),
        Err(why) => Err(why),
    };
    let (mut read, why) = read.map_or_else(|why| (vec![u8::MAX], why), |read| (read, String::new()));
    read.sort_unstable();
    let _ended = news.send(News::new(Actor::Reader, Told::Read(read), None, why));
}
