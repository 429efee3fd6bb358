//! A store in memory that answers as a script, or as chance, says.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::port::store::{Create, Error, Store};

pub(crate) type Objects = BTreeMap<String, Bytes>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    Get,
    List,
    Delete,
}

/// What happens to one call.
pub(crate) enum Fault {
    /// It takes effect; the answer is lost.
    LoseAnswer,
    /// It takes no effect, and the answer is lost.
    LoseBefore,
    /// It takes effect when the store is told to land it; the answer is lost.
    Late,
    /// It takes effect now, and again when the store is told to land it.
    Twice,
    /// It takes effect and never answers.
    HangAfter,
    /// It takes no effect and never answers.
    HangBefore,
    Refuse,
    /// The answer is cut in half.
    Truncate,
    /// Something happens first.
    Before(Box<dyn FnOnce(&mut Objects) + Send>),
    /// What is late lands first.
    LandBefore,
}

struct Rule {
    op: Op,
    part: String,
    skip: usize,
    fault: Fault,
}

/// A create or delete that may take effect (again).
enum Flying {
    Create(String, Bytes),
    Delete(String),
}

#[derive(Default)]
struct Inner {
    objects: Objects,
    script: Vec<Rule>,
    flying: Vec<Flying>,
    calls: Vec<(Op, String)>,
    created: Vec<(String, Bytes)>,
    chance: Option<Chance>,
}

/// Chances of faults, in percent.
pub(crate) struct Chance {
    pub(crate) rng: Rng,
    pub(crate) faults: u64,
}

#[derive(Default)]
pub(crate) struct Scripted(Mutex<Inner>);

impl Scripted {
    /// A store with these objects.
    pub(crate) fn of(objects: Objects) -> Self {
        Self(Mutex::new(Inner { objects, ..Inner::default() }))
    }

    pub(crate) fn by_chance(chance: Chance) -> Self {
        Self(Mutex::new(Inner { chance: Some(chance), ..Inner::default() }))
    }

    /// The next call of `op` on a name that contains `part` meets `fault`.
    pub(crate) fn on(&self, op: Op, part: &str, fault: Fault) {
        self.on_nth(op, part, 0, fault);
    }

    /// Like `on`, after `skip` such calls.
    pub(crate) fn on_nth(&self, op: Op, part: &str, skip: usize, fault: Fault) {
        self.inner().script.push(Rule { op, part: part.to_owned(), skip, fault });
    }

    /// The next call of `op` on a name that contains `part` sees the objects that `change` leaves.
    pub(crate) fn before(&self, op: Op, part: &str, skip: usize, change: impl FnOnce(&mut Objects) + Send + 'static) {
        self.on_nth(op, part, skip, Fault::Before(Box::new(change)));
    }

    /// Everything late takes effect now.
    pub(crate) fn land(&self) {
        self.inner().land();
    }

    /// No more faults.
    pub(crate) fn calm(&self) {
        let mut inner = self.inner();
        inner.chance = None;
        inner.script.clear();
    }

    pub(crate) fn objects(&self) -> Objects {
        self.inner().objects.clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Objects)) {
        change(&mut self.inner().objects);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.inner().objects.contains_key(name)
    }

    /// The names under `prefix`, without it.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        self.inner().objects.keys().filter_map(|name| name.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// The calls since the last time this was asked.
    pub(crate) fn calls(&self) -> Vec<Op> {
        std::mem::take(&mut self.inner().calls).into_iter().map(|(op, _)| op).collect()
    }

    /// The bytes of every create of `name`.
    pub(crate) fn created(&self, name: &str) -> Vec<Bytes> {
        self.inner().created.iter().filter(|(created, _)| created == name).map(|(_, bytes)| bytes.clone()).collect()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while it holds the lock")
    }

    /// What the script or chance has for this call.
    fn fault(&self, op: Op, name: &str) -> Option<Fault> {
        let mut inner = self.inner();
        inner.calls.push((op, name.to_owned()));
        let found = inner.script.iter_mut().position(|rule| {
            let matches = rule.op == op && name.contains(&rule.part);
            let now = matches && rule.skip == 0;
            rule.skip -= usize::from(matches && !now);
            now
        });
        if let Some(index) = found {
            return Some(inner.script.remove(index).fault);
        }
        inner.by_chance()
    }

    fn pause(&self) -> Duration {
        let mut inner = self.inner();
        let delay = inner.chance.as_mut().map_or(0, |chance| match chance.rng.below(20) {
            0 => chance.rng.below(40),
            _ => chance.rng.below(3),
        });
        Duration::from_millis(delay)
    }

    /// Runs one call under its fault.
    async fn run<T>(
        &self,
        op: Op,
        name: &str,
        flying: Option<Flying>,
        effect: impl FnOnce(&mut Inner) -> T,
        cut: impl FnOnce(T) -> T,
    ) -> Result<T, Error> {
        let before = self.pause();
        if !before.is_zero() {
            tokio::time::sleep(before).await;
        }
        let unclear = || Err(Error::Unclear { reason: "scripted".to_owned() });
        let answer = match self.fault(op, name) {
            None => Ok(effect(&mut self.inner())),
            Some(Fault::Before(change)) => {
                let mut inner = self.inner();
                change(&mut inner.objects);
                Ok(effect(&mut inner))
            }
            Some(Fault::LandBefore) => {
                let mut inner = self.inner();
                inner.land();
                Ok(effect(&mut inner))
            }
            Some(Fault::LoseAnswer) => {
                effect(&mut self.inner());
                unclear()
            }
            Some(Fault::LoseBefore) => unclear(),
            Some(Fault::Late) => {
                self.inner().flying.extend(flying);
                unclear()
            }
            Some(Fault::Twice) => {
                let mut inner = self.inner();
                inner.flying.extend(flying);
                Ok(effect(&mut inner))
            }
            Some(Fault::HangAfter) => {
                effect(&mut self.inner());
                std::future::pending().await
            }
            Some(Fault::HangBefore) => std::future::pending().await,
            Some(Fault::Refuse) => Err(Error::Refused { reason: "scripted".to_owned() }),
            Some(Fault::Truncate) => Ok(cut(effect(&mut self.inner()))),
        };
        let after = self.pause();
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        answer
    }
}

impl Inner {
    fn land(&mut self) {
        for flying in std::mem::take(&mut self.flying) {
            self.take_effect(flying);
        }
    }

    fn take_effect(&mut self, flying: Flying) {
        match flying {
            Flying::Create(name, bytes) => {
                self.objects.entry(name).or_insert(bytes);
            }
            Flying::Delete(name) => {
                self.objects.remove(&name);
            }
        }
    }

    fn by_chance(&mut self) -> Option<Fault> {
        let chance = self.chance.as_mut()?;
        let landing: Vec<bool> = self.flying.iter().map(|_| chance.rng.below(8) == 0).collect();
        let fault = (chance.rng.below(100) < chance.faults).then(|| match chance.rng.below(9) {
            0 | 1 => Fault::LoseAnswer,
            2 => Fault::LoseBefore,
            3 | 4 => Fault::Late,
            5 => Fault::Twice,
            6 => Fault::HangAfter,
            7 => Fault::HangBefore,
            _ => Fault::Refuse,
        });
        let mut landing = landing.into_iter();
        let (now, later) = std::mem::take(&mut self.flying).into_iter().partition(|_| landing.next() == Some(true));
        self.flying = later;
        let now: Vec<Flying> = now;
        now.into_iter().for_each(|flying| self.take_effect(flying));
        fault
    }
}

impl Store for Scripted {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        let flying = Flying::Create(name.to_owned(), bytes.clone());
        let effect = move |inner: &mut Inner| {
            inner.created.push((name.to_owned(), bytes.clone()));
            if inner.objects.contains_key(name) {
                return Create::Exists;
            }
            inner.objects.insert(name.to_owned(), bytes);
            Create::Created
        };
        Box::pin(self.run(Op::Create, name, Some(flying), effect, |answer| answer))
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        let cut = |found: Option<Bytes>| found.map(|bytes| bytes.slice(..bytes.len() / 2));
        Box::pin(self.run(Op::Get, name, None, |inner| inner.objects.get(name).cloned(), cut))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        let effect = move |inner: &mut Inner| {
            let names = inner.objects.keys().filter(|name| name.starts_with(prefix) && name.as_str() > after);
            names.cloned().collect()
        };
        Box::pin(self.run(Op::List, prefix, None, effect, |names| names))
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        let flying = Flying::Delete(name.to_owned());
        let effect = move |inner: &mut Inner| {
            inner.objects.remove(name);
        };
        Box::pin(self.run(Op::Delete, name, Some(flying), effect, |done| done))
    }
}

/// A generator of chance from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
