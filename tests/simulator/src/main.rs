//! Plays histories, each from a seed, and says what must not be.

use callboard_simulator::{Report, play};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const USAGE: &str = "usage: simulate [--from SEED] [--seeds COUNT] [--show] [--twice] [--sabotage NAME]

  --from SEED       the first seed; 1 by default
  --seeds COUNT     how many; 1 by default
  --show            print everything that happens (one seed)
  --twice           play each seed twice and compare the histories
  --sabotage NAME   break a promise on purpose, stop at the first seed that shows it (a build with the feature `sabotage`)";

struct Wishes {
    from: u64,
    seeds: u64,
    is_shown: bool,
    is_twice: bool,
    sabotage: Option<String>,
}

fn wishes() -> Option<Wishes> {
    let mut wishes = Wishes { from: 1, seeds: 1, is_shown: false, is_twice: false, sabotage: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--from" => wishes.from = words.next()?.parse().ok()?,
            "--seeds" => wishes.seeds = words.next()?.parse().ok()?,
            "--show" => wishes.is_shown = true,
            "--twice" => wishes.is_twice = true,
            "--sabotage" => wishes.sabotage = Some(words.next()?),
            _ => return None,
        }
    }
    Some(wishes)
}

/// What all histories were like.
#[derive(Default)]
struct Sum {
    histories: u64,
    lives: usize,
    runs: usize,
    bodies: u64,
    faults: u64,
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
        self.faults += report.faults;
        self.simulated_secs += report.simulated.as_secs_f64();
        for (trouble, times) in report.troubles {
            *self.troubles.entry(format!("{trouble:?}")).or_default() += times;
        }
        if !report.breaches.is_empty() {
            self.failed.insert(seed, report.breaches);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it tells how long the histories took")]
fn main() -> ExitCode {
    let Some(wishes) = wishes() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if wishes.is_shown {
        tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false).init();
    }
    if wishes.sabotage.as_ref().is_some_and(|name| !sabotage(name)) {
        eprintln!("there is no sabotage of that name in this build");
        return ExitCode::from(2);
    }
    let began = Instant::now();
    let (next, sum) = (AtomicU64::new(wishes.from), Mutex::new(Sum::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(if wishes.is_shown { 1 } else { 64 });
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                if let Some(name) = &wishes.sabotage {
                    sabotage(name);
                }
                work(&wishes, &next, &sum);
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (seed, breaches) in &sum.failed {
        println!("seed {seed}:");
        breaches.iter().for_each(|breach| println!("  {breach}"));
        println!("  again, with everything that happens: make simulate FROM={seed} SHOW=1");
    }
    println!(
        "{} histories from seed {} in {:.0?}: {:.1} simulated hours, {} lives of processes, {} runs, {} bodies of steps and \
         effects, {} faults of ports, {:?}; {} with breaches",
        sum.histories,
        wishes.from,
        began.elapsed(),
        sum.simulated_secs / 3_600.0,
        sum.lives,
        sum.runs,
        sum.bodies,
        sum.faults,
        sum.troubles,
        sum.failed.len(),
    );
    ExitCode::from(u8::from(!sum.failed.is_empty()))
}

fn work(wishes: &Wishes, next: &AtomicU64, sum: &Mutex<Sum>) {
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= wishes.from + wishes.seeds {
            return;
        }
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
