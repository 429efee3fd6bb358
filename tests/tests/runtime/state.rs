//! Documents: what agents and programs keep, without lost updates.

use super::kit::*;
use crate::random::Random;
use callboard::port::store::fault::{Fault, Odds, Operation};
use callboard::prelude::*;
use callboard::test::TestRuntime;
use callboard::{Ctx, Version};
use futures::future::join_all;

#[payload]
#[derive(Default, PartialEq, Eq)]
struct Visits {
    count: u64,
    by: Vec<u64>,
}

async fn node(store: &std::sync::Arc<dyn callboard::port::store::Store>) -> Callboard {
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
    assert_eq!((second.number, second.value.count, second.by.as_deref()), (2, 2, Some("a person")));
    assert_eq!(visits.load().await.unwrap(), Some(second.clone()));
    let error = visits.save(&Visits::default(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let said = full(&error);
    assert!(said.contains("is at version 2, by a person, on node") && said.contains("and not at 1"), "{said}");
    let error = visits.try_update(|_| Err(Error::terminal("no"))).await.unwrap_err();
    assert_eq!((error.message(), visits.load().await.unwrap().unwrap().number), ("no", 2));
    assert_eq!(visits.at(1).await.unwrap().value.count, 1);
    assert_eq!(visits.delete(2).await.unwrap(), 3);
    assert_eq!(visits.load().await.unwrap(), None);
    assert_eq!(visits.at(3).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(visits.at(9).await.unwrap_err().kind(), ErrorKind::NotFound);
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
                        assert_eq!(version.value.by.last(), Some(&id));
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
