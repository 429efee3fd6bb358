//! One entry of `callboard::fuzz`, fed by libFuzzer. `FUZZ_ENTRY` names it; with `FUZZ_SAMPLES` its samples are written to
//! that folder, and nothing else is done.

#![no_main]

use callboard::fuzz::{ENTRIES, Entry, entry_of};
use libfuzzer_sys::{Corpus, fuzz_target};
use std::path::Path;
use std::sync::OnceLock;

static ENTRY: OnceLock<&'static Entry> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_ENTRY").unwrap_or_default();
        if name == "?" {
            ENTRIES.iter().for_each(|entry| println!("{}", entry.name));
            std::process::exit(0);
        }
        let Some(entry) = entry_of(&name) else {
            eprintln!("FUZZ_ENTRY={name:?} is no entry");
            std::process::exit(2);
        };
        if let Some(folder) = std::env::var_os("FUZZ_SAMPLES") {
            for (n, sample) in (entry.samples)().into_iter().enumerate() {
                if let Err(error) = std::fs::write(Path::new(&folder).join(format!("sample-{n}")), sample) {
                    eprintln!("{error}");
                    std::process::exit(2);
                }
            }
            std::process::exit(0);
        }
        let _first = ENTRY.set(entry);
    },
    |bytes: &[u8]| -> Corpus {
        if let Some(entry) = ENTRY.get() {
            (entry.feed)(bytes);
        }
        Corpus::Keep
    }
);
