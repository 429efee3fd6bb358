//! What hostile bytes cost: at no entry of `callboard::fuzz` more memory than a fixed amount and a multiple of their length.
//!
//! A binary of its own, for its allocator counts what all threads have.

use callboard::fuzz::edit::{self, Edit};
use callboard::fuzz::{ENTRIES, Entry};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner, contextualize_config};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What any entry may take, however little it is fed, in bytes.
const FIXED: usize = 4 << 20;
/// Bytes for each byte that it is fed.
const FACTOR: usize = 200;
/// A case that has not ended by then hangs.
const HANGS: Duration = Duration::from_secs(120);

/// What an entry may take whatever it is fed.
fn fixed(entry: &Entry) -> usize {
    match entry.name {
        // A frame of zstd holds 64 MiB at most, and is decoded as a whole before it is told.
        "journal.slot_sealed" | "journal.page_sealed" | "journal.snapshot_sealed" => FIXED + (160 << 20),
        // A board, now and then.
        "api.request" => 64 << 20,
        // A schema may hold expressions of 1 MiB each.
        "text.schema" => 32 << 20,
        _ => FIXED,
    }
}

/// Feeds an entry, and says what it took at its peak.
fn peak_of(entry: &Entry, bytes: &[u8]) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    (entry.feed)(bytes);
    MEMORY.peak_usage().saturating_sub(before)
}

fn config(cases: u32) -> Config {
    let rng_seed = RngSeed::Fixed(2026);
    contextualize_config(Config { cases, rng_seed, failure_persistence: None, ..Config::default() })
}

/// Large cases: depth, and parts of a sample over and over.
fn drawn() -> impl Strategy<Value = (usize, usize, Vec<Edit>, Option<(usize, bool)>)> {
    let edits = proptest::collection::vec((0..edit::KINDS, any::<u32>(), any::<u32>()), 0..8);
    let deep = proptest::option::weighted(0.2, (0..edit::kinds_of_nesting(), any::<bool>()));
    (0..64_usize, 0..64_usize, edits, deep)
}

fn faults(entry: &Entry, at_hand: &Mutex<Vec<u8>>) -> Option<String> {
    let samples = (entry.samples)();
    let done = TestRunner::new(config(64)).run(&drawn(), |(one, other, edits, deep)| {
        let bytes = match deep {
            Some((kind, closed)) => edit::nested(kind, 100_000, closed).into_bytes(),
            None => edit::edited(&samples[one % samples.len()], &samples[other % samples.len()], &edits),
        };
        at_hand.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bytes);
        let (peak, most) = (peak_of(entry, &bytes), fixed(entry) + FACTOR * bytes.len());
        prop_assert!(peak <= most, "{} bytes took {peak} bytes, and {most} is the most", bytes.len());
        Ok(())
    });
    done.err().map(|fault| format!("{}: {fault}", entry.name))
}

#[test]
fn no_bytes_take_memory_or_time_without_bound() {
    let at_hand = Arc::new(Mutex::new(Vec::new()));
    let (tell, told) = mpsc::channel();
    let feeder = std::thread::spawn({
        let at_hand = at_hand.clone();
        move || {
            let known = std::env::var("FUZZ_ENTRY").ok();
            for entry in ENTRIES.iter().filter(|entry| known.as_ref().is_none_or(|name| name == entry.name)) {
                let found = faults(entry, &at_hand);
                drop(tell.send((entry.name, found)));
            }
        }
    });
    let mut all = Vec::new();
    loop {
        match told.recv_timeout(HANGS) {
            Ok((_, found)) => all.extend(found),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let bytes = at_hand.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned();
                panic!("an entry has not ended for {HANGS:?}; at hand are {} bytes: {shown}", bytes.len());
            }
        }
    }
    assert!(feeder.join().is_ok() && all.is_empty(), "{}", all.join("\n"));
}
