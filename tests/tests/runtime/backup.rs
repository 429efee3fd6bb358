//! A name space without a node: it is checked, copied, looked at, and made a new one of.

use super::kit::*;
use crate::random::Random;
use bytes::Bytes;
use callboard::backup::{NameSpace, Verified};
use callboard::port::store::fault::{Fault, FaultStore, Operation};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Builder, Ctx, RunOutcome, Settings, StoreMode};
use std::collections::BTreeMap;
use std::sync::Arc;

const PARTITIONS: u16 = 3;
/// Longer than what is kept in the journal itself.
const LONG: usize = 100_000;

/// Small snapshots and pages, so that there are some.
fn busy(builder: Builder) -> Builder {
    let builder = builder.settings(|settings| {
        settings.partitions = PARTITIONS;
        settings.snapshot_events = 5;
        settings.closed_max = 3;
    });
    acting(builder, 4, |ctx: Ctx, what| async move {
        match what.as_str() {
            "long" => Ok("x".repeat(LONG)),
            "count" => {
                ctx.state::<u64>("counted/é").update(|count| *count += 1).await?;
                Ok(what)
            }
            "sleep" => {
                ctx.sleep(Duration::from_secs(3_600)).await?;
                Ok("slept".to_owned())
            }
            "wait" => ctx.signal::<String>("go").await,
            _ => Ok(what),
        }
    })
}

async fn start(store: &Arc<dyn Store>) -> Callboard {
    busy(Callboard::dev().store(store.clone())).start().await.unwrap()
}

fn memory() -> (MemoryStore, Arc<dyn Store>) {
    let memory = MemoryStore::new();
    (memory.clone(), Arc::new(memory))
}

async fn name_space(store: &Arc<dyn Store>) -> NameSpace {
    NameSpace::in_store(store.clone(), &Settings::default()).await.unwrap()
}

async fn verified(store: &Arc<dyn Store>) -> Verified {
    let verified = name_space(store).await.verify().await.unwrap();
    assert_eq!(verified.faults, []);
    verified
}

async fn copy(from: &Arc<dyn Store>, to: &Arc<dyn Store>) -> callboard::backup::Copied {
    name_space(from).await.copy_to(to.clone(), &BTreeMap::new()).await.unwrap()
}

fn hashes(verified: &Verified) -> Vec<String> {
    verified.partitions.iter().map(|partition| partition.hash.clone()).collect()
}

/// Runs of all kinds: some in the archive, some that go on.
async fn some_runs(board: &Callboard, prefix: &str) {
    for n in 0..40 {
        let what = ["a", "long", "count", "b"][n % 4];
        let run = board.start(one(act(what)).0).key(format!("{prefix} {n}")).await.unwrap();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    for what in ["sleep", "wait"] {
        board.start(one(act(what)).0).key(format!("{prefix} {what}")).await.unwrap();
    }
}

/// Refuses every create behind the first so many.
fn full_after(faults: &FaultStore, pattern: &str, creates: usize) {
    faults.script(Operation::Create, pattern, std::iter::repeat_n(Fault::Pass, creates));
    faults.always(Operation::Create, pattern, Fault::Refuse);
}

fn run_of(board: &Callboard, key: &str) -> Run {
    board.run(board.run_id_of_key(key))
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_is_at_work_leads_to_the_same_states_and_is_only_looked_at() {
    let ((_, source), (held, target)) = (memory(), memory());
    let board = start(&source).await;
    some_runs(&board, "first").await;
    let lock = board.lock("the lock", Duration::from_secs(30)).await.unwrap();
    lock.state::<u64>("under the lock").overwrite(&7).await.unwrap();
    let made = copy(&source, &target).await;
    assert!(made.objects > 100 && made.bytes > LONG as u64, "{made:?}");
    let (ours, theirs) = (verified(&source).await, verified(&target).await);
    assert_eq!((hashes(&theirs), &made.hashes), (made.hashes.clone(), &hashes(&ours)), "nothing went on meanwhile");
    assert_eq!((theirs.id, theirs.documents), (ours.id, 2));
    assert!(ours.partitions.iter().any(|partition| partition.pages > 0), "{ours:?}");
    board.shutdown().await.unwrap();

    // No node goes on with it; one looks at it, for longer than the task sleeps.
    let error = busy(Callboard::dev().store(target.clone())).start().await.unwrap_err();
    assert!(full(&error).contains("is a copy in this store") && full(&error).contains("read-only"), "{}", full(&error));
    let before = held.object_count();
    let builder =
        busy(Callboard::dev().store(target.clone())).settings(|settings| settings.store_mode = StoreMode::ReadOnly);
    let shown = builder.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2 * 3_600)).await;
    assert_eq!(run_of(&shown, "first 1").output(&one(act("long")).1).await.unwrap().len(), LONG, "out of the archive");
    for what in ["sleep", "wait"] {
        let info = run_of(&shown, &format!("first {what}")).info().await.unwrap();
        assert_eq!(info.counts.of(callboard::Status::Parked), 1, "{info:?}");
    }
    assert_eq!(shown.state::<u64>("counted/é").load().await.unwrap().unwrap().value, 10);
    let refused = [
        shown.start(one(act("a")).0).await.map(drop).unwrap_err(),
        run_of(&shown, "first sleep").cancel("no").await.unwrap_err(),
        run_of(&shown, "first wait").signal("go", &"on").await.unwrap_err(),
        shown.state::<u64>("counted/é").overwrite(&0).await.map(drop).unwrap_err(),
        shown.lock("another", Duration::from_secs(30)).await.map(drop).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Denied, "{}", full(&error));
        assert!(full(&error).contains("shows a copy"), "{}", full(&error));
    }
    shown.shutdown().await.unwrap();
    assert_eq!(held.object_count(), before);
    assert_eq!(hashes(&verified(&target).await), made.hashes);
}

#[tokio::test(start_paused = true)]
async fn what_is_restored_goes_on_as_another_generation() {
    let ((_, source), (_, copied), (_, target)) = (memory(), memory(), memory());
    let board = start(&source).await;
    some_runs(&board, "first").await;
    let made = copy(&source, &copied).await;
    board.start(one(act("count")).0).key("too late").await.unwrap().outcome().await.unwrap();
    board.shutdown().await.unwrap();

    let error = name_space(&source).await.restore_to(target.clone()).await.unwrap_err();
    assert!(full(&error).contains("this is no copy"), "{}", full(&error));
    let restored = name_space(&copied).await.restore_to(target.clone()).await.unwrap();
    assert_eq!((restored.generation, restored.of, restored.id == made.id), (1, made.id, false));
    let is = verified(&target).await;
    assert_eq!((hashes(&is), is.generation, is.id), (made.hashes, 1, restored.id));
    let error = name_space(&copied).await.restore_to(target.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(full(&error).contains("holds a name space already"), "{}", full(&error));

    let board = start(&target).await;
    run_of(&board, "first wait").signal("go", &"on").await.unwrap();
    for (what, output) in [("wait", "on"), ("sleep", "slept")] {
        assert_eq!(run_of(&board, &format!("first {what}")).output(&one(act(what)).1).await.unwrap(), output);
    }
    assert_eq!(run_of(&board, "too late").info().await.unwrap_err().kind(), ErrorKind::NotFound);
    board.start(one(act("count")).0).await.unwrap().outcome().await.unwrap();
    let counted = board.state::<u64>("counted/é").load().await.unwrap().unwrap();
    assert_eq!((counted.number, counted.value), (11, 11));
    board.shutdown().await.unwrap();
    // A copy of it can be restored, too.
    let ((_, again), (_, third)) = (memory(), memory());
    copy(&target, &again).await;
    assert_eq!(name_space(&again).await.restore_to(third.clone()).await.unwrap().generation, 2);
}

/// Whatever becomes of the copy that is added to, the one before it is whole.
#[tokio::test(start_paused = true)]
async fn a_copy_grows_and_one_that_is_cut_short_is_the_one_before() {
    let (_, source) = memory();
    let board = start(&source).await;
    some_runs(&board, "first").await;
    let (_, target) = memory();
    let first = copy(&source, &target).await;
    some_runs(&board, "second").await;
    let second = copy(&source, &target).await;
    assert!(second.objects < first.objects * 2 && second.hashes != first.hashes, "{second:?}");
    assert_eq!(hashes(&verified(&target).await), second.hashes);
    let faults = FaultStore::new(target.clone());
    let counted: Arc<dyn Store> = Arc::new(faults.clone());
    let nothing_new = copy(&source, &counted).await;
    assert_eq!((nothing_new.hashes, nothing_new.objects), (second.hashes.clone(), 1), "that it was made again");
    // The others are the root, which is found to be there.
    assert!(faults.counts().create <= 3, "{:?}", faults.counts());
    let records = async || target.list("default/copy/", "").await.unwrap().len();
    for _ in 0..20 {
        copy(&source, &target).await;
    }
    assert_eq!(records().await, 16);
    // Cut short after so many creates, again and again, while the source goes on and takes snapshots.
    let mut cuts = 0;
    for creates in (0..).step_by(5) {
        for n in 0..6 {
            board.start(one(act("count")).0).key(format!("{creates} {n}")).await.unwrap().outcome().await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let faults = FaultStore::new(target.clone());
        let cut: Arc<dyn Store> = Arc::new(faults.clone());
        full_after(&faults, "*", creates);
        let copied = name_space(&source).await.copy_to(cut, &BTreeMap::new()).await;
        let (_, restored) = memory();
        name_space(&target).await.restore_to(restored.clone()).await.unwrap();
        let is = hashes(&verified(&restored).await);
        match copied {
            Ok(last) => {
                assert_eq!(is, last.hashes);
                break;
            }
            Err(error) => assert_eq!((error.kind(), is), (ErrorKind::Unavailable, second.hashes.clone()), "{error:#}"),
        }
        cuts += 1;
    }
    assert!(cuts > 10, "{cuts}");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_erased_is_erased_in_the_copy_by_the_next_one() {
    let ((_, source), (_, target)) = (memory(), memory());
    let board = start(&source).await;
    let document = board.state::<String>("secret");
    document.overwrite(&"told".into()).await.unwrap();
    copy(&source, &target).await;
    let holds = async |store: &Arc<dyn Store>| {
        for name in store.list("default/documents/", "").await.unwrap() {
            if String::from_utf8_lossy(&store.get(&name).await.unwrap().unwrap()).contains("told") {
                return true;
            }
        }
        false
    };
    assert!(holds(&target).await);
    document.erase().await.unwrap();
    copy(&source, &target).await;
    assert!(!holds(&source).await && !holds(&target).await);
    verified(&target).await;
    board.shutdown().await.unwrap();
}

/// What was begun in an empty store is gone on with; before that nobody opens it.
#[tokio::test(start_paused = true)]
async fn what_was_not_finished_is_not_opened_and_gone_on_with() {
    let ((_, source), (_, copied), (_, target)) = (memory(), memory(), memory());
    let board = start(&source).await;
    some_runs(&board, "first").await;
    board.shutdown().await.unwrap();
    for (what, into) in [("copy", &copied), ("restore", &target)] {
        let mut cuts = 0;
        for creates in (1..).step_by(17) {
            let faults = FaultStore::new(into.clone());
            let cut: Arc<dyn Store> = Arc::new(faults.clone());
            full_after(&faults, "default/partitions/*", creates);
            let done = match what {
                "copy" => name_space(&source).await.copy_to(cut, &BTreeMap::new()).await.map(drop),
                _ => name_space(&copied).await.restore_to(cut).await.map(drop),
            };
            if done.is_ok() {
                break;
            }
            cuts += 1;
            let error = busy(Callboard::dev().store(into.clone())).start().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(full(&error).contains("was not finished"), "{}", full(&error));
            let error = NameSpace::in_store(into.clone(), &Settings::default()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        assert!(cuts > 3, "{what}: {cuts}");
    }
    assert_eq!(hashes(&verified(&target).await), hashes(&verified(&source).await));
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_copied_up_to_a_position_that_is_kept() {
    let (_, source) = memory();
    let board = start(&source).await;
    for some in ["first", "second", "third"] {
        some_runs(&board, some).await;
        tokio::time::sleep(Duration::from_secs(1)).await; // a snapshot is written meanwhile
    }
    let then = verified(&source).await;
    for n in 0..8 {
        board.start(one(act("a")).0).key(format!("later {n}")).await.unwrap().outcome().await.unwrap();
    }
    let until = |position: &str| BTreeMap::from([(1, position.to_owned())]);
    let (_, target) = memory();
    let made = name_space(&source).await.copy_to(target.clone(), &until(&then.partitions[1].position)).await.unwrap();
    let now = verified(&source).await;
    assert_eq!(made.hashes[1], then.partitions[1].hash);
    assert_eq!((&made.hashes[0], &made.hashes[2]), (&now.partitions[0].hash, &now.partitions[2].hash));
    assert_ne!(made.hashes[1], now.partitions[1].hash);
    // The copy goes on from there.
    assert_eq!(copy(&source, &target).await.hashes, hashes(&now));
    let error = name_space(&source).await.copy_to(target, &until(&then.partitions[1].position)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(full(&error).contains("and that is after"), "{}", full(&error));
    for (position, said) in [("1/1", "is not kept any more"), ("9/9", "ends at"), ("nine", "epoch/slot")] {
        let (_, target) = memory();
        let error = name_space(&source).await.copy_to(target, &until(position)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(full(&error).contains(said), "{}", full(&error));
    }
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_holds_something_else_is_left_alone() {
    let ((_, source), (_, other)) = (memory(), memory());
    for store in [&source, &other] {
        let board = start(store).await;
        some_runs(&board, "first").await;
        board.shutdown().await.unwrap();
    }
    let (_, of_other) = memory();
    copy(&other, &of_other).await;
    for (target, said) in [(&other, "holds a name space"), (&of_other, "a copy of another name space")] {
        let error = name_space(&source).await.copy_to(target.clone(), &BTreeMap::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(full(&error).contains(said), "{}", full(&error));
        verified(target).await;
    }
    // Not even into itself.
    let error = name_space(&source).await.copy_to(source.clone(), &BTreeMap::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    start(&source).await.shutdown().await.unwrap();
    let (_, strange) = memory();
    let _created = strange.create("default/documents/x/00000000000000000001", Bytes::from_static(b"?")).await.unwrap();
    let error = name_space(&of_other).await.restore_to(strange).await.unwrap_err();
    assert!(full(&error).contains("holds objects of this name space already"), "{}", full(&error));
}

/// Whatever bit of whatever object is another one, it is found and named. The root alone has no hash: it is what a name space
/// is told by.
#[tokio::test(start_paused = true)]
async fn every_object_is_checked() {
    let (_, source) = memory();
    let board = start(&source).await;
    some_runs(&board, "first").await;
    drop(board.lock("the lock", Duration::from_secs(30)).await.unwrap());
    board.shutdown().await.unwrap();
    let names = source.list("default/", "").await.unwrap();
    let names: Vec<&String> = names.iter().filter(|name| *name != "default/root").collect();
    assert!(names.len() > 100, "{}", names.len());
    let mut random = Random(1);
    for name in names {
        let bytes = source.get(name).await.unwrap().unwrap();
        let mut spoiled = bytes.to_vec();
        let at = random.below(spoiled.len());
        spoiled[at] ^= 1 << random.below(5); // not the one that tells an `A` from an `a`, which says the same of an id
        source.delete(name).await.unwrap();
        let _created = source.create(name, spoiled.into()).await.unwrap();
        let found = name_space(&source).await.verify().await.unwrap();
        let place = name.rsplit_once('/').unwrap().0;
        let named = found.faults.iter().any(|fault| fault.object == *name || place.starts_with(&fault.object));
        assert!(named, "bit of byte {at} of {name}: {:?}", found.faults);
        source.delete(name).await.unwrap();
        let _created = source.create(name, bytes).await.unwrap();
    }
    verified(&source).await;
}
