//! The probe: what a node asks a store before it trusts it, and hourly.
//!
//! Some servers ignore the condition of a create, others check it one request at a time and fail in a
//! race. A probe can only refuse a bad store, never prove a good one.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use futures::future::{join_all, try_join_all};

use super::{Create, Error, Store};

/// So many names are raced for, all at once.
const RACES: usize = 4;
/// So many creates race for each of them. Four times four showed a server that checks before it writes in
/// every run, and costs a folder about a score of fsyncs.
const RACERS: usize = 4;

/// Why a store is not fit for use.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProbeError {
    /// The store broke its contract. Nothing kept in it is safe: use another one.
    #[error("the store does not keep its contract, it must not be used: {saw}")]
    Lies {
        /// What was done, what the contract promises, and what was seen.
        saw: String,
    },
    /// The store did not answer plainly, which says nothing about its honesty: try again later.
    #[error("the store could not be probed")]
    Unavailable(#[from] Error),
}

/// Examines `store` under fresh names below `<namespace>/probe/`: creates of one name, racing and repeated,
/// and what get and list show after a create and after a delete, concurrently.
///
/// Removes its objects at the end, whatever it found; if it is cancelled, a few small ones stay. Takes some
/// tens of requests. An unclear answer to a racing create is tolerated as long as each race has one winner.
///
/// # Errors
///
/// [`ProbeError::Lies`] if the store must not be used, [`ProbeError::Unavailable`] if it failed to answer.
pub async fn probe(store: &dyn Store, namespace: &str) -> Result<(), ProbeError> {
    let probe = Probe { store, prefix: format!("{namespace}/probe/{}.", crate::chance::id().simple()) };
    let examined = probe.examine().await;
    let swept = probe.sweep().await;
    examined.and(swept)
}

struct Probe<'a> {
    store: &'a dyn Store,
    prefix: String,
}

/// What one of several racing creates was told, and the bytes it offered.
struct Racer {
    offered: Bytes,
    told: Result<Create, Error>,
}

impl Probe<'_> {
    async fn examine(&self) -> Result<(), ProbeError> {
        let names: Vec<String> = (0..RACES).map(|race| format!("{}{race}", self.prefix)).collect();
        self.shows_nothing(&names).await?;
        let kept = try_join_all(names.iter().map(|name| self.race(name))).await?;
        self.lists_in_order(&names).await?;
        self.create_again(&names[0], &kept[0]).await?;
        let (gone, stay) = names.split_at(RACES / 2);
        try_join_all(gone.iter().map(|name| self.delete(name, stay))).await?;
        self.shows_nothing(gone).await?;
        self.lists_in_order(stay).await?;
        self.create_after_delete(&gone[0]).await
    }

    /// Many creates of one name, each followed by a look at it. Answers the bytes that were kept.
    async fn race(&self, name: &str) -> Result<Bytes, ProbeError> {
        let racers = join_all((0..RACERS).map(|racer| self.race_once(name, racer))).await;
        let racers = racers.into_iter().collect::<Result<Vec<Racer>, ProbeError>>()?;
        let won = |racer: &&Racer| matches!(racer.told, Ok(Create::Created));
        let winners: Vec<&Racer> = racers.iter().filter(won).collect();
        let winner = match (winners.as_slice(), racers.iter().find_map(|racer| racer.told.as_ref().err())) {
            (&[winner], _) => winner,
            ([], Some(error)) => return Err(error.clone().into()),
            (winners, _) => {
                let saw =
                    format!("of {RACERS} concurrent creates of {name} {} were told `created`, not one", winners.len());
                return Err(ProbeError::Lies { saw });
            }
        };
        match self.store.get(name).await? {
            Some(kept) if kept == winner.offered => Ok(kept),
            Some(_) => Err(lies(format!("{name} does not hold the bytes of the one create that was told `created`"))),
            None => Err(lies(format!("{name} was created and a get after that does not find it"))),
        }
    }

    async fn race_once(&self, name: &str, racer: usize) -> Result<Racer, ProbeError> {
        let offered = Bytes::from(format!("racer {racer}"));
        let told = self.store.create(name, offered.clone()).await;
        if told.is_ok() {
            let (got, listed) = futures::future::try_join(self.store.get(name), self.list("")).await?;
            if got.is_none() {
                return Err(lies(format!(
                    "{name} is there by the answer to a create, and a get after that does not find it"
                )));
            }
            if !listed.iter().any(|listed| listed == name) {
                return Err(lies(format!(
                    "{name} is there by the answer to a create, and a list after that does not show it"
                )));
            }
        }
        Ok(Racer { offered, told })
    }

    async fn create_again(&self, name: &str, kept: &Bytes) -> Result<(), ProbeError> {
        if self.store.create(name, Bytes::from_static(b"again")).await? == Create::Created {
            return Err(lies(format!("{name} was created, and a second create of it was told `created` too")));
        }
        match self.store.get(name).await? {
            Some(bytes) if bytes == kept => Ok(()),
            _ => Err(lies(format!("{name} was changed by a second create, which was told that it exists"))),
        }
    }

    /// Deletes `name` while others are deleted and `stay` must stay.
    async fn delete(&self, name: &str, stay: &[String]) -> Result<(), ProbeError> {
        self.store.delete(name).await?;
        let (got, listed) = futures::future::try_join(self.store.get(name), self.list("")).await?;
        if got.is_some() {
            return Err(lies(format!("{name} was deleted, and a get after that still finds it")));
        }
        if listed.iter().any(|listed| listed == name) {
            return Err(lies(format!("{name} was deleted, and a list after that still shows it")));
        }
        match stay.iter().find(|stay| !listed.contains(stay)) {
            None => Ok(()),
            Some(missing) => {
                Err(lies(format!("while {name} was deleted, a list did not show {missing}, which was not")))
            }
        }
    }

    async fn create_after_delete(&self, name: &str) -> Result<(), ProbeError> {
        match self.store.create(name, Bytes::from_static(b"after delete")).await? {
            Create::Created => Ok(()),
            Create::Exists => Err(lies(format!("{name} was deleted, and a create after that was told that it exists"))),
        }
    }

    async fn shows_nothing(&self, names: &[String]) -> Result<(), ProbeError> {
        let got = try_join_all(names.iter().map(|name| self.store.get(name))).await?;
        match names.iter().zip(got).find(|(_, got)| got.is_some()) {
            None => Ok(()),
            Some((name, _)) => Err(lies(format!("{name} is a free name, and a get finds something there"))),
        }
    }

    /// Lists everything, and everything after the first name.
    async fn lists_in_order(&self, names: &[String]) -> Result<(), ProbeError> {
        let (all, rest) = futures::future::try_join(self.list(""), self.list(&names[0])).await?;
        if all != names {
            return Err(lies(format!("{names:?} are there, and a list shows {all:?}")));
        }
        if rest != names[1..] {
            return Err(lies(format!("{names:?} are there, and a list after the first of them shows {rest:?}")));
        }
        Ok(())
    }

    async fn list(&self, after: &str) -> Result<Vec<String>, Error> {
        self.store.list(&self.prefix, after).await
    }

    async fn sweep(&self) -> Result<(), ProbeError> {
        let left = self.list("").await?;
        try_join_all(left.iter().map(|name| self.store.delete(name))).await?;
        match self.list("").await?.as_slice() {
            [] => Ok(()),
            still => Err(lies(format!("all of the probe's objects were deleted, and a list still shows {still:?}"))),
        }
    }
}

fn lies(saw: String) -> ProbeError {
    ProbeError::Lies { saw }
}
