//! What a node leases of the directory for one limit.

use super::limiter::{Limiter, Places, State};
use super::meter::{BATCHES, Batch, Reach, What};
use crate::port::directory::{Ask, Directory, Error, Share};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a node may have so many at a time without saying so again: a dead one gives them back after this.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// How long after the directory is back the others are given to say what they have: twice as long as they take to ask again.
const CAREFUL: Duration = Duration::from_secs(2);
/// How long the directory may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// The shortest time in which a batch may be used.
const USABLE_MIN: Duration = Duration::from_millis(100);
/// A batch is at most this fraction of a limit, unless a single call asks for more.
const SHARES: u64 = 32;

/// What came of asking.
#[derive(Debug)]
pub(super) enum Asked {
    /// The directory has answered, and all that was asked for is there, or not.
    Answered {
        got_all: bool,
    },
    Away,
}

/// What is asked of the directory at one moment.
struct Wishes {
    /// How many at a time, if that is limited and any are wanted or held.
    places: Option<Ask>,
    /// Batches that have ended.
    ended: Vec<(What, Batch)>,
    /// Whether anybody waits.
    is_short: bool,
    /// Units, and the fewest that help.
    units: Vec<(What, u64, u64)>,
}

impl Limiter {
    /// Says how the directory is to be asked, and that nobody does for now.
    fn wishes(&self, now: Instant) -> Wishes {
        let mut state = self.lock();
        let short = state.short;
        let waiting = short.map_or(0, |short| short.waiting);
        let taken = state.taken;
        let careful = state.careful.filter(|(_, until)| *until > now);
        let reach = careful.map_or(state.reach, |(reach, _)| reach);
        let places = self.limit.at_once.filter(|_| taken > 0 || waiting > 0 || state.places.held > 0);
        let places = places.map(|most| Ask {
            capacity: most,
            kept: taken,
            wanted: taken.saturating_add(waiting).min(reach.share(most).max(taken)),
            least: 0,
        });
        let (mut ended, mut units) = (Vec::new(), Vec::new());
        for meter in &mut state.meters {
            let is_over = |batch: &Batch| batch.left == 0 || batch.until <= now;
            let (over, open) = std::mem::take(&mut meter.batches).into_iter().partition(is_over);
            meter.batches = open;
            let over: VecDeque<Batch> = over;
            ended.extend(over.into_iter().map(|batch| (meter.what, batch)));
            if let Some(short) = short {
                let (cost, left) = (meter.what.cost(short.units), meter.leased(now));
                if left < cost {
                    let least = cost - left;
                    let all = meter.what.cost(short.units).saturating_mul(short.waiting);
                    units.push((meter.what, least, all.min(meter.rate.most / SHARES).max(least)));
                }
            }
        }
        Wishes { places, ended, is_short: short.is_some(), units }
    }

    /// Asks the directory for what is wanted, and gives back what is not.
    pub(super) async fn ask(&self, directory: &dyn Directory, node: &str) -> Asked {
        match self.ask_now(directory, node).await {
            Ok(got_all) => Asked::Answered { got_all },
            Err(error) => {
                tracing::debug!(limit = %self.gate, %error, "the directory does not say what is left of a limit");
                Asked::Away
            }
        }
    }

    async fn ask_now(&self, directory: &dyn Directory, node: &str) -> Result<bool, Error> {
        let wishes = self.wishes(Instant::now());
        let (mut got_all, is_short) = (true, wishes.is_short);
        let mut ended = wishes.ended.into_iter();
        while let Some((what, batch)) = ended.next() {
            let settled = self.settle(directory, node, what, &batch).await;
            if let Err(error) = settled {
                // They are not forgotten: it is said once more.
                self.put_back(std::iter::once((what, batch)).chain(ended));
                return Err(error);
            }
        }
        if let Some(ask) = wishes.places {
            let asked_at = Instant::now();
            let share = hold(directory, &self.pool("at_once"), node, ask, LEASE).await?;
            // Who has all that there is, and wants more, waits for its own to end.
            got_all &= share.held >= ask.wanted && (ask.wanted > ask.kept || !is_short);
            self.lock().places = Places { held: share.held, fair: share.fair, until: asked_at + LEASE };
        }
        for (what, least, wanted) in wishes.units {
            got_all &= self.lease(directory, node, what, wanted).await?
                || (least < wanted && self.lease(directory, node, what, least).await?);
        }
        let mut state = self.lock();
        if let away @ Reach::Away { .. } = std::mem::replace(&mut state.reach, Reach::Leased) {
            state.careful = Some((away, Instant::now() + CAREFUL));
        }
        Ok(got_all)
    }

    /// Leases so many units, or none.
    async fn lease(&self, directory: &dyn Directory, node: &str, what: What, wanted: u64) -> Result<bool, Error> {
        let asked_at = Instant::now();
        let Some((capacity, per, number)) = self.lock().batch(what) else { return Ok(true) };
        let usable = (per / BATCHES as u32).max(USABLE_MIN);
        let ask = Ask { capacity, kept: 0, wanted, least: wanted };
        let share = hold(directory, &self.pool(what.as_str()), &holder(node, number), ask, per + usable).await?;
        if share.held < wanted {
            return Ok(false);
        }
        let batch = Batch { number, left: wanted, used: 0, until: asked_at + usable, last: asked_at };
        self.put_back(std::iter::once((what, batch)));
        Ok(true)
    }

    /// Says how much of a batch was used, and when last: what was not is for others.
    async fn settle(&self, directory: &dyn Directory, node: &str, what: What, batch: &Batch) -> Result<(), Error> {
        let Some((capacity, per, _)) = self.lock().batch(what) else { return Ok(()) };
        let left = (batch.last + per).saturating_duration_since(Instant::now());
        let used = if left < Duration::from_millis(1) { 0 } else { batch.used };
        let ask = Ask { capacity, kept: used, wanted: used, least: 0 };
        let left = left.max(Duration::from_millis(1));
        hold(directory, &self.pool(what.as_str()), &holder(node, batch.number), ask, left).await.map(drop)
    }

    fn put_back(&self, batches: impl Iterator<Item = (What, Batch)>) {
        let mut state = self.lock();
        for (what, batch) in batches {
            state
                .meters
                .iter_mut()
                .filter(|meter| meter.what == what)
                .for_each(|meter| meter.batches.push_back(batch.clone()));
        }
    }

    /// Nobody says what the others have: each takes its share.
    pub(super) fn is_cut_off(&self, nodes: u64) {
        self.lock().reach = Reach::Away { nodes };
    }

    /// Whether anything of it is held, or wanted.
    pub(super) fn needs_asking(&self) -> bool {
        let state = self.lock();
        let has_batches = state.meters.iter().any(|meter| !meter.batches.is_empty());
        let has_places = self.limit.at_once.is_some() && (state.places.held > 0 || state.taken > 0);
        has_places || has_batches || state.short.is_some()
    }

    /// What it is called in the directory: a tenant may be called anything.
    fn pool(&self, part: &str) -> String {
        match &self.tenant {
            None => format!("{}.{part}", self.name),
            Some(tenant) => {
                let hash = blake3::hash(tenant.as_bytes()).to_hex();
                format!("{}={}.{part}", self.name, &hash[..16])
            }
        }
    }
}

impl State {
    /// The limit and the stretch of a rate, and the number of its next batch.
    fn batch(&mut self, what: What) -> Option<(u64, Duration, u64)> {
        let rate = self.meters.iter().find(|meter| meter.what == what)?.rate;
        self.next_batch += 1;
        Some((rate.most, rate.per, self.next_batch))
    }
}

fn holder(node: &str, number: u64) -> String {
    format!("{node}:{number}")
}

async fn hold(directory: &dyn Directory, pool: &str, holder: &str, ask: Ask, ttl: Duration) -> Result<Share, Error> {
    let late = |_| Err(Error::Unclear { reason: format!("no answer in {ANSWER_MAX:?}") });
    timeout(ANSWER_MAX, directory.hold(pool, holder, ask, ttl)).await.unwrap_or_else(late)
}
