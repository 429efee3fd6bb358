use proptest::prelude::*;

use super::*;
use crate::journal::archive::{self as pages, Record};
use crate::journal::batch::{self, Header, Kind, Slot};
use crate::journal::digest::Digest;
use crate::journal::envelope::{self, FORMAT, FRAME_BYTES_MAX};

fn header(kind: Kind, count: u64) -> Header {
    Header {
        kind,
        partition: 3,
        at: at(2, 5),
        writer: "node-a".to_owned(),
        claim: Uuid::from_u128(1),
        batch: Uuid::from_u128(2),
        previous: Digest::of(b"before"),
        count,
    }
}

fn decode(bytes: &[u8]) -> Result<Slot, batch::Error> {
    batch::decode("slot", 3, at(2, 5), bytes)
}

#[test]
fn slots_come_back_as_written() {
    for size in [1, 700, 4095, 4096, 4097, 300_000] {
        let lines = [vec![b'x'; size - 1], vec![b'\n']].concat();
        let bytes = batch::encode(&header(Kind::Data, 1), &lines, 1).unwrap();
        assert_eq!(decode(&bytes), Ok(Slot::Data(header(Kind::Data, 1), lines)));
    }
    let bytes = batch::encode(&header(Kind::Ownership, 0), b"", 1).unwrap();
    assert_eq!(decode(&bytes), Ok(Slot::Ownership(header(Kind::Ownership, 0))));
    assert_eq!(decode(&batch::seal()), Ok(Slot::Seal));
}

/// zstd's own tools read a slot: they skip the header's frame.
#[test]
fn a_slot_is_a_zstd_file() {
    for lines in [b"{\"a\":1}\n".repeat(3), b"{\"a\":1}\n".repeat(3000)] {
        let count = lines.len() as u64 / 8;
        let bytes = batch::encode(&header(Kind::Data, count), &lines, 1).unwrap();
        assert_eq!(zstd::stream::decode_all(&bytes[..]).unwrap(), lines);
    }
    assert_eq!(zstd::stream::decode_all(&batch::seal()[..]).unwrap(), b"");
}

/// The bytes of seals are part of the format for ever.
#[test]
fn j3_all_seals_are_the_same_bytes() {
    let text = String::from_utf8_lossy(&batch::seal()[8..]).into_owned();
    let checksum = Digest::of(b"{\"kind\":\"seal\"}\n");
    assert_eq!(text, format!("callboard slot 1 {checksum}\n{{\"kind\":\"seal\"}}\n"));
}

#[test]
fn l12_l23_what_is_misplaced_or_damaged_is_named() {
    let bytes = batch::encode(&header(Kind::Data, 1), b"1\n", 1).unwrap();
    let misplaced = |found: Result<Slot, batch::Error>| found.unwrap_err().to_string().contains("belongs to");
    assert!(misplaced(batch::decode("slot", 4, at(2, 5), &bytes)));
    assert!(misplaced(batch::decode("slot", 3, at(2, 6), &bytes)));
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "cut to {length}");
    }
    for index in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[index] ^= 4;
        assert!(decode(&damaged).is_err(), "byte {index}");
    }
    let wrong_count = batch::encode(&header(Kind::Data, 2), b"1\n", 1).unwrap();
    assert!(decode(&wrong_count).unwrap_err().to_string().contains("2 events"));
    let full_ownership = batch::encode(&header(Kind::Ownership, 1), b"1\n", 1).unwrap();
    assert!(decode(&full_ownership).is_err());
}

#[test]
fn l14_a_newer_format_is_named_as_such() {
    let bytes = batch::encode(&header(Kind::Data, 1), b"1\n", 1).unwrap();
    let text = String::from_utf8_lossy(&bytes).replace("callboard slot 1 ", "callboard slot 2 ");
    let newer = batch::Error::Newer { name: "slot".to_owned(), source: envelope::Error::Newer { found: FORMAT + 1 } };
    assert_eq!(decode(text.as_bytes()), Err(newer));
}

/// A frame that says it holds more than is allowed is refused before anything is allocated.
#[test]
fn a_frame_cannot_ask_for_memory() {
    let mut frame = [&[0x28, 0xB5, 0x2F, 0xFD, 0xE0][..], &(1_u64 << 50).to_le_bytes(), &[1, 0, 0]].concat();
    let error = envelope::next_frame(&mut &frame[..]).unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
    frame.truncate(3);
    assert!(envelope::next_frame(&mut &frame[..]).is_err());
}

#[test]
fn positions_are_texts_in_order() {
    assert_eq!("12/7".parse(), Ok(at(12, 7)));
    assert_eq!(at(12, 7).to_string(), "12/7");
    assert!(at(1, 900) < at(2, 0) && at(2, 0) < at(2, 1));
    for wrong in ["", "1", "1/", "/1", "+1/1", "1/1/1", " 1/1", "99999999999999999999/1"] {
        assert!(wrong.parse::<Position>().is_err(), "{wrong:?}");
    }
}

#[test]
fn random_ids_differ() {
    let ids = Ids::random();
    assert_ne!(ids.next(), ids.next());
}

proptest! {
    #[test]
    fn decoders_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let _ = envelope::next_frame(&mut &bytes[..]);
        let zstd = [&[0x28, 0xB5, 0x2F, 0xFD][..], &bytes].concat();
        let _ = envelope::next_frame(&mut &zstd[..]);
        // Past the checksum too.
        let _ = decode(&envelope::assemble("slot", &[&bytes[..], b"\n"].concat(), &zstd));
        let head = serde_json::to_vec(&header(Kind::Data, 1)).unwrap();
        let _ = decode(&envelope::assemble("slot", &[&head[..], b"\n"].concat(), &zstd));
    }

    #[test]
    fn batches_come_back(words in proptest::collection::vec("[a-z ]{0,40}", 1..300)) {
        let lines = words.iter().map(|word| format!("{word}\n")).collect::<String>();
        let header = header(Kind::Data, words.len() as u64);
        let bytes = batch::encode(&header, lines.as_bytes(), 1).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(Slot::Data(header, lines.into_bytes())));
    }
}

/// What is one byte too long is refused before anything is written, wherever lines are taken.
#[tokio::test]
async fn a_frame_has_a_size() {
    let store = Arc::new(Scripted::default());
    let (mut owner, _) = claim(&store, 1).await;
    let line = |bytes: usize| {
        let mut line = vec![b'1'; bytes];
        *line.last_mut().expect("it is not empty") = b'\n';
        Bytes::from(line)
    };
    let longer = line(FRAME_BYTES_MAX + 1);
    let mark = commit(&mut owner.appender, 1).await;
    let (slices, receiver) = mpsc::channel(2);
    slices.try_send(Slice::Lines(longer.clone())).expect("room");
    assert!(owner.keeper.snapshot(mark, receiver).await.is_err());
    let largest = owner.appender.append(line(FRAME_BYTES_MAX), 1).await;
    assert!(matches!(largest, Outcome::Committed(_)), "{largest:?}");
    let refused = owner.appender.append(longer.clone(), 1).await;
    assert!(matches!(refused, Outcome::Refused(_)), "{refused:?}");
    // An id, a moment and two spaces stand before it, and a line break behind it.
    let record = |bytes| Record { id: Uuid::nil(), closed_ms: 0, line: longer.slice(..bytes) };
    let archive = journal(&store, 1).archive();
    let (longest, too_long) = (FRAME_BYTES_MAX - 40, FRAME_BYTES_MAX - 39);
    assert!(matches!(archive.put(1, &[record(too_long)]).await, Err(pages::Error::Invalid { page: 1, .. })));
    archive.put(1, &[record(longest)]).await.expect("it is as long as may be");
}
