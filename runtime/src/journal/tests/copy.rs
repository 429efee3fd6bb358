use serde_json::json;

use super::*;
use crate::journal::access::Access;
use crate::journal::copy::{Added, Error, Reach};
use crate::journal::position::Position;
use crate::journal::register::{Advance, Register};

const MANIFEST: &str = "/manifest/";

/// A journal with the values 1 to 6: a snapshot of the first two, one of the first four, and where each value stands.
async fn source() -> (Arc<Scripted>, Owner, Vec<Position>) {
    let store = Arc::new(Scripted::default());
    let (mut owner, _) = claim(&store, 1).await;
    let mut places = Vec::new();
    for value in 1..=6 {
        let mark = commit(&mut owner.appender, value).await;
        places.push(mark.position());
        if value == 2 || value == 4 {
            let all: Vec<u64> = (1..=value).collect();
            snapshot(&mut owner.keeper, mark, &all).await.expect("a snapshot");
        }
    }
    (store, owner, places)
}

async fn copied(
    from: &Arc<Scripted>,
    to: &Arc<Scripted>,
    until: Option<Position>,
    finished: Option<Position>,
) -> (Result<(Position, Added), Error>, Values) {
    let mut values = Values::default();
    let copied = journal(from, 50).copy_to(&journal(to, 51), Reach { until, finished }, &mut values).await;
    (copied, values)
}

/// A whole copy: where it ends, and what was added.
async fn whole(from: &Arc<Scripted>, to: &Arc<Scripted>) -> (Position, Added) {
    copied(from, to, None, None).await.0.expect("a copy")
}

/// Nothing with this in its name is created, however often it is tried.
fn refuse(store: &Scripted, part: &str) {
    (0..8).for_each(|_| store.on(Op::Create, part, Fault::Refuse));
}

fn target() -> Arc<Scripted> {
    Arc::new(Scripted::default())
}

async fn manifest_of(store: &Arc<Scripted>) -> manifest::Manifest {
    manifest::read(&journal(store, 60).manifest(), None).await.expect("a manifest").manifest
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_read_as_the_source_and_has_its_objects() {
    let (from, _owner, places) = source().await;
    let to = target();
    let (done, replayed) = copied(&from, &to, None, None).await;
    let (end, added) = done.expect("a copy");
    assert_eq!(end, places[5]);
    assert_eq!(replayed.all, [1, 2, 3, 4, 5, 6]);
    assert_eq!(read(&to).await.all, [1, 2, 3, 4, 5, 6]);
    // The newest snapshot, what is behind it, and the manifest.
    let theirs = to.objects();
    let (ours, plain): (_, Vec<_>) =
        (from.objects(), theirs.iter().filter(|(name, _)| !name.contains(MANIFEST)).collect());
    assert!(plain.iter().all(|(name, bytes)| ours.get(*name) == Some(bytes)));
    assert_eq!(plain.len(), 3, "{plain:?}");
    let bytes = plain.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    assert_eq!(added, Added { objects: 4, bytes });
    let (source, copy) = (manifest_of(&from).await, manifest_of(&to).await);
    assert_eq!((&copy.snapshot, copy.epoch, copy.claim), (&source.snapshot, source.epoch, source.claim));
    // Nothing in the target is older than that.
    assert_eq!(copy.previous, manifest::Named::START);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_not_written_again() {
    let (from, mut owner, _) = source().await;
    let to = target();
    whole(&from, &to).await;
    to.calls();
    let (_, added) = whole(&from, &to).await;
    assert_eq!(added, Added::default());
    assert!(!to.calls().contains(&Op::Create));
    let mark = commit(&mut owner.appender, 7).await;
    let (end, added) = whole(&from, &to).await;
    let bytes = from.objects()[&slot_name(1, mark.position().slot)].len() as u64;
    assert_eq!((end, added), (mark.position(), Added { objects: 1, bytes }));
    assert_eq!(read(&to).await.all, [1, 2, 3, 4, 5, 6, 7]);
}

/// Slots go in their order into a target that can be read, so that what is there of an unfinished copy has no hole.
#[tokio::test(start_paused = true)]
async fn a_copy_that_is_cut_short_is_the_one_before_it_and_somewhat_more() {
    let (from, mut owner, _) = source().await;
    let to = target();
    whole(&from, &to).await;
    let mut slots = Vec::new();
    for value in 7..=12 {
        slots.push(slot_name(1, commit(&mut owner.appender, value).await.position().slot));
    }
    refuse(&to, &slots[3]);
    let (cut, _) = copied(&from, &to, None, None).await;
    assert!(matches!(&cut, Err(Error::Target { name, .. }) if *name == slots[3]), "{cut:?}");
    to.calm();
    assert_eq!(read(&to).await.all, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    whole(&from, &to).await;
    assert_eq!(read(&to).await.all, (1..=12).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_copy_as_of_a_position_ends_there() {
    let (from, _owner, places) = source().await;
    for (value, place) in (2..=6).zip(&places[1..]) {
        let to = target();
        let (done, replayed) = copied(&from, &to, Some(*place), None).await;
        assert_eq!(done.expect("a copy").0, *place);
        let expected: Vec<u64> = (1..=value).collect();
        assert_eq!((&replayed.all, &read(&to).await.all), (&expected, &expected));
        let rests_on = if value < 4 { places[1] } else { places[3] };
        assert_eq!(manifest_of(&to).await.snapshot.position, rests_on);
    }
    let (early, _) = copied(&from, &target(), Some(places[0]), None).await;
    let Err(Error::TooOld { partition: 3, until, earliest }) = early else { panic!("{early:?}") };
    assert_eq!((until, earliest), (places[0], places[1]));
    let late = places[5].next_slot();
    let (late_copy, _) = copied(&from, &target(), Some(late), None).await;
    let Err(Error::Ends { partition: 3, until, end }) = late_copy else { panic!("{late_copy:?}") };
    assert_eq!((until, end), (late, places[5]));
}

#[tokio::test(start_paused = true)]
async fn a_copy_goes_over_a_change_of_owner() {
    let (from, _first, _) = source().await;
    let to = target();
    let (first_end, _) = whole(&from, &to).await;
    let (mut second, _) = claim(&from, 2).await;
    commit(&mut second.appender, 7).await;
    let (copied, _) = copied(&from, &to, None, Some(first_end)).await;
    assert_eq!(copied.expect("a copy").0.epoch, 2);
    assert_eq!(read(&to).await.all, [1, 2, 3, 4, 5, 6, 7]);
    let (source, copy) = (manifest_of(&from).await, manifest_of(&to).await);
    assert_eq!((copy.epoch, copy.claim, &copy.owner), (2, source.claim, &source.owner));
    // Both rest on one snapshot.
    assert_eq!((copy.snapshot, copy.previous), (source.snapshot, manifest::Named::START));
    // Whoever goes on in the copy begins an epoch of its own behind it.
    let (mut third, replayed) = claim(&to, 3).await;
    assert_eq!(replayed.all, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(commit(&mut third.appender, 8).await.position().epoch, 3);
}

/// An epoch that ended before the position is not named by the copy: nobody was its owner there yet.
#[tokio::test(start_paused = true)]
async fn a_copy_as_of_an_earlier_epoch_names_that_one() {
    let (from, first, places) = source().await;
    let claimed = manifest_of(&from).await.claim;
    drop(first);
    let (mut second, _) = claim(&from, 2).await;
    commit(&mut second.appender, 7).await;
    let to = target();
    let (done, _) = copied(&from, &to, Some(places[4]), None).await;
    assert_eq!(done.expect("a copy").0, places[4]);
    let copy = manifest_of(&to).await;
    assert_eq!((copy.epoch, copy.claim), (1, claimed));
    assert_eq!(read(&to).await.all, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_of_a_finished_copy_stays_the_second_newest() {
    for finished in [false, true] {
        let (from, mut owner, places) = source().await;
        let to = target();
        let (end, _) = whole(&from, &to).await;
        let first = manifest_of(&to).await.snapshot;
        let mark = commit(&mut owner.appender, 7).await;
        snapshot(&mut owner.keeper, mark, &[1, 2, 3, 4, 5, 6, 7]).await.expect("a snapshot");
        let (again, _) = copied(&from, &to, None, finished.then_some(end)).await;
        again.expect("a copy");
        let copy = manifest_of(&to).await;
        assert_eq!(copy.snapshot.position, mark.position());
        assert_eq!(copy.previous, if finished { first.clone() } else { manifest::Named::START });
        // As of the last copy that was finished it can still be copied on.
        let (on, replayed) = copied(&to, &target(), Some(places[3]), None).await;
        assert_eq!(on.is_ok(), finished, "{on:?}");
        assert!(!finished || replayed.all == [1, 2, 3, 4]);
        // The same once more: it rests on nothing new.
        copied(&from, &to, None, Some(mark.position())).await.0.expect("a copy");
        assert_eq!(manifest_of(&to).await, copy);
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_with_something_else_is_refused() {
    let (from, mut owner, places) = source().await;
    // An object of somebody else.
    let to = target();
    let name = slot_name(1, places[4].slot);
    to.change(|objects| drop(objects.insert(name.clone(), Bytes::from_static(b"theirs"))));
    let (refused, _) = copied(&from, &to, None, None).await;
    assert!(matches!(&refused, Err(Error::Foreign(what)) if *what == name), "{refused:?}");
    // A copy of a later moment.
    let to = target();
    let mark = commit(&mut owner.appender, 7).await;
    snapshot(&mut owner.keeper, mark, &[1, 2, 3, 4, 5, 6, 7]).await.expect("a snapshot");
    whole(&from, &to).await;
    let before = to.objects();
    let (refused, _) = copied(&from, &to, Some(places[4]), None).await;
    assert!(matches!(&refused, Err(Error::Foreign(what)) if what == "partition 3 as of a later moment"), "{refused:?}");
    assert_eq!(manifest_of(&to).await.snapshot.position, mark.position());
    assert_eq!(to.objects().get(&manifest_name(1)), before.get(&manifest_name(1)));
    // A copy that somebody else makes at the same time.
    let to = target();
    let theirs = from.objects()[&manifest_name(1)].clone();
    to.before(Op::Create, MANIFEST, 0, move |objects| drop(objects.insert(manifest_name(1), theirs)));
    let (refused, _) = copied(&from, &to, None, None).await;
    assert!(matches!(&refused, Err(Error::Foreign(what)) if what.starts_with("another copy")), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_refuses_or_loses_answers_is_told_and_the_copy_goes_on() {
    let (from, _owner, _) = source().await;
    for part in ["/log/", "/snapshots/", MANIFEST] {
        let to = target();
        refuse(&to, part);
        let (refused, _) = copied(&from, &to, None, None).await;
        let Err(Error::Target { name, reason }) = refused else { panic!("{refused:?}") };
        assert!(part.starts_with("/manifest") || name.contains(part), "{name}");
        assert!(reason.contains("scripted"), "{reason}");
        to.calm();
        whole(&from, &to).await;
        assert_eq!(read(&to).await.all, [1, 2, 3, 4, 5, 6]);
    }
    // A lost answer is looked after, and not counted.
    let to = target();
    to.on(Op::Create, "/log/", Fault::LoseAnswer);
    let (_, added) = whole(&from, &to).await;
    assert_eq!(added.objects, 3);
    let to = target();
    (0..8).for_each(|_| to.on(Op::List, MANIFEST, Fault::LoseBefore));
    let (unread, _) = copied(&from, &to, None, None).await;
    assert!(matches!(unread, Err(Error::TargetUnread(_))), "{unread:?}");
}

/// A reader that is overtaken begins anew (J9); one that always is says so.
#[tokio::test(start_paused = true)]
async fn a_copy_that_is_overtaken_by_snapshots_begins_anew() {
    let (from, mut owner, _) = source().await;
    let old = manifest_of(&from).await.snapshot;
    let mark = commit(&mut owner.appender, 7).await;
    snapshot(&mut owner.keeper, mark, &[1, 2, 3, 4, 5, 6, 7]).await.expect("a snapshot");
    let one_on = from.objects();
    let mark = commit(&mut owner.appender, 8).await;
    snapshot(&mut owner.keeper, mark, &[1, 2, 3, 4, 5, 6, 7, 8]).await.expect("a snapshot");
    let two_on = from.objects();
    // It begins when `old` is the newest; when it looks again there are two newer ones.
    let begun = |objects: &super::store::Objects| {
        let mut objects = objects.clone();
        objects.retain(|name, _| {
            let is_newer = |version: u64| *name == manifest_name(version);
            !(is_newer(4) || is_newer(5))
        });
        Arc::new(Scripted::of(objects))
    };
    let from = begun(&two_on);
    assert_eq!(manifest_of(&from).await.snapshot, old);
    let later = two_on.clone();
    from.before(Op::Get, "/snapshots/", 0, move |objects| {
        *objects = later;
    });
    let (done, replayed) = copied(&from, &target(), None, None).await;
    assert_eq!(done.expect("a copy").0, mark.position());
    assert_eq!((replayed.all.len(), replayed.resets), (8, 2));
    // With only one newer one nothing was collected that it needs.
    let from = begun(&two_on);
    from.before(Op::Get, "/snapshots/", 0, move |objects| *objects = one_on);
    let (done, replayed) = copied(&from, &target(), None, None).await;
    assert_eq!((done.expect("a copy").0.epoch, replayed.resets), (1, 1));
}

const DOCUMENT: &str = "test/documents/d";

fn register(store: &Arc<Scripted>, seed: u64) -> Register {
    Register::new(Access::new(store.clone(), Duration::from_secs(5), 4), ids(seed), DOCUMENT.to_owned(), 2)
}

fn version(number: u64) -> String {
    format!("{DOCUMENT}/{number:020}")
}

async fn written(store: &Arc<Scripted>, versions: u64) -> Register {
    let register = register(store, 1);
    let mut base = register.read(None).await.expect("read");
    for body in base.number()..versions {
        base = match register.advance(&base, &json!(body)).await {
            Advance::Advanced { version, .. } => version,
            other => panic!("{other:?}"),
        };
    }
    register
}

#[tokio::test(start_paused = true)]
async fn the_versions_of_a_register_that_are_kept_are_copied() {
    let (from, to) = (target(), target());
    let ours = written(&from, 4).await;
    from.change(|objects| drop(objects.remove(&version(1))));
    let added = ours.copy_to(&register(&to, 2)).await.expect("a copy");
    assert_eq!(to.objects(), from.objects());
    let bytes = from.objects().values().map(|bytes| bytes.len() as u64).sum();
    assert_eq!(added, Added { objects: 3, bytes });
    assert_eq!(ours.kept().await.expect("kept").iter().map(|(_, bytes)| *bytes as u64).sum::<u64>(), bytes);
    // What is kept no more goes, and the rest stays.
    written(&from, 6).await;
    from.change(|objects| drop((objects.remove(&version(2)), objects.remove(&version(3)))));
    let added = ours.copy_to(&register(&to, 2)).await.expect("a copy");
    assert_eq!((added.objects, to.objects()), (2, from.objects()));
    assert_eq!(ours.copy_to(&register(&to, 2)).await.expect("a copy"), Added::default());
    assert_eq!(register(&target(), 1).copy_to(&register(&target(), 2)).await.expect("nothing"), Added::default());
}

#[tokio::test(start_paused = true)]
async fn a_register_of_a_later_moment_or_of_somebody_else_is_refused() {
    let (from, to) = (target(), target());
    let ours = written(&from, 2).await;
    written(&to, 3).await;
    let refused = ours.copy_to(&register(&to, 2)).await;
    assert!(matches!(&refused, Err(Error::Foreign(what)) if what.starts_with(&version(3))), "{refused:?}");
    let to = target();
    to.before(Op::Create, DOCUMENT, 0, |objects| drop(objects.insert(version(1), Bytes::from_static(b"theirs"))));
    let refused = ours.copy_to(&register(&to, 2)).await;
    assert!(matches!(&refused, Err(Error::Foreign(what)) if *what == version(1)), "{refused:?}");
    assert!(!to.has(&version(2)), "in their order");
}
