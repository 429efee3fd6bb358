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
    /// How long an attempt may take, in milliseconds, if there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<u64>,
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
    /// It waits until somebody says yes or no.
    Approval,
    /// It has an effect outside that must not be repeated blindly.
    Effect(Contract),
    /// So many recorded steps, each of which costs a call of the budget of its run.
    Spend(u32),
    /// It adds one to the document that counts.
    Count,
    /// It reads a document under a lock, takes its time, and writes down what it has read.
    Lock,
}

/// What is promised of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contract {
    /// Whoever is asked for it does nothing twice under one key.
    Keyed,
    /// It is asked for once: where nobody knows what came of it, a person has to say so.
    Irreversible,
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

/// The kinds of what a task does, as they stand in plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`What::Plain`].
    Plain,
    /// [`What::Steps`]: three.
    Steps,
    /// [`What::Children`]: two.
    Children,
    /// [`What::Sleep`].
    Sleep,
    /// [`What::Signal`].
    Signal,
    /// [`What::Approval`].
    Approval,
    /// [`What::Effect`], [keyed](Contract::Keyed).
    Keyed,
    /// [`What::Effect`], [irreversible](Contract::Irreversible).
    Irreversible,
    /// [`What::Spend`]: two.
    Spend,
    /// [`What::Count`].
    Count,
    /// [`What::Lock`].
    Lock,
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

/// How long an attempt may take that is going to hang, in milliseconds.
const HANGS_MS: u64 = 2_000;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Plain,
        Self::Steps,
        Self::Children,
        Self::Sleep,
        Self::Signal,
        Self::Approval,
        Self::Keyed,
        Self::Irreversible,
        Self::Spend,
        Self::Count,
        Self::Lock,
    ];

    /// How often it is drawn; of all of them together a hundred times.
    const fn share(self) -> u64 {
        match self {
            Self::Plain | Self::Steps => 18,
            Self::Children | Self::Count => 10,
            Self::Sleep | Self::Signal | Self::Keyed => 8,
            Self::Approval | Self::Irreversible => 5,
            Self::Spend => 4,
            Self::Lock => 6,
        }
    }

    const fn what(self) -> What {
        match self {
            Self::Plain => What::Plain,
            Self::Steps => What::Steps(3),
            Self::Children => What::Children(2),
            Self::Sleep => What::Sleep,
            Self::Signal => What::Signal,
            Self::Approval => What::Approval,
            Self::Keyed => What::Effect(Contract::Keyed),
            Self::Irreversible => What::Effect(Contract::Irreversible),
            Self::Spend => What::Spend(2),
            Self::Count => What::Count,
            Self::Lock => What::Lock,
        }
    }

    /// One of those that are wanted.
    fn draw(among: &[Self], random: &mut Random) -> Self {
        let mut drawn = random.below(among.iter().map(|kind| kind.share()).sum());
        let mut last = Self::Plain;
        for kind in among {
            last = *kind;
            if drawn < kind.share() {
                break;
            }
            drawn -= kind.share();
        }
        last
    }
}

/// From what the tasks of a run are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odds<'a> {
    /// Tasks of a run at most.
    pub(crate) tasks_max: u64,
    pub(crate) kinds: &'a [Kind],
    /// How long each part of a task takes at least, in milliseconds.
    pub(crate) part_ms_min: u64,
    /// How long each part of a task takes at most, in milliseconds.
    pub(crate) part_ms_max: u64,
    /// How long an attempt may take, in milliseconds, if there is a limit.
    pub(crate) limit_ms: Option<u64>,
    /// In how many of a hundred tasks what goes wrong.
    pub(crate) fails: u32,
    pub(crate) crashes: u32,
    pub(crate) hangs: u32,
}

/// How many calls a run may spend, one that spends any: whoever submits it adds one at a time.
pub(crate) const BUDGET_CALLS: u64 = 2;
/// How the names begin of steps that cost a call.
pub(crate) const SPEND: &str = "spend ";
/// How the names of the runs of a flood begin.
pub(crate) const FLOOD: &str = "flood-";
/// What the only task of such a run is called.
pub(crate) const FLOOD_TASK: &str = "t0";

/// Whether this is a run of a flood that goes before the others: one of five is.
pub(crate) fn is_urgent(run: &str) -> bool {
    let number = run.strip_prefix(FLOOD).and_then(|number| number.parse::<usize>().ok());
    number.is_some_and(|number| number.is_multiple_of(5))
}

impl Work {
    /// The run of this number in a flood: one task, submitted once.
    pub(crate) fn of_flood(n: usize, ms: u64) -> Self {
        let deed = Deed {
            name: FLOOD_TASK.to_owned(),
            needs: Vec::new(),
            what: What::Plain,
            ms,
            trouble: None,
            limit_ms: None,
        };
        Self { name: format!("{FLOOD}{n}"), tasks: vec![deed], submit: Submit::Once, cancel_after_ms: None }
    }

    /// Whether it has a budget.
    #[must_use]
    pub fn spends(&self) -> bool {
        self.tasks.iter().any(|deed| matches!(deed.what, What::Spend(_)))
    }

    /// Draws one.
    pub(crate) fn draw(name: String, odds: Odds<'_>, random: &mut Random) -> Self {
        let count = random.between(1, odds.tasks_max.max(1)) as usize;
        let shape = [Shape::Chain, Shape::Diamond, Shape::Apart, Shape::Any][random.below(4) as usize];
        let tasks = (0..count).map(|n| Deed::draw(n, count, shape, odds, random)).collect();
        Self { name, tasks, submit: Submit::UntilAcknowledged, cancel_after_ms: None }
    }
}

impl Deed {
    fn draw(n: usize, count: usize, shape: Shape, odds: Odds<'_>, random: &mut Random) -> Self {
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
        let what = Kind::draw(odds.kinds, random).what();
        let trouble = match random.below(100) as u32 {
            drawn if drawn < odds.fails => Some(Trouble::Fails(random.between(1, 2) as u32)),
            drawn if drawn < odds.fails + odds.crashes => Some(Trouble::Crashes),
            drawn if drawn < odds.fails + odds.crashes + odds.hangs => Some(Trouble::Hangs),
            _ => None,
        };
        // What hangs has a time limit, and what waits for others has none.
        let may_hang = matches!(what, What::Plain | What::Steps(_));
        let what = if trouble == Some(Trouble::Hangs) && !may_hang { What::Plain } else { what };
        let limit_ms = if trouble == Some(Trouble::Hangs) { Some(HANGS_MS) } else { odds.limit_ms };
        let ms = random.between(odds.part_ms_min, odds.part_ms_max);
        Self { name: format!("t{n}"), needs, what, ms, trouble, limit_ms }
    }
}
