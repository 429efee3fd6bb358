//! The example, killed again and again, ends with the report of a run that nobody disturbed.
//!
//! `TEST_KILLS` says how often it is killed, 10 times by default; `TEST_KILL_SEED` repeats the moments of an
//! earlier test, as far as the machine lets it.

mod corpus;
mod journal;
mod life;
mod payments;

use crate::program;
use crate::random::Random;
use callboard::Result;
use life::{Life, Moment, Review};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};
use tokio::time::Instant;

const SIGKILL: i32 = 9;
/// A life says this much before its first analysis: what it reviews and what it kept.
const PREFACE: usize = 2;

#[tokio::test]
async fn a_killed_review_ends_as_if_nothing_had_happened() -> Result<()> {
    let (kills, seed) = (number("TEST_KILLS").unwrap_or(10) as usize, seed());
    println!("{kills} kills, TEST_KILL_SEED={seed}");
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("corpus");
    corpus::write(&root)?;
    let program = program::example("code_review");
    let reference = review(&program, folder.path(), "undisturbed");
    let started = Instant::now();
    assert!(reference.live(Moment::Never)?.status.success());
    println!("undisturbed: {:?}", started.elapsed());

    let review = review(&program, folder.path(), "killed");
    let mut tally = Tally::default();
    let mut random = Random(seed);
    let mut recorded = BTreeSet::new();
    while tally.kills < kills {
        let left = corpus::FILES - recorded.len();
        let moment = moment(&mut random, left, kills - tally.kills);
        let life = review.live(moment)?;
        check_nothing_again(&life, &recorded);
        let after = journal::recorded(&review.data).await?;
        assert!(recorded.is_subset(&after), "results are gone: {:?}", recorded.difference(&after));
        assert!(life.shown() <= after.len(), "{} shown as done, {} recorded", life.shown(), after.len());
        println!("{moment:?}: {} began, {} recorded", life.analyzed().len(), after.len());
        tally.count(&life);
        recorded = after;
    }
    let last = review.live(Moment::Never)?;
    assert!(last.status.success(), "{:?}", last.said);
    check_nothing_again(&last, &recorded);
    println!("{tally:?}");
    assert!(fs::read(&reference.out)? == fs::read(&review.out)?, "the report is another");
    journal::check_history(&review.data).await
}

fn review(program: &Path, folder: &Path, name: &str) -> Review {
    let data = folder.join(name);
    Review { program: program.to_owned(), root: folder.join("corpus"), out: data.with_extension("md"), data }
}

/// A kill in three hits the start; the others spread over what is left, so that the last come when little is.
fn moment(random: &mut Random, left: usize, kills: usize) -> Moment {
    let micros = |random: &mut Random, max| Duration::from_micros(random.below(max) as u64);
    match random.below(3) {
        0 => Moment::After(micros(random, 100_000)),
        _ => {
            let analyses = random.below(3 * left / kills + 2);
            Moment::Said(random.below(PREFACE + 1) + analyses, micros(random, 5_000))
        }
    }
}

/// Asserts that a life did nothing that was recorded before it began, and knew what that was.
fn check_nothing_again(life: &Life, recorded: &BTreeSet<String>) {
    let again: Vec<&str> = life.analyzed().into_iter().filter(|file| recorded.contains(*file)).collect();
    assert!(again.is_empty(), "analyzed though recorded: {again:?}");
    if let Some(kept) = life.kept() {
        assert_eq!(kept, recorded.len(), "what is kept is what was recorded");
    }
}

/// Where the kills hit.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    at_start: usize,
    /// Lives that ended before they could be killed.
    whole: usize,
}

impl Tally {
    fn count(&mut self, life: &Life) {
        if life.status.success() {
            self.whole += 1;
            assert!(self.whole <= 5 + 5 * self.kills, "the example ends before it can be killed");
            return;
        }
        assert_eq!(life.status.signal(), Some(SIGKILL), "it ended by itself: {:?}", life.said);
        self.kills += 1;
        self.at_start += usize::from(life.analyzed().is_empty());
    }
}

fn seed() -> u64 {
    number("TEST_KILL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0))
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
