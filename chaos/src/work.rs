//! What a run has to do, drawn from a seed.

use crate::random::Random;
use serde::{Deserialize, Serialize};

/// A run: a graph of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Its name, which is its key, too.
    pub name: String,
    /// Its tasks; each needs such as stand before it.
    pub tasks: Vec<Deed>,
    /// Whether it is submitted until it is acknowledged, or once.
    pub submit: Submit,
    /// How long after its acknowledgement it is cancelled, in milliseconds, if it is.
    pub cancel_after_ms: Option<u64>,
}

/// How often a run is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Submit {
    /// Once: what comes of it is what the first answer says.
    Once,
    /// Under its key until it is acknowledged.
    UntilAcknowledged,
}

/// A task of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Its name, unique in its run.
    pub name: String,
    /// The places of the tasks whose outputs it needs.
    pub needs: Vec<usize>,
    /// What it does.
    pub what: What,
    /// How long each part of that takes, in milliseconds.
    pub ms: u64,
    /// What goes wrong in its first attempts.
    pub trouble: Option<Trouble>,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Something that takes its time.
    Plain,
    /// So many recorded steps, each of which writes to the ledger.
    Steps(u32),
    /// So many children, whose outputs it awaits.
    Children(u32),
    /// It sleeps durably.
    Sleep,
    /// It waits for a signal that is named like the task.
    Signal,
    /// It adds one to the document that counts.
    Count,
    /// It reads a document under a lock, takes its time, and writes down what it has read.
    Lock,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// So many attempts fail.
    Fails(u32),
    /// The first attempt panics.
    Crashes,
    /// The first attempt never ends by itself.
    Hangs,
}

/// How a graph is built.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Each needs the one before.
    Chain,
    /// All but the first need the first, and the last needs all others.
    Diamond,
    /// None needs another.
    Apart,
    /// Each needs up to three of those before it.
    Any,
}

/// How often what is drawn, all of it being a hundred.
const WHATS: [(u64, What); 7] = [
    (25, What::Plain),
    (25, What::Steps(3)),
    (15, What::Children(2)),
    (10, What::Sleep),
    (10, What::Signal),
    (10, What::Count),
    (5, What::Lock),
];

/// In how many of a hundred tasks what goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odds {
    pub(crate) fails: u32,
    pub(crate) crashes: u32,
    pub(crate) hangs: u32,
}

impl Work {
    /// Draws one of up to `tasks_max` tasks.
    pub(crate) fn draw(name: String, tasks_max: u64, odds: Odds, random: &mut Random) -> Self {
        let count = random.between(1, tasks_max.max(1)) as usize;
        let shape = [Shape::Chain, Shape::Diamond, Shape::Apart, Shape::Any][random.below(4) as usize];
        let tasks = (0..count).map(|n| Deed::draw(n, count, shape, odds, random)).collect();
        Self { name, tasks, submit: Submit::UntilAcknowledged, cancel_after_ms: None }
    }
}

impl Deed {
    fn draw(n: usize, count: usize, shape: Shape, odds: Odds, random: &mut Random) -> Self {
        let mut needs: Vec<usize> = match shape {
            Shape::Chain => n.checked_sub(1).into_iter().collect(),
            Shape::Apart => Vec::new(),
            Shape::Diamond if n == 0 => Vec::new(),
            Shape::Diamond if n + 1 == count && count > 2 => (1..n).collect(),
            Shape::Diamond => vec![0],
            Shape::Any if n == 0 => Vec::new(),
            Shape::Any => (0..random.below(4)).map(|_| random.below(n as u64) as usize).collect(),
        };
        needs.sort_unstable();
        needs.dedup();
        let (mut drawn, mut what) = (random.below(100), What::Plain);
        for (share, of) in WHATS {
            what = of;
            if drawn < share {
                break;
            }
            drawn -= share;
        }
        let trouble = match random.below(100) as u32 {
            drawn if drawn < odds.fails => Some(Trouble::Fails(random.between(1, 2) as u32)),
            drawn if drawn < odds.fails + odds.crashes => Some(Trouble::Crashes),
            drawn if drawn < odds.fails + odds.crashes + odds.hangs => Some(Trouble::Hangs),
            _ => None,
        };
        // What hangs has a time limit, and what waits for others has none.
        let may_hang = matches!(what, What::Plain | What::Steps(_));
        let what = if trouble == Some(Trouble::Hangs) && !may_hang { What::Plain } else { what };
        Self { name: format!("t{n}"), needs, what, ms: random.between(5, 150), trouble }
    }
}
