use super::*;
use crate::journal::archive::{Archive, Error, Fingerprint, Record, Summary};
use crate::journal::copy::{self, Added};

fn record(id: u128, line: &str) -> Record {
    Record { id: Uuid::from_u128(id), closed_ms: 1000 + id as i64, line: Bytes::copy_from_slice(line.as_bytes()) }
}

fn archive(store: &Arc<Scripted>) -> Archive {
    journal(store, 1).archive()
}

async fn filled(store: &Arc<Scripted>, pages: u64) -> (Archive, Vec<Summary>) {
    let archive = archive(store);
    let mut summaries = Vec::new();
    for page in 0..pages {
        let records: Vec<Record> =
            (0..50).map(|i| record(u128::from(page * 50 + i), &format!("{{\"n\": {i} }}"))).collect();
        summaries.push(archive.put(page, &records).await.unwrap());
    }
    (archive, summaries)
}

#[tokio::test]
async fn records_are_found_by_id() {
    let store = Arc::new(Scripted::default());
    let (archive, summaries) = filled(&store, 4).await;
    for id in 0..200 {
        let found = archive.find(Uuid::from_u128(id), &summaries).await.unwrap().expect("archived");
        assert_eq!(found, record(id, &format!("{{\"n\": {} }}", id % 50)));
    }
    for id in 200..300 {
        assert_eq!(archive.find(Uuid::from_u128(id), &summaries).await.unwrap(), None);
    }
    assert_eq!((summaries[1].count, summaries[1].oldest_ms, summaries[1].newest_ms), (50, 1050, 1099));
}

#[tokio::test]
async fn only_pages_that_may_hold_an_id_are_read_and_the_last_stay() {
    let store = Arc::new(Scripted::default());
    let (archive, summaries) = filled(&store, 8).await;
    store.calls();
    archive.find(Uuid::from_u128(10), &summaries).await.unwrap();
    assert!(store.calls().len() <= 2);
    archive.find(Uuid::from_u128(11), &summaries[..1]).await.unwrap();
    assert_eq!(store.calls(), []);
}

#[tokio::test]
async fn the_newest_record_of_an_id_wins() {
    let store = Arc::new(Scripted::default());
    let archive = archive(&store);
    let one = archive.put(1, &[record(1, "old")]).await.unwrap();
    let two = archive.put(2, &[record(1, "new"), record(1, "newest")]).await.unwrap();
    let found = archive.find(Uuid::from_u128(1), &[one, two]).await.unwrap().unwrap();
    assert_eq!(found.line, "newest");
}

#[tokio::test]
async fn summaries_are_kept_as_json() {
    let store = Arc::new(Scripted::default());
    let (_, summaries) = filled(&store, 1).await;
    let text = serde_json::to_string(&summaries[0]).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summaries[0]);
    let fingerprints = fingerprints_of(&text);
    assert_eq!(fingerprints.len(), 2 + 8 * 50, "{fingerprints}");
    for wrong in ["abc", "00020001", "zzzz", "+001", "8:abc", "8:0000000200000001", "8:+0000001", "9:00000001"] {
        assert!(serde_json::from_str::<Summary>(&text.replace(fingerprints, wrong)).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_page_is_looked_into_for_what_is_on_it_and_hardly_for_anything_else() {
    let store = Arc::new(Scripted::default());
    let records: Vec<Record> = (0..1_000).map(|id| record(id, "a")).collect();
    let summary = archive(&store).put(1, &records).await.unwrap();
    let may_hold = |summary: &Summary, id| summary.may_hold(Fingerprint::of(Uuid::from_u128(id)));
    assert!((0..1_000).all(|id| may_hold(&summary, id)));
    let others = || 1_000..101_000;
    // 0.02 of these are to be expected.
    assert_eq!(others().filter(|id| may_hold(&summary, *id)).count(), 0);

    // As older releases have written it: half of each, of which every 65th is that of another one.
    let text = serde_json::to_string(&summary).unwrap();
    let fingerprints = fingerprints_of(&text);
    let groups = fingerprints.strip_prefix("8:").unwrap().as_bytes().chunks(8);
    let halves: String = groups.map(|group| str::from_utf8(&group[..4]).unwrap()).collect();
    let older: Summary = serde_json::from_str(&text.replace(fingerprints, &halves)).unwrap();
    assert_eq!(serde_json::to_string(&older).unwrap(), text.replace(fingerprints, &halves));
    assert!((0..1_000).all(|id| may_hold(&older, id)));
    let wrong = others().filter(|id| may_hold(&older, *id)).count();
    assert!((1_200..1_800).contains(&wrong), "{wrong} of 100,000");

    // And where they are not spread at all.
    for other in ["", "8:", "8:000000000000000000000001", "8:fffffffefffffffeffffffff"] {
        let summary: Summary = serde_json::from_str(&text.replace(fingerprints, other)).unwrap();
        assert!(!may_hold(&summary, 1));
    }
}

fn fingerprints_of(text: &str) -> &str {
    text.split('"').nth_back(1).unwrap()
}

#[tokio::test(start_paused = true)]
async fn writing_a_page_is_repeatable_and_never_replaces() {
    let store = Arc::new(Scripted::default());
    let archive = archive(&store);
    store.on(Op::Create, "archive/", Fault::LoseAnswer);
    let once = archive.put(1, &[record(1, "a")]).await.unwrap();
    assert_eq!(archive.put(1, &[record(1, "a")]).await.unwrap(), once);
    assert!(matches!(archive.put(1, &[record(1, "b")]).await, Err(Error::Taken { page: 1 })));
    for _ in 0..4 {
        store.on(Op::Create, "archive/", Fault::HangBefore);
    }
    assert!(matches!(archive.put(2, &[]).await, Err(Error::Unknown { page: 2, .. })));
    store.on(Op::Create, "archive/", Fault::Refuse);
    assert!(matches!(archive.put(2, &[]).await, Err(Error::Refused { page: 2, .. })));
    assert!(matches!(archive.put(2, &[record(1, "a\nb")]).await, Err(Error::Invalid { page: 2, .. })));
    assert!(matches!(archive.page(2).await, Err(Error::Missing { page: 2 })));
    archive.put(2, &[]).await.unwrap();
    assert_eq!(archive.page(2).await.unwrap().len(), 0);
}

#[tokio::test]
async fn l23_a_damaged_or_misplaced_page_is_named() {
    let store = Arc::new(Scripted::default());
    let (archive, _) = filled(&store, 2).await;
    let page = |number: u64| format!("test/partitions/0003/archive/{number:020}");
    store.change(|objects| {
        let other = objects[&page(1)].clone();
        objects.insert(page(0), other.slice(..other.len() - 3));
        objects.insert(page(5), other);
    });
    for number in [0, 5] {
        let error = archive.page(number).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)) && error.to_string().contains(&page(number)), "{error}");
    }
}

#[tokio::test]
async fn a_copy_adds_the_pages_that_are_named_and_not_there_yet() {
    let (from, to) = (Arc::new(Scripted::default()), Arc::new(Scripted::default()));
    let (ours, summaries) = filled(&from, 4).await;
    let theirs = archive(&to);
    let added = ours.copy_to(&theirs, &summaries[..1]).await.unwrap();
    assert_eq!((added.objects, to.objects().len()), (1, 1));
    let added = ours.copy_to(&theirs, &summaries[..3]).await.unwrap();
    assert_eq!((added.objects, to.objects().len()), (2, 3));
    ours.copy_to(&theirs, &summaries).await.unwrap();
    assert_eq!(to.objects(), from.objects());
    assert_eq!(ours.copy_to(&theirs, &summaries).await.unwrap(), Added::default());
    let first = from.objects().into_iter().next().expect("a page");
    let fresh = || archive(&Arc::new(Scripted::default()));
    from.change(|objects| drop(objects.insert(first.0.clone(), first.1.slice(1..))));
    let damaged = ours.copy_to(&fresh(), &summaries).await;
    assert!(matches!(&damaged, Err(copy::Error::Source(error)) if error.to_string().contains(&first.0)), "{damaged:?}");
    from.change(|objects| drop(objects.remove(&first.0)));
    let missing = ours.copy_to(&fresh(), &summaries).await;
    assert!(matches!(missing, Err(copy::Error::PageMissing { partition: 3, page: 0 })), "{missing:?}");
}
