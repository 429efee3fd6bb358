//! Plays histories, each from a seed, and says what must not be.

use callboard_simulator::hands::SLIPS;
use callboard_simulator::plan::Trouble;
use callboard_simulator::{Report, play};
use clap::Parser;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// Plays whole clusters in simulated time, each from a seed, and says what must not be.
#[derive(Parser)]
#[command(name = "simulate")]
struct Wishes {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Print everything that happens.
    #[arg(long = "show")]
    is_shown: bool,
    /// How much of what the nodes log is printed with it.
    #[arg(long, default_value = "info")]
    level: LevelFilter,
    /// Play each seed twice and compare the histories.
    #[arg(long = "twice")]
    is_twice: bool,
    /// Break this promise on purpose, and stop at the first seed that shows it; in a build with the feature `sabotage`.
    #[arg(long)]
    sabotage: Option<String>,
}

impl Wishes {
    /// The seed that is played at this place, from 0.
    fn seed(&self, place: u64) -> Option<u64> {
        let is_whole = self.seeds >= ENOUGH && self.sabotage.is_none();
        let found = usize::try_from(place.checked_sub(self.seeds).filter(|_| is_whole).unwrap_or(u64::MAX));
        if place < self.seeds { Some(self.from + place) } else { FOUND.get(found.ok()?).copied() }
    }
}

/// What all histories were like.
#[derive(Default)]
struct Sum {
    histories: u64,
    lives: usize,
    runs: usize,
    bodies: u64,
    /// Approvals that were answered, and those of them that were before they were seen to be open.
    answers: (u64, u64),
    faults: BTreeMap<String, u64>,
    simulated_secs: f64,
    troubles: BTreeMap<String, usize>,
    failed: BTreeMap<u64, Vec<String>>,
}

impl Sum {
    fn add(&mut self, seed: u64, report: Report) {
        self.histories += 1;
        self.lives += report.lives;
        self.runs += report.runs;
        self.bodies += report.bodies;
        self.answers = (self.answers.0 + report.answers.0, self.answers.1 + report.answers.1);
        for (fault, times) in report.faults {
            *self.faults.entry(fault).or_default() += times;
        }
        self.simulated_secs += report.simulated.as_secs_f64();
        for (trouble, times) in report.troubles {
            *self.troubles.entry(format!("{trouble:?}")).or_default() += times;
        }
        if !report.breaches.is_empty() {
            self.failed.insert(seed, report.breaches);
        }
    }
}

/// So many histories must have met everything that can go wrong.
const ENOUGH: u64 = 1_000;
/// So many breaches of a history are printed.
const SHOWN: usize = 8;
/// Seeds that have shown a fault, as far as they still draw the same: played with every thousand.
const FOUND: [u64; 1] = [5_857];
/// What the ports can do wrong, but for mere delays, which every request has by chance, and wipes, which are troubles.
const FAULTS: [&str; 22] = [
    "store Refuse",
    "store DiskFull",
    "store LoseRequest",
    "store LoseAnswer",
    "store Late",
    "store Twice",
    "store Hang",
    "store Exists",
    "bus Refuse",
    "bus LoseRequest",
    "bus LoseAnswer",
    "bus Late",
    "bus Forget",
    "bus Duplicate",
    "bus Reorder",
    "bus Cut",
    "directory Refuse",
    "directory LoseRequest",
    "directory LoseAnswer",
    "directory Late",
    "directory Forget",
    "directory Cut",
];

impl Sum {
    /// What never went wrong: a simulation that does not meet it says nothing about it.
    fn missed(&self) -> Vec<String> {
        let faults = FAULTS.into_iter().map(str::to_owned).filter(|fault| !self.faults.contains_key(fault));
        let troubles = Trouble::ALL.into_iter().map(|trouble| format!("{trouble:?}"));
        let answers = [("answers", self.answers.0), ("answers ahead", self.answers.1)];
        let answers = answers.into_iter().filter(|(_, times)| *times == 0).map(|(name, _)| name.to_owned());
        faults.chain(troubles.filter(|trouble| !self.troubles.contains_key(trouble))).chain(answers).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "it tells how long the histories took")]
fn main() -> ExitCode {
    let wishes = Wishes::parse();
    if wishes.is_shown {
        let lines = tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false);
        let ours = Targets::new().with_target("callboard", wishes.level);
        lines.with_max_level(wishes.level).finish().with(ours).init();
    }
    if let Some(name) = wishes.sabotage.as_ref().filter(|name| !sabotage(name)) {
        eprintln!("this build has no sabotage {name:?}: `make sabotage` has them, callboard_core::sabotage lists them");
        return ExitCode::from(2);
    }
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&SLIPS) {
            hook(panic);
        }
    }));
    let began = Instant::now();
    let sum = play_all(&wishes);
    for (seed, breaches) in &sum.failed {
        println!("seed {seed}:");
        let distinct: BTreeSet<&String> = breaches.iter().collect();
        distinct.iter().take(SHOWN).for_each(|breach| println!("  {breach}"));
        if distinct.len() > SHOWN {
            println!("  and {} others", distinct.len() - SHOWN);
        }
        println!("  again, with everything that happens: make simulate FROM={seed} SHOW=1");
    }
    let faults: u64 = sum.faults.values().sum();
    println!(
        "{} histories from seed {} in {:.0?}: {:.1} simulated hours, {} lives of processes, {} runs, {} bodies of steps and \
         effects, {} answers to approvals and {} ahead of them, {faults} faults of ports; {} with breaches",
        sum.histories,
        wishes.from,
        began.elapsed(),
        sum.simulated_secs / 3_600.0,
        sum.lives,
        sum.runs,
        sum.bodies,
        sum.answers.0,
        sum.answers.1,
        sum.failed.len(),
    );
    println!("troubles: {:?}", sum.troubles);
    println!("faults: {:?}", sum.faults);
    let missed = if wishes.seeds < ENOUGH || wishes.sabotage.is_some() { Vec::new() } else { sum.missed() };
    missed.iter().for_each(|point| println!("never hit: {point}"));
    ExitCode::from(u8::from(!sum.failed.is_empty() || !missed.is_empty()))
}

/// Plays all that was wished for, on all cores unless it is shown.
fn play_all(wishes: &Wishes) -> Sum {
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(if wishes.is_shown { 1 } else { 64 });
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                if let Some(name) = &wishes.sabotage {
                    sabotage(name);
                }
                work(wishes, &next, &sum);
            });
        }
    });
    sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn work(wishes: &Wishes, next: &AtomicU64, sum: &Mutex<Sum>) {
    loop {
        let Some(seed) = wishes.seed(next.fetch_add(1, Ordering::SeqCst)) else { return };
        let played = std::panic::catch_unwind(|| {
            let mut report = play(seed, wishes.is_shown);
            if wishes.is_twice {
                let again = play(seed, false);
                if again.hash != report.hash {
                    report.breaches.push(format!(
                        "it was another history the second time: {} lines, then {}",
                        report.lines, again.lines
                    ));
                }
            }
            report
        });
        let Ok(mut sum) = sum.lock() else { return };
        match played {
            Ok(report) => {
                let is_found = wishes.sabotage.is_some() && !report.breaches.is_empty();
                sum.add(seed, report);
                if is_found {
                    next.store(u64::MAX / 2, Ordering::SeqCst);
                }
            }
            Err(panic) => {
                let what = panic.downcast_ref::<String>().cloned();
                let what = what.or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
                sum.failed.insert(seed, vec![format!("it panicked: {}", what.unwrap_or_default())]);
            }
        }
    }
}

/// Breaks a promise on this thread. False if there is no such sabotage.
#[cfg(feature = "sabotage")]
fn sabotage(name: &str) -> bool {
    use callboard_core::sabotage::{Sabotage, set};
    let found = Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name);
    set(found);
    found.is_some()
}

#[cfg(not(feature = "sabotage"))]
fn sabotage(_name: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few here; as many as `TEST_HISTORIES` says for who counts which lines they reach.
    #[test]
    fn histories_keep_every_promise() {
        let seeds = std::env::var("TEST_HISTORIES").map_or(2, |seeds| seeds.parse().expect("a number of histories"));
        let level = LevelFilter::OFF;
        let sum = play_all(&Wishes { from: 1, seeds, is_shown: false, level, is_twice: false, sabotage: None });
        assert!(sum.failed.is_empty(), "{:?}", sum.failed);
        assert!(sum.histories >= seeds && sum.runs > 0);
    }
}
