//! The journal of format 1, kept as files for ever: every later release must read it (L14).
//!
//! `TEST_GOLDEN=write cargo test -p callboard --lib golden -- --test-threads 1` writes it anew, after a change of a format that was
//! never released.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::store::Objects;
use super::*;
use crate::journal::archive::Record;
use crate::journal::digest::Digest;
use crate::journal::payload::Payloads;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-v1")
}

/// Two owners, a snapshot, seals, a large batch, an archive page and a payload.
async fn written() -> Objects {
    let store = Arc::new(Scripted::default());
    let (mut first, _) = claim(&store, 1).await;
    assert!(matches!(append(&mut first.appender, &[1, 2, 3]).await, Outcome::Committed(_)));
    commit(&mut first.appender, 4).await;
    claim(&store, 2).await;
    let (mut third, values) = claim(&store, 3).await;
    snapshot(&mut third.keeper, third.start, &values.all).await.unwrap();
    let large: Vec<u64> = (5..2000).collect();
    assert!(matches!(append(&mut third.appender, &large).await, Outcome::Committed(_)));
    commit(&mut third.appender, 2000).await;
    let record = Record { id: Uuid::from_u128(7), closed_ms: 42, line: Bytes::from_static(b"{\"run\":7}") };
    journal(&store, 4).archive().put(1, &[record]).await.unwrap();
    Payloads::new(store.clone(), "test", &small()).put(Bytes::from_static(b"a payload")).await.unwrap();
    store.objects()
}

fn load(folder: &Path, prefix: &str, objects: &mut Objects) {
    for entry in std::fs::read_dir(folder).expect("the fixture is a folder of objects") {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            load(&entry.path(), &format!("{name}/"), objects);
        } else {
            objects.insert(name, std::fs::read(entry.path()).unwrap().into());
        }
    }
}

fn save(objects: &Objects) {
    for (name, bytes) in objects {
        let path = folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn golden() -> Objects {
    let mut objects = BTreeMap::new();
    load(&folder(), "", &mut objects);
    objects
}

#[tokio::test]
async fn l14_the_golden_journal_is_replayed() {
    if std::env::var("TEST_GOLDEN").is_ok_and(|value| value == "write") {
        let _ = std::fs::remove_dir_all(folder());
        save(&written().await);
    }
    let store = Arc::new(Scripted::of(golden()));
    let expected: Vec<u64> = (1..=2000).collect();
    assert_eq!(read(&store).await.all, expected);
    // The whole log, as if the snapshot had never been: the manifest of the third claim.
    let mut whole = golden();
    whole.remove(&manifest_name(4));
    let whole = read(&Arc::new(Scripted::of(whole))).await;
    assert_eq!((whole.all, whole.batches.len()), (expected.clone(), 4));
    let archived = journal(&store, 4).archive().page(1).await.unwrap();
    assert_eq!(archived[0].line, "{\"run\":7}");
    let digest = Digest::of(b"a payload");
    assert_eq!(Payloads::new(store.clone(), "test", &small()).get(digest).await.unwrap(), "a payload");
    // And it can be gone on with.
    let (mut owner, values) = claim(&store, 5).await;
    assert_eq!(values.all, expected);
    assert_eq!(commit(&mut owner.appender, 2001).await.position(), at(4, 2));
}

/// What is written today is the golden journal byte for byte, but for what zstd compressed: its encoder may change.
#[tokio::test]
async fn the_format_has_not_changed_unnoticed() {
    let (written, golden) = (written().await, golden());
    assert_eq!(written.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
    let after_large = [slot_name(3, 2), slot_name(3, 3)];
    for (name, bytes) in written.iter().filter(|(name, _)| !after_large.contains(name)) {
        assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&golden[name]), "{name}");
    }
}
