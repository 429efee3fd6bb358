//! Documents: what agents and programs keep, without lost updates.

use super::kit::*;
use crate::meters::Meters;
use crate::random::Random;
use callboard::port::store::fault::{Fault, FaultStore, Odds, Operation};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::test::TestRuntime;
use callboard::{Builder, Ctx, DOCUMENT_BYTES_MAX, Version};
use futures::future::join_all;
use std::sync::Arc;

#[payload]
#[derive(Default, PartialEq, Eq)]
struct Visits {
    count: u64,
    by: Vec<u64>,
}

async fn node(store: &Arc<dyn Store>) -> Callboard {
    on(store).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_document_is_written_read_and_kept_by_its_versions() {
    let (_, store) = store();
    let board = node(&store).await;
    let visits = board.state::<Visits>("visits/2026: é").by("a person");
    assert_eq!(visits.load().await.unwrap(), None);
    assert_eq!(visits.save(&Visits { count: 1, by: vec![] }, 0).await.unwrap(), 1);
    let second = visits.update(|visits| visits.count += 1).await.unwrap();
    assert_eq!((second.number, second.value.count, second.by[0].name.as_deref()), (2, 2, Some("a person")));
    assert_eq!(visits.load().await.unwrap(), Some(second.clone()));
    let error = visits.save(&Visits::default(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let said = full(&error);
    assert!(said.contains("is at version 2, by a person, on node") && said.contains("and not at 1"), "{said}");
    let both = error.version_conflict().unwrap();
    assert_eq!((both.expected, both.found), (1, 2));
    let error = visits.save(&Visits::default(), 0).await.unwrap_err();
    assert!(full(&error).contains("was not to be there yet"), "{}", full(&error));
    let error = visits.try_update(|_| Err(Error::terminal("no"))).await.unwrap_err();
    assert_eq!((error.message(), visits.load().await.unwrap().unwrap().number), ("no", 2));
    assert_eq!(visits.at(1).await.unwrap().value.count, 1);
    assert_eq!(visits.delete(2).await.unwrap(), 3);
    assert_eq!(visits.load().await.unwrap(), None);
    let error = visits.save(&Visits::default(), 2).await.unwrap_err();
    assert!(full(&error).contains("was deleted in version 3, by a person, on node"), "{}", full(&error));
    assert_eq!(error.version_conflict().unwrap().found, 3);
    for (number, why) in [(3, "says that it is deleted"), (9, "is not kept any more"), (0, "is not kept any more")] {
        let error = visits.at(number).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(full(&error).contains(why), "{number}: {}", full(&error));
    }
    let back = visits.roll_back(2).await.unwrap();
    assert_eq!((back.number, back.value), (4, second.value));
    let history: Vec<(u64, u64)> =
        visits.history().await.unwrap().iter().map(|version| (version.number, version.value.count)).collect();
    assert_eq!(history, [(1, 1), (2, 2), (4, 2)]);
    board.state::<u8>("visits").overwrite(&7).await.unwrap();
    board.state::<u8>(".hidden").overwrite(&8).await.unwrap();
    assert_eq!(board.state_keys("visits").await.unwrap(), ["visits", "visits/2026: é"]);
    assert_eq!(board.state_keys("").await.unwrap().len(), 3);
    // Another life reads what this one has written.
    board.shutdown().await.unwrap();
    let board = node(&store).await;
    assert_eq!(board.state::<Visits>("visits/2026: é").load().await.unwrap().unwrap().number, 4);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_is_told() {
    let (faults, store) = store();
    let board = node(&store).await;
    for key in [String::new(), "x".repeat(129)] {
        let error = board.state::<u8>(&key).load().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(full(&error).contains("has 1 to 128 bytes"), "{}", full(&error));
    }
    board.state::<String>("words").overwrite(&"no number".into()).await.unwrap();
    let error = board.state::<u8>("words").load().await.unwrap_err();
    assert!(full(&error).contains("version 1 of document \"words\" is no u8"), "{}", full(&error));
    faults.fill_disk();
    let error = board.state::<String>("words").overwrite(&"more".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(full(&error).contains("was not written: the store refused: disk full"), "{}", full(&error));
    assert_eq!(board.state::<String>("words").load().await.unwrap().unwrap().value, "no number");
}

#[tokio::test(start_paused = true)]
async fn a_value_has_16_mib_at_most() {
    let (_, store) = store();
    let board = node(&store).await;
    let text = board.state::<String>("text");
    // With its quotes it has as many bytes as it may.
    let longest = "x".repeat(DOCUMENT_BYTES_MAX - 2);
    assert_eq!(text.save(&longest, 0).await.unwrap(), 1);
    let writes = [
        text.save(&format!("{longest}x"), 1).await.map(drop),
        text.overwrite(&format!("{longest}x")).await.map(drop),
        text.update(|text| text.push('x')).await.map(drop),
    ];
    for write in writes {
        let error = write.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let said = full(&error);
        assert!(said.contains("document \"text\" has 16777217 bytes, 16777216 are allowed"), "{said}");
    }
    let newest = text.load().await.unwrap().unwrap();
    assert_eq!((newest.number, newest.value.len()), (1, longest.len()));
}

/// Eight writers on one document, whose requests and answers are lost, late and doubled.
#[tokio::test(start_paused = true)]
async fn no_update_is_lost_and_none_counts_twice_whatever_answers_are_lost() {
    for seed in 0..20 {
        let (faults, store) = store();
        let board = node(&store).await;
        let some = 0.03;
        let odds = Odds {
            refuse: some,
            lose_request: some,
            lose_answer: some,
            late: some,
            twice: some,
            exists: some,
            late_operations_max: 100,
            delay_max: Duration::from_millis(20),
        };
        faults.random(seed, odds);
        // So many creates are lost, and now and then one lands late, that some writes end without an answer.
        let mut random = Random(seed + 1);
        let lost = std::iter::repeat_with(|| match random.below(20) {
            0..14 => Fault::LoseRequest,
            14 => Fault::Late,
            15 => Fault::LoseAnswer,
            _ => Fault::Pass,
        });
        faults.script(Operation::Create, "*/documents/*", lost.take(2_000));
        let board = &board;
        let writers = join_all((0..8_u64).map(|writer| async move {
            let visits = board.state::<Visits>("visits");
            let (mut counted, mut perhaps) = (Vec::new(), Vec::new());
            for n in 0..10 {
                let id = writer * 100 + n;
                let updated = visits.update(|visits| {
                    visits.count += 1;
                    visits.by.push(id);
                });
                match updated.await {
                    Ok(version) => {
                        assert!(version.value.by.contains(&id));
                        counted.push(id);
                    }
                    Err(error) if error.kind() == ErrorKind::Unknown => perhaps.push(id),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}"),
                }
            }
            (counted, perhaps)
        }));
        let (counted, perhaps): (Vec<_>, Vec<_>) = writers.await.into_iter().unzip();
        faults.calm();
        let Version { value: visits, .. } = board.state::<Visits>("visits").load().await.unwrap().unwrap();
        assert_eq!(visits.count as usize, visits.by.len());
        let (counted, perhaps) = (counted.concat(), perhaps.concat());
        for id in &counted {
            assert_eq!(visits.by.iter().filter(|by| *by == id).count(), 1, "seed {seed}: {id}");
        }
        for id in &visits.by {
            assert!(counted.contains(id) || perhaps.contains(id), "seed {seed}: {id} was refused, and is there");
            assert_eq!(visits.by.iter().filter(|by| *by == id).count(), 1, "seed {seed}: {id}");
        }
        assert!(counted.len() > 10, "seed {seed}: {} of 80", counted.len());
    }
}

/// All tries of a create are lost but the last, which lands when the update has begun anew.
#[tokio::test(start_paused = true)]
async fn a_write_that_lands_after_it_was_given_up_counts_once() {
    let (faults, store) = store();
    let board = node(&store).await;
    let tries = std::iter::repeat_n(Fault::LoseRequest, 7).chain([Fault::Late, Fault::Hang]);
    faults.script(Operation::Create, "*/documents/*", tries);
    let visits = board.state::<Visits>("visits");
    let (updated, ()) = tokio::join!(visits.update(|visits| visits.count += 1), async {
        faults.until_held(2).await;
        assert!(faults.release_next().await, "it lands");
        faults.release_all().await;
    });
    let updated = updated.unwrap();
    assert_eq!((updated.number, updated.value.count), (1, 1));
    assert_eq!(visits.load().await.unwrap().unwrap().number, 1);
}

/// A handler that dies at every place of its code, before and after every record.
#[tokio::test(start_paused = true)]
async fn what_a_task_writes_it_writes_once_wherever_it_dies() {
    let rt = TestRuntime::new()
        .task_fn(|ctx: Ctx, task: Act| async move {
            let visits = ctx.state::<Visits>("visits");
            let before = visits.load().await?.map_or(0, |version| version.value.count);
            let number = visits.update(|visits| visits.count += 1).await?;
            visits.update(|visits| visits.by.push(number)).await?;
            let after = visits.load().await?.unwrap();
            visits.save(&Visits { count: 100, ..after.value }, after.number).await?;
            Ok(format!("{} {before} {number}", task.what))
        })
        .crash_everywhere()
        .start()
        .await;
    assert_eq!(rt.call(act("first")).await.unwrap(), "first 0 1");
    assert!(rt.crash_places().len() >= 10, "{:?}", rt.crash_places());
    assert_eq!(rt.call(act("second")).await.unwrap(), "second 100 4");
}

/// Its node dies between the beginning of the write and the write, when so many have written before that the document does not
/// remember them all, and the versions that would tell are gone.
#[tokio::test(start_paused = true)]
async fn a_task_that_dies_before_it_writes_a_busy_document_writes_it_in_its_next_life() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let faults = FaultStore::new(store.clone());
    let start = async |store: Arc<dyn Store>| {
        let counts = |ctx: Ctx, _: Act| async move {
            let number = ctx.state::<Visits>("visits").update(|visits| visits.count += 1).await?;
            Ok(number.to_string())
        };
        on(&store).task_fn(counts).start().await.unwrap()
    };
    let board = start(Arc::new(faults.clone())).await;
    for n in 1..=200 {
        assert_eq!(board.call(act("before")).await.unwrap(), n.to_string());
    }
    let names = store.list("default/documents/visits/", "").await.unwrap();
    for name in &names[..150] {
        store.delete(name).await.unwrap();
    }
    faults.always(Operation::Create, "*/documents/*", Fault::Hang);
    let mut call = Box::pin(board.call(act("it")).key("it").into_future());
    tokio::select! {
        said = &mut call => panic!("it does not write: {said:?}"),
        () = faults.until_held(1) => {}
    }
    board.die().await;
    drop(call);
    // What hangs never comes.
    let board = start(store).await;
    let said = tokio::time::timeout(Duration::from_secs(120), board.call(act("it")).key("it").into_future());
    assert_eq!(said.await.expect("it goes on").unwrap(), "201");
}

/// The store gives no answer to whatever has to do with documents.
fn goes_away(faults: &FaultStore) {
    for operation in [Operation::Create, Operation::Get, Operation::List] {
        faults.always(operation, "*/documents/*", Fault::Refuse);
    }
}

#[tokio::test(start_paused = true)]
async fn updates_that_wait_share_a_version_and_each_counts_once() {
    let (faults, store) = store();
    let board = node(&store).await;
    let visits = board.state::<Visits>("visits");
    faults.script(Operation::Create, "*/documents/*", [Fault::Hang]);
    let updates = join_all((0..100_u64).map(|id| {
        let visits = visits.clone().by(format!("writer {id}")).label("ticket", "7");
        async move { visits.update(|visits| visits.by.push(id)).await.unwrap().number }
    }));
    let (numbers, ()) = tokio::join!(updates, async {
        faults.until_held(1).await;
        faults.release_all().await;
    });
    let now = visits.load().await.unwrap().unwrap();
    assert_eq!(now.value.by.len(), 100);
    assert!(now.number <= 3, "{} versions", now.number);
    assert!(numbers.iter().all(|number| *number <= now.number));
    let author = &now.by[0];
    assert!(now.by.len() > 30 && author.name.is_some() && &*author.labels["ticket"] == "7", "{author:?}");
}

/// Whether it can be written is not told from what is not the newest.
#[tokio::test(start_paused = true)]
async fn what_one_node_refuses_rests_on_what_another_has_written() {
    let (_, store) = store();
    let [one, two] = [node(&store).await, node(&store).await];
    let [mine, theirs] = [one.state::<u64>("credit"), two.state::<u64>("credit")];
    let take = async |document: &callboard::Document<u64>| {
        let left = |credit: Option<u64>| credit.unwrap_or(0).checked_sub(1).ok_or_else(|| Error::terminal("no credit"));
        document.try_update(left).await
    };
    mine.overwrite(&1).await.unwrap();
    assert_eq!(take(&mine).await.unwrap().value, 0);
    theirs.overwrite(&1).await.unwrap();
    assert_eq!(take(&mine).await.unwrap().value, 0, "it does not fail on what it has seen last");
    assert_eq!(take(&theirs).await.unwrap_err().message(), "no credit");
    // A save that waits behind an update does not share its version.
    let (update, save) = tokio::join!(mine.update(|credit| *credit += 1), mine.save(&9, 4));
    assert_eq!(update.unwrap().number, 5);
    assert_eq!(save.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_a_second_old_at_most_and_says_when_it_is_stale() {
    let (faults, store) = store();
    let [one, two] = [node(&store).await, node(&store).await];
    let [mine, theirs] = [one.state::<u64>("count"), two.state::<u64>("count")];
    assert_eq!(mine.remembered().await.unwrap().version, None);
    let mut lists = 0;
    for n in 1..20_u64 {
        theirs.overwrite(&n).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = faults.counts().list;
        let seen = mine.remembered().await.unwrap();
        lists += faults.counts().list - before;
        assert_eq!((seen.version.unwrap().value, seen.is_stale), (n, false));
        assert!(seen.age <= Duration::from_secs(1), "{:?}", seen.age);
    }
    assert_eq!(lists, 0, "it is read in the background");
    goes_away(&faults);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let seen = mine.remembered().await.unwrap();
    assert_eq!((seen.version.unwrap().value, seen.is_stale), (19, true));
    assert!(seen.age > Duration::from_secs(4), "{:?}", seen.age);
    assert_eq!(mine.load().await.unwrap_err().kind(), ErrorKind::Unavailable, "a load is the newest or nothing");
    let error = one.state::<u64>("other").remembered().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    faults.calm();
    theirs.overwrite(&20).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(mine.remembered().await.unwrap().version.unwrap().value, 20);
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_the_store_and_not_for_ever() {
    let (faults, store) = store();
    let board = node(&store).await;
    let count = board.state::<u64>("count");
    goes_away(&faults);
    let began = tokio::time::Instant::now();
    let error = count.overwrite(&1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let waited = began.elapsed();
    assert!((10..16).contains(&waited.as_secs()), "{waited:?}");
    let (written, ()) = tokio::join!(count.overwrite(&2), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        faults.calm();
    });
    assert_eq!(written.unwrap().value, 2);
}

fn spooling(store: &Arc<dyn Store>, folder: &std::path::Path) -> Builder {
    let merge = |newest: Option<Visits>, mine: Visits| {
        let mut visits = newest.unwrap_or_default();
        visits.count += mine.count;
        visits.by.extend(mine.by);
        visits
    };
    on(store).merge("visits/", merge).settings(|settings| {
        settings.state.spool = folder.to_str().expect("a path").to_owned();
        settings.state.patience = Duration::from_secs(1);
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_spooled_outlives_a_restart_and_is_merged_once() {
    let meters = Meters::default();
    let _meters = meters.read();
    let counted = || {
        let names = ["spooled_total", "spool_merged_total", "spool_entries"];
        names.map(|name| meters.of(&format!("callboard_state_{name}{{}}")))
    };
    let until_counted = async |expected| {
        let wait = async {
            while counted() != expected {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let counts = tokio::time::timeout(Duration::from_secs(60), wait).await;
        counts.unwrap_or_else(|_| panic!("{:?} is not {expected:?}", counted()));
    };
    let (faults, store) = store();
    let folder = tempfile::tempdir().unwrap();
    let board = spooling(&store, folder.path()).start().await.unwrap();
    let add = async |board: &Callboard, by| {
        board.state::<Visits>("visits/a").by("spooler").merge_or_spool(&Visits { count: 1, by: vec![by] }).await
    };
    assert_eq!(add(&board, 0).await.unwrap().unwrap().number, 1);
    goes_away(&faults);
    for by in 1..=3 {
        assert_eq!(add(&board, by).await.unwrap(), None, "it is spooled");
    }
    until_counted([3, 0, 3]).await;
    let waiting = board.state_spool().await.unwrap();
    assert_eq!(waiting.iter().map(|write| &*write.key).collect::<Vec<_>>(), ["visits/a"; 3]);
    let error = board.state::<u8>("other").merge_or_spool(&1).await.unwrap_err();
    assert!(full(&error).contains("no function merges document \"other\""), "{}", full(&error));
    let error = spooling(&store, folder.path()).start().await.unwrap_err();
    assert!(full(&error).contains("the spool can not be used"), "{}", full(&error));
    let _away = board.shutdown().await;
    drop(board);
    // The next life begins while the store is still away, and brings home what it finds; twice, for an answer is lost.
    faults.calm();
    let board = spooling(&store, folder.path()).settings(|settings| settings.state.patience = Duration::ZERO);
    faults.script(Operation::Create, "*/documents/*", [Fault::LoseAnswer, Fault::LoseRequest, Fault::Late]);
    let board = board.start().await.unwrap();
    let home = async {
        while !board.state_spool().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), home).await.expect("it is brought home");
    faults.calm();
    let visits = board.state::<Visits>("visits/a").load().await.unwrap().unwrap();
    assert_eq!((visits.value.count, visits.value.by), (4, vec![0, 1, 2, 3]));
    assert_eq!(visits.by[0].name.as_deref(), Some("spooler"));
    assert_eq!(add(&board, 4).await.unwrap().unwrap().value.count, 5, "nothing is spooled any more");
    until_counted([3, 3, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_spool_or_a_function_that_merges_it_is_said_what_is_missing() {
    let (_, store) = store();
    let board = on(&store).merge("", |_: Option<u8>, mine: u8| mine).start().await.unwrap();
    let error = board.state::<u8>("count").merge_or_spool(&1).await.unwrap_err();
    assert!(full(&error).contains("`state.spool` says in which folder"), "{}", full(&error));
    assert_eq!(board.state::<u8>("count").merge(&1).await.unwrap().value, 1);
    assert!(board.state_spool().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn old_versions_go_after_a_while_and_an_erased_document_goes_at_once() {
    let (_, store) = store();
    let board = on(&store).settings(|settings| settings.garbage_late = Duration::from_secs(60)).start().await.unwrap();
    let versions = async |key: &str| store.list(&format!("default/documents/{key}/"), "").await.unwrap().len();
    let [many, secret] = ["many", "secret"].map(|key| board.state::<u64>(key));
    for n in 0..40 {
        many.overwrite(&n).await.unwrap();
        secret.overwrite(&n).await.unwrap();
    }
    assert_eq!(versions("many").await, 40);
    // Whoever has just read an old one may need what follows it.
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(versions("many").await, 40, "they are kept for as long as garbage is");
    secret.erase().await.unwrap();
    assert_eq!((secret.load().await.unwrap(), secret.history().await.unwrap()), (None, vec![]));
    for name in store.list("default/documents/secret/", "").await.unwrap() {
        let bytes = store.get(&name).await.unwrap().unwrap();
        assert!(!String::from_utf8(bytes.to_vec()).unwrap().contains("value"), "{name}");
    }
    assert_eq!(secret.save(&7, 0).await.unwrap(), 57, "there is no value");
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!((versions("many").await, versions("secret").await), (16, 16));
    let kept: Vec<_> = many.history().await.unwrap().iter().map(|version| version.number).collect();
    assert_eq!(kept, Vec::from_iter(25..=40));
    assert_eq!((many.load().await.unwrap().unwrap().value, many.overwrite(&1).await.unwrap().number), (39, 41));
}
