use std::collections::BTreeMap;

use super::*;
use crate::journal::copy::{self, Added};
use crate::journal::digest::Digest;
use crate::journal::payload::{Error, Payloads};

fn payloads(store: &Arc<Scripted>) -> Payloads {
    Payloads::new(store.clone(), "test", &small())
}

#[tokio::test(start_paused = true)]
async fn payloads_are_stored_once_under_their_hash() {
    let store = Arc::new(Scripted::default());
    let payloads = payloads(&store);
    let body = Bytes::from_static(b"a long text");
    let digest = payloads.put(body.clone()).await.unwrap();
    assert_eq!(digest, Digest::of(&body));
    assert_eq!(payloads.put(body.clone()).await.unwrap(), digest);
    assert_eq!(store.names("test/payloads/"), [digest.to_string()]);
    assert_eq!(payloads.get(digest).await.unwrap(), body);
    store.on(Op::Create, "payloads/", Fault::LoseAnswer);
    payloads.put(Bytes::from_static(b"another")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l23_a_payload_is_verified() {
    let store = Arc::new(Scripted::default());
    let payloads = payloads(&store);
    let body = Bytes::from_static(b"a long text");
    let digest = payloads.put(body.clone()).await.unwrap();
    store.change(|objects| objects.values_mut().for_each(|bytes| *bytes = Bytes::from_static(b"junk")));
    assert!(matches!(payloads.get(digest).await, Err(Error::Corrupt(_))));
    assert!(matches!(payloads.put(body).await, Err(Error::Corrupt(_))), "exists is not success");
    let missing = Digest::of(b"none");
    assert!(matches!(payloads.get(missing).await, Err(Error::Missing { digest }) if digest == missing));
    store.on(Op::Create, "payloads/", Fault::Refuse);
    assert!(matches!(payloads.put(Bytes::from_static(b"new")).await, Err(Error::Refused { .. })));
    for _ in 0..4 {
        store.on(Op::Create, "payloads/", Fault::HangBefore);
    }
    assert!(matches!(payloads.put(Bytes::from_static(b"new")).await, Err(Error::Unknown { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_copy_adds_the_payloads_that_are_not_there_yet() {
    let (from, to) = (Arc::new(Scripted::default()), Arc::new(Scripted::default()));
    let (ours, theirs) = (payloads(&from), payloads(&to));
    for body in ["one", "another", "a third"] {
        ours.put(Bytes::from_static(body.as_bytes())).await.unwrap();
    }
    theirs.put(Bytes::from_static(b"one")).await.unwrap();
    let added = ours.copy_to(&theirs).await.unwrap();
    assert_eq!(added, Added { objects: 2, bytes: ("another".len() + "a third".len()) as u64 });
    assert_eq!(to.objects(), from.objects());
    to.calls();
    assert_eq!(ours.copy_to(&theirs).await.unwrap(), Added::default());
    assert_eq!(to.calls(), [Op::List]);
    // What is no payload is nobody's.
    from.change(|objects| drop(objects.insert("test/payloads/note.txt".to_owned(), Bytes::from_static(b"a"))));
    assert_eq!(ours.copy_to(&theirs).await.unwrap(), Added::default());
    assert_eq!(ours.all().await.unwrap(), theirs.all().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_can_not_be_copied_is_named() {
    let (from, to) = (Arc::new(Scripted::default()), Arc::new(Scripted::default()));
    let (ours, theirs) = (payloads(&from), payloads(&to));
    let name = ours.name(ours.put(Bytes::from_static(b"one")).await.unwrap());
    let whole = from.objects();
    from.change(|objects| objects.values_mut().for_each(|bytes| *bytes = Bytes::from_static(b"junk")));
    let corrupt = ours.copy_to(&theirs).await;
    assert!(matches!(&corrupt, Err(copy::Error::Source(_))), "{corrupt:?}");
    assert_eq!(to.objects(), BTreeMap::new());
    from.change(|objects| *objects = whole);
    // It is listed, and then there is no answer.
    (0..8).for_each(|_| from.on(Op::Get, &name, Fault::LoseBefore));
    let away = ours.copy_to(&theirs).await;
    assert!(matches!(&away, Err(copy::Error::Source(_))) && away.unwrap_err().to_string().contains(&name));
    from.calm();
    to.before(Op::Create, &name, 0, {
        let name = name.clone();
        move |objects| drop(objects.insert(name, Bytes::from_static(b"theirs")))
    });
    let foreign = ours.copy_to(&theirs).await;
    assert!(matches!(&foreign, Err(copy::Error::Foreign(what)) if *what == name), "{foreign:?}");
}

/// A store without an answer is asked so often and no more.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_asked_a_bounded_number_of_times() {
    let store = Arc::new(Scripted::default());
    let payloads = payloads(&store);
    let tries = small().tries as usize;
    let lost = |op| (0..2 * tries).for_each(|_| store.on(op, "payloads", Fault::LoseBefore));
    lost(Op::Get);
    assert!(matches!(payloads.get(Digest::of(b"one")).await, Err(Error::Unknown { .. })));
    assert_eq!(store.calls(), vec![Op::Get; tries]);
    lost(Op::List);
    assert!(payloads.all().await.is_err());
    assert_eq!(store.calls(), vec![Op::List; tries]);
}
