//! Locks: one holder at a time, and a token that the late are known by.

use super::kit::*;
use crate::meters::Meters;
use callboard::port::store::fault::{Fault, Operation};
use callboard::prelude::*;
use callboard::{Ctx, ErrorKind};
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const TTL: Duration = Duration::from_secs(30);

async fn nodes() -> (callboard::port::store::fault::FaultStore, [Callboard; 2]) {
    let (faults, store) = store();
    (faults, [on(&store).start().await.unwrap(), on(&store).start().await.unwrap()])
}

/// Waits until so many have the lock or wait for it.
async fn until_wanted(board: &Callboard, count: usize) {
    let are_there = async || board.locks().await.unwrap().first().map_or(0, |lock| 1 + lock.waiting.len()) >= count;
    let wait = async {
        while !are_there().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), wait).await.expect("they come");
}

#[tokio::test(start_paused = true)]
async fn one_holds_it_at_a_time_and_who_waits_has_it_in_order() {
    let (_, boards) = nodes().await;
    let (inside, order, all_there) = (AtomicUsize::new(0), Log::default(), Gate::shut());
    let began = Instant::now();
    let each = (0..20_usize).map(|n| {
        let (board, inside, order, all_there) = (&boards[n % 2], &inside, &order, &all_there);
        async move {
            // They come one after the other, while the first one has it.
            until_wanted(board, n).await;
            let lock = board.lock("the one", TTL).await.unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "nobody else has it");
            order.add(n.to_string());
            all_there.pass().await;
            assert!(lock.is_held());
            inside.fetch_sub(1, Ordering::SeqCst);
            lock.release().await;
        }
    });
    tokio::join!(join_all(each), async {
        until_wanted(&boards[0], 20).await;
        // Who has waited for long looks seldom. The holder renews it meanwhile, every third of its time to live.
        while began.elapsed() < TTL {
            until_wanted(&boards[0], 20).await;
            sleep(Duration::from_millis(500)).await;
        }
        all_there.open();
    });
    assert_eq!(order.all(), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    // It goes from node to node, and none of them tells the other.
    assert!(began.elapsed() < TTL + Duration::from_secs(6), "{:?}: each is told soon", began.elapsed());
    assert!(boards[0].locks().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_get_it_is_told_who_has_it() {
    let (_, [one, two]) = nodes().await;
    let held = one.lock("branch/main", TTL).by("the release").await.unwrap();
    let error = two.lock("branch/main", TTL).by("a fix").or_conflict().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let said = full(&error);
    assert!(said.contains("was not taken by a fix, on node") && said.contains("the release, on node"), "{said}");
    let began = Instant::now();
    let error = two.lock("branch/main", TTL).by("a fix").wait(Duration::from_secs(90)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!((90..95).contains(&began.elapsed().as_secs()), "it is renewed for as long as it is held");
    let infos = two.locks().await.unwrap();
    assert_eq!((infos.len(), &*infos[0].key, infos[0].token), (1, "branch/main", held.token()));
    assert!(infos[0].holder.to_string().starts_with("the release, on node "), "{infos:?}");
    assert_eq!((infos[0].holder.by.name.as_deref(), infos[0].ttl), (Some("the release"), TTL));
    // Who has given up has no place any more; dropped, it is let go as well as by its release.
    let left = async {
        while !two.locks().await.unwrap()[0].waiting.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), left).await.expect("its place is left");
    let token = held.token();
    drop(held);
    let next = two.lock("branch/main", TTL).wait(Duration::from_secs(2)).await.unwrap();
    assert!(next.token() > token);
    for (key, ttl) in [("", TTL), ("short", Duration::from_millis(999))] {
        assert_eq!(one.lock(key, ttl).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

/// The holder's node is cut off from the store, wakes when another has had the lock, and writes.
#[tokio::test(start_paused = true)]
async fn a_late_holder_overwrites_nothing_that_its_successor_has_read() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (store_of_one, memory) = store();
    let one = on(&memory).start().await.unwrap();
    // The other node reaches the same store by a way of its own.
    let way = callboard::port::store::fault::FaultStore::new(memory.clone());
    let two = on(&(Arc::new(way.clone()) as Arc<dyn callboard::port::store::Store>)).start().await.unwrap();
    let late = two.lock("file", TTL).await.unwrap();
    let [of_late, unread] = ["file", "unread"].map(|key| late.state::<String>(key));
    of_late.update(|text| text.push_str("first")).await.unwrap();
    unread.overwrite(&"as it was".into()).await.unwrap();
    for operation in [Operation::Create, Operation::Get, Operation::List] {
        way.always(operation, "*", Fault::Refuse);
    }
    let began = Instant::now();
    let next = one.lock("file", TTL).await.unwrap();
    assert!((30..36).contains(&began.elapsed().as_secs()), "{:?}: when it was silent for long enough", began.elapsed());
    assert!(next.token() > late.token());
    let why = timeout(Duration::from_secs(1), late.lost()).await.expect("it knows by itself");
    assert!(why.contains("has not heard from its holder for 30s") && !late.is_held(), "{why}");
    assert_eq!(meters.of("callboard_locks_lost_total{}"), 1);
    // The successor only reads.
    assert_eq!(next.state::<String>("file").load().await.unwrap().unwrap().value, "first");
    way.calm();
    let writes = [
        of_late.update(|text| text.push_str(", late")).await.unwrap_err(),
        of_late.overwrite(&"late".into()).await.unwrap_err(),
        of_late.save(&"late".into(), 1).await.unwrap_err(),
        of_late.delete(1).await.unwrap_err(),
    ];
    for error in writes {
        assert_eq!(error.kind(), ErrorKind::Fenced, "{}", full(&error));
    }
    let plain = one.state::<String>("file");
    assert_eq!(plain.update(|text| text.push_str(", second")).await.unwrap().value, "first, second");
    assert_eq!(of_late.load().await.unwrap_err().kind(), ErrorKind::Fenced);
    unread.overwrite(&"nobody minds".into()).await.expect("what nobody has used since is not refused");
    drop(store_of_one);
}

#[tokio::test(start_paused = true)]
async fn it_is_taken_away_after_the_longest() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (_, [one, two]) = nodes().await;
    let long = one.lock("long", TTL).longest(Duration::from_secs(100)).await.unwrap();
    let began = Instant::now();
    let next = two.lock("long", TTL).wait(Duration::from_secs(200)).await.unwrap();
    assert!((99..103).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(long.lost().await.contains("the longest that it may be"));
    assert!(next.is_held());
    next.release().await;
    drop(one.lock("long", TTL).await.unwrap());
    assert_eq!(meters.of("callboard_locks_lost_total{}"), 1, "what is let go is not lost");
}

/// One that waits dies: it is handed the lock, says nothing, and the next one has it.
#[tokio::test(start_paused = true)]
async fn who_dies_while_it_waits_holds_up_nobody_for_long() {
    let (_, memory) = store();
    let one = on(&memory).start().await.unwrap();
    let way = callboard::port::store::fault::FaultStore::new(memory.clone());
    let two = on(&(Arc::new(way.clone()) as Arc<dyn callboard::port::store::Store>)).start().await.unwrap();
    let held = one.lock("file", TTL).await.unwrap();
    let mut dies = Box::pin(two.lock("file", TTL).into_future());
    assert!(timeout(Duration::from_secs(2), &mut dies).await.is_err());
    let mut waits = Box::pin(one.lock("file", TTL).into_future());
    assert!(timeout(Duration::from_secs(2), &mut waits).await.is_err());
    for operation in [Operation::Create, Operation::Get, Operation::List] {
        way.always(operation, "*", Fault::Refuse);
    }
    let began = Instant::now();
    held.release().await;
    waits.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_taken_whatever_answers_are_lost() {
    let (faults, [one, two]) = nodes().await;
    for round in 0..20_u64 {
        let some = [Fault::LoseAnswer, Fault::LoseRequest, Fault::Pass, Fault::Exists, Fault::Late];
        faults.script(Operation::Create, "*/locks/*", some.into_iter().cycle().skip(round as usize % 5).take(7));
        let lock = one.lock("it", TTL).await.unwrap();
        lock.state::<u64>("count").update(|count| *count += 1).await.unwrap();
        let (next, ()) = tokio::join!(two.lock("it", TTL).into_future(), lock.release());
        let next = next.unwrap();
        next.state::<u64>("count").update(|count| *count += 1).await.unwrap();
        next.release().await;
        faults.release_all().await;
    }
    assert_eq!(one.state::<u64>("count").load().await.unwrap().unwrap().value, 40);
}

/// Two tasks that each have what the other wants: one of them gives way, and both are done.
#[tokio::test(start_paused = true)]
async fn tasks_that_wait_for_each_other_do_not_wait_for_ever() {
    let (_, store) = store();
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let tries = Tally::default();
    let (met, counted) = (both.clone(), tries.clone());
    let board = acting(on(&store), 2, move |ctx: Ctx, what: String| {
        let (both, tries) = (met.clone(), counted.clone());
        async move {
            tries.add(&what);
            let (first, second) = if what == "ab" { ("a", "b") } else { ("b", "a") };
            let first = ctx.lock(first, TTL).await?;
            if ctx.attempt() == 1 {
                both.wait().await;
            }
            let second = ctx.lock(second, TTL).await?;
            first.state::<u64>("count").update(|count| *count += 1).await?;
            second.release().await;
            Ok(what)
        }
    });
    let board = board.start().await.unwrap();
    let began = Instant::now();
    let done = tokio::join!(board.call(act("ab")), board.call(act("ba")));
    assert_eq!((done.0.unwrap(), done.1.unwrap()), ("ab".to_owned(), "ba".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(tries.of("ab") + tries.of("ba"), 3, "one of the two was tried again: {:?}", tries.all());
    assert_eq!(board.state::<u64>("count").load().await.unwrap().unwrap().value, 2);
}

/// A retry of a task does not wait for the lock that its first attempt has not let go, and that is fenced.
#[tokio::test(start_paused = true)]
async fn the_next_attempt_has_the_lock_of_the_one_before_at_once() {
    let (_, store) = store();
    let tokens = Log::default();
    let kept = tokens.clone();
    let board = acting(on(&store), 1, move |ctx: Ctx, _: String| {
        let tokens = kept.clone();
        async move {
            let lock = ctx.lock("it", TTL).await?;
            lock.state::<u64>("count").update(|count| *count += 1).await?;
            tokens.add(lock.token().to_string());
            if ctx.attempt() == 1 {
                std::mem::forget(lock); // it dies without letting go
                return Err(Error::retryable("the first attempt fails"));
            }
            Ok("done".to_owned())
        }
    });
    let board = board.start().await.unwrap();
    let began = Instant::now();
    board.call(act("it")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let tokens: Vec<u64> = tokens.all().iter().map(|token| token.parse().unwrap()).collect();
    assert!(tokens[0] < tokens[1], "{tokens:?}");
    assert_eq!(board.state::<u64>("count").load().await.unwrap().unwrap().value, 1, "it is written once");
}

/// The store is away from the first sign of life on, nearly until the lock has expired.
#[tokio::test(start_paused = true)]
async fn a_holder_says_that_it_lives_as_soon_as_the_store_is_back() {
    let (faults, [one, two]) = nodes().await;
    let held = one.lock("it", TTL).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    for operation in [Operation::Create, Operation::Get, Operation::List] {
        faults.always(operation, "*/locks/*", Fault::Refuse);
    }
    sleep(Duration::from_secs(23)).await;
    faults.calm();
    let error = two.lock("it", TTL).wait(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!((error.kind(), held.is_held()), (ErrorKind::Conflict, true));
}

/// There may be as many locks as there are files: those that nobody has touched are not read again.
#[tokio::test(start_paused = true)]
async fn who_looks_at_all_locks_reads_what_has_changed() {
    let (faults, [one, two]) = nodes().await;
    for n in 0..20 {
        one.lock(format!("file {n}"), TTL).await.unwrap().release().await;
    }
    let held = one.lock("held", TTL).await.unwrap();
    let gets = async || {
        let before = faults.counts().get;
        (two.locks().await.unwrap().len(), faults.counts().get - before)
    };
    assert_eq!(gets().await, (1, 21));
    assert_eq!(gets().await, (1, 0));
    held.release().await;
    assert_eq!(gets().await, (0, 1));
}
