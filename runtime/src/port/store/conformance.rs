//! The store's contract as a test that every implementation must pass.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Create, Error, Store};

const RACES: usize = 200;
const RACERS: usize = 8;
const VERSIONS: u64 = 60;

/// Checks `store` against the contract, under names below `namespace`, which must be empty. Call it on a
/// runtime of several threads, or the races are none. Leaves its objects behind.
///
/// # Panics
///
/// If the store breaks its contract, or fails to answer plainly.
pub async fn conformance(store: Arc<dyn Store>, namespace: &str) {
    let suite = Suite { store, namespace: namespace.to_owned() };
    suite.one_name().await;
    suite.sizes().await;
    suite.names().await;
    suite.nested_names().await;
    suite.lists().await;
    suite.races().await;
    suite.lists_show_one_moment("flat", |version| format!("{version:020}")).await;
    suite.lists_show_one_moment("deep", |version| format!("{:02}/{version:020}", version % 3)).await;
    suite.creates_race_with_deletes().await;
}

struct Suite {
    store: Arc<dyn Store>,
    namespace: String,
}

impl Suite {
    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.namespace)
    }

    async fn create(&self, name: &str, bytes: impl Into<Bytes>) -> Create {
        self.store.create(name, bytes.into()).await.unwrap_or_else(|error| panic!("create of {name}: {error}"))
    }

    async fn get(&self, name: &str) -> Option<Bytes> {
        self.store.get(name).await.unwrap_or_else(|error| panic!("get of {name}: {error}"))
    }

    async fn list(&self, prefix: &str, after: &str) -> Vec<String> {
        let listed = self.store.list(prefix, after).await;
        listed.unwrap_or_else(|error| panic!("list of {prefix} after {after}: {error}"))
    }

    async fn delete(&self, name: &str) {
        self.store.delete(name).await.unwrap_or_else(|error| panic!("delete of {name}: {error}"));
    }

    async fn one_name(&self) {
        let name = self.name("one/name");
        assert_eq!(self.get(&name).await, None, "a get of a free name finds nothing");
        self.delete(&name).await;
        assert_eq!(self.create(&name, "first").await, Create::Created);
        assert_eq!(self.get(&name).await.as_deref(), Some(&b"first"[..]));
        assert_eq!(self.create(&name, "second").await, Create::Exists);
        assert_eq!(self.create(&name, "first").await, Create::Exists, "the same bytes again are a second create too");
        assert_eq!(self.get(&name).await.as_deref(), Some(&b"first"[..]), "a create never changes an object");
        self.delete(&name).await;
        assert_eq!(self.get(&name).await, None, "a deleted name is free");
        assert_eq!(self.list(&name, "").await, Vec::<String>::new());
        self.delete(&name).await;
        assert_eq!(self.create(&name, "third").await, Create::Created, "a deleted name can be created again");
        assert_eq!(self.get(&name).await.as_deref(), Some(&b"third"[..]));
    }

    async fn sizes(&self) {
        let empty = self.name("size/empty");
        assert_eq!(self.create(&empty, "").await, Create::Created);
        assert_eq!(self.get(&empty).await, Some(Bytes::new()), "an empty object is an object");
        assert_eq!(self.list(&empty, "").await, [empty.as_str()]);

        let large = self.name("size/large");
        let bytes: Bytes = (0..5 << 20).map(|index: u32| index.to_le_bytes()[(index % 3) as usize]).collect();
        assert_eq!(self.create(&large, bytes.clone()).await, Create::Created);
        assert!(self.get(&large).await == Some(bytes), "5 MiB come back as they went in");
    }

    async fn names(&self) {
        let long = |bytes: usize| {
            let mut name = self.name("names");
            while name.len() + 100 < bytes {
                name = format!("{name}/{}", "x".repeat(90));
            }
            let rest = bytes - name.len() - 1;
            format!("{name}/{}", "y".repeat(rest))
        };
        for good in [self.name("names/aZ09._=-"), self.name("names/..."), self.name("names/.a"), long(512)] {
            assert_eq!(self.create(&good, good.clone()).await, Create::Created, "{good}");
            assert_eq!(self.get(&good).await, Some(good.clone().into()), "{good}");
            assert_eq!(self.list(&good, "").await, [good]);
        }
        let bad = [
            "", "/", "a b", "a//b", "a/", "/a", ".", "..", "a/./b", "a/../b", "a\0b", "a\nb", "ä", "~a", "a+b", "a*",
            "a\\b",
        ];
        let bad = bad.into_iter().map(str::to_owned);
        let bad = bad.clone().chain(bad.map(|bad| self.name(&format!("bad/{bad}")))).chain([long(513)]);
        for bad in bad {
            let refused =
                |error: Option<Error>| assert!(matches!(error, Some(Error::Refused { .. })), "{bad:?}: {error:?}");
            refused(self.store.create(&bad, Bytes::new()).await.err());
            refused(self.store.get(&bad).await.err());
            refused(self.store.delete(&bad).await.err());
        }
        assert_eq!(self.list(&self.name("bad"), "").await, Vec::<String>::new());
        assert_eq!(self.list(&self.name("names/../names/"), "").await, Vec::<String>::new(), "a prefix is no path");
    }

    /// Whether `a` and `a/b` can both be objects is up to the store; what it says must be so.
    async fn nested_names(&self) {
        let (upper, lower) = (self.name("nested/a"), self.name("nested/a/b"));
        for (first, second) in [(&upper, &lower), (&lower, &upper)] {
            assert_eq!(self.get(first).await, None);
            assert_eq!(self.get(second).await, None);
            match self.store.create(first, Bytes::new()).await {
                Ok(Create::Created) => {}
                // By then an emptied folder may stand there.
                Err(Error::Refused { .. }) => continue,
                other => panic!("create of the free name {first}: {other:?}"),
            }
            let told = self.store.create(second, Bytes::new()).await;
            let there = match told {
                Ok(Create::Created) => true,
                Err(Error::Refused { .. }) => false,
                other => panic!("{first} exists, create of the free name {second}: {other:?}"),
            };
            assert_eq!(self.get(second).await.is_some(), there);
            assert_eq!(self.list(second, "").await.contains(second), there);
            self.delete(second).await;
            self.delete(first).await;
        }
    }

    async fn lists(&self) {
        let root = self.name("lists/");
        let rests = ["a-b/x", "a.b", "a/x", "a/y/1", "a/y/2", "a0", "aa", "b", "B", "b=", "0", "z/z/z/z", "-"];
        let mut names: Vec<String> = rests.iter().map(|rest| format!("{root}{rest}")).collect();
        for name in &names {
            assert_eq!(self.create(name, "").await, Create::Created);
        }
        names.sort_unstable();
        let cuts = [
            "", "a", "a-", "a-b", "a-b/", "a-b/x", "a/", "a/x", "a/y", "a/y/", "a/y/1", "a/z", "b", "c", "z/z", "~",
            "a//", "a/../",
        ];
        let cuts: Vec<String> = cuts.iter().map(|cut| format!("{root}{cut}")).collect();
        let afters = cuts.iter().map(String::as_str).chain(["", "!", "~"]);
        for after in afters {
            for prefix in &cuts {
                let expected: Vec<&String> =
                    names.iter().filter(|name| name.starts_with(prefix) && name.as_str() > after).collect();
                let listed = self.list(prefix, after).await;
                assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "list of {prefix:?} after {after:?}");
            }
        }
        let all = self.list("", "").await;
        assert!(all.is_sorted() && names.iter().all(|name| all.contains(name)), "an empty prefix lists everything");
        let unfinished = self.name("list");
        assert_eq!(self.list(&unfinished, "").await, names, "a prefix may end within a segment");
    }

    /// Of many concurrent creates of one name one is told `created`, and its bytes are there.
    async fn races(&self) {
        for race in 0..RACES {
            let name = self.name(&format!("races/{race:03}"));
            let start = Arc::new(Barrier::new(RACERS));
            let mut racers = JoinSet::new();
            for racer in 0..RACERS {
                let (store, name, start) = (Arc::clone(&self.store), name.clone(), Arc::clone(&start));
                racers.spawn(async move {
                    start.wait().await;
                    let told = store.create(&name, format!("{racer}").into()).await;
                    let seen = store.get(&name).await;
                    (racer, told, seen)
                });
            }
            let racers = racers.join_all().await;
            let won = |told: &Result<Create, Error>| matches!(told, Ok(Create::Created));
            let winners: Vec<usize> =
                racers.iter().filter(|(_, told, _)| won(told)).map(|&(racer, ..)| racer).collect();
            let [winner] = winners[..] else { panic!("winners of {name}: {winners:?}") };
            for (racer, told, seen) in racers {
                assert!(told.is_ok(), "create of {name} by {racer}: {told:?}");
                let seen = seen.unwrap_or_else(|error| panic!("get of {name}: {error}"));
                assert_eq!(seen, Some(format!("{winner}").into()), "{name} as {racer} saw it after its create");
            }
        }
    }

    /// A chain of versions, each made before the last one is deleted: a list that mixes two moments can
    /// miss both, and one that lags misses the newest.
    async fn lists_show_one_moment(&self, folder: &str, rest: impl Fn(u64) -> String) {
        let prefix = self.name(&format!("moment/{folder}/"));
        let version_of = |name: &str| name.rsplit('/').next().and_then(|last| last.parse::<u64>().ok());
        let name = |version| format!("{prefix}{}", rest(version));
        assert_eq!(self.create(&name(1), "").await, Create::Created);
        let (newest, oldest, done) = (AtomicU64::new(1), AtomicU64::new(1), AtomicBool::new(false));
        let (newest, oldest, done) = (Arc::new(newest), Arc::new(oldest), Arc::new(done));
        let mut listers = JoinSet::new();
        for _ in 0..4 {
            let (store, prefix) = (Arc::clone(&self.store), prefix.clone());
            let (newest, oldest, done) = (Arc::clone(&newest), Arc::clone(&oldest), Arc::clone(&done));
            listers.spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let (least, gone) = (newest.load(Ordering::SeqCst), oldest.load(Ordering::SeqCst));
                    let listed =
                        store.list(&prefix, "").await.unwrap_or_else(|error| panic!("list of {prefix}: {error}"));
                    let versions: Vec<u64> = listed.iter().filter_map(|name| version_of(name)).collect();
                    assert!(versions.iter().any(|&seen| seen >= least), "{least} was there, a list shows {versions:?}");
                    assert!(
                        versions.iter().all(|&seen| seen >= gone),
                        "those before {gone} were deleted, a list shows {versions:?}"
                    );
                    tokio::task::yield_now().await;
                }
            });
        }
        for version in 2..=VERSIONS {
            assert_eq!(self.create(&name(version), "").await, Create::Created);
            newest.store(version, Ordering::SeqCst);
            self.delete(&name(version - 1)).await;
            oldest.store(version, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
        listers.join_all().await;
    }

    /// Each name goes through create and delete by several hands; at the end get and list agree.
    async fn creates_race_with_deletes(&self) {
        let prefix = self.name("churn/");
        let mut hands = JoinSet::new();
        for hand in 0..RACERS {
            let (store, prefix) = (Arc::clone(&self.store), prefix.clone());
            hands.spawn(async move {
                for round in 0..16 {
                    let name = format!("{prefix}{}", (hand + round) % 4);
                    let done = if (hand + round / 4) % 2 == 0 {
                        store.create(&name, name.clone().into()).await.map(|_| ())
                    } else {
                        store.delete(&name).await
                    };
                    done.unwrap_or_else(|error| panic!("{name}: {error}"));
                }
            });
        }
        hands.join_all().await;
        let listed = self.list(&prefix, "").await;
        for name in (0..4).map(|name| format!("{prefix}{name}")) {
            let there = listed.contains(&name).then(|| Bytes::from(name.clone()));
            assert_eq!(self.get(&name).await, there, "get and list agree on {name}");
        }
    }
}
