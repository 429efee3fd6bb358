//! The checker that takes the numbers of the versions for the order.

use crate::chain::Chain;
use crate::op::{Content, Op, Outcome, What};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// The order of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The newest version that somebody has seen.
    pub newest: u64,
    /// How many of the writes of which it was not known whether they were written were.
    pub landed: usize,
}

/// Why a history has no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong, in words.
    pub what: String,
    /// The operations that contradict each other.
    pub ops: Vec<Op>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.ops.iter().enumerate().try_for_each(|(n, op)| write!(f, "{}{op}", if n == 0 { ": " } else { " | " }))
    }
}

/// Puts a document's history into the order of its versions.
///
/// - Each version says one thing, which somebody wrote; several writes may share it, one resting on the other.
/// - An update rests on what the version before says, or a write of its own version; so does a write that expects a version.
/// - What was written is in its version and in no other; what was refused is in none; what is unknown is in one at most, which
///   is the one that says what it has made.
/// - Nobody sees a version that is older than one that somebody else had seen or written before the call, and no write that
///   is called by then is in such a version or before it.
/// - Who sees no document, and who is refused because of another version, has a version that is so, likewise.
///
/// # Errors
///
/// What is wrong, with the operations that show it.
pub fn known_order(history: &[Op]) -> Result<Order, Violation> {
    let mut chain = Chain::of(history)?;
    chain.trace()?;
    chain.made_by_somebody()?;
    Line::of(&chain).walk()?;
    let landed = (0..history.len()).filter(|n| history[*n].outcome == Outcome::Unknown && chain.places[*n].is_some());
    Ok(Order { newest: chain.newest(), landed: landed.count() })
}

/// What was known when.
struct Line<'a> {
    chain: &'a Chain<'a>,
    /// The versions that say something.
    saying: HashMap<Content, BTreeSet<u64>>,
}

/// The newest version of which somebody was told, and who was.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    version: u64,
    by: Option<usize>,
}

impl<'a> Line<'a> {
    fn of(chain: &'a Chain<'a>) -> Self {
        let mut saying: HashMap<_, BTreeSet<_>> = HashMap::new();
        for version in 0..=chain.newest() {
            if let Some((content, _)) = chain.content(version) {
                saying.entry(content).or_default().insert(version);
            }
        }
        Self { chain, saying }
    }

    fn walk(&self) -> Result<(), Violation> {
        let ops = self.chain.ops;
        let called = ops.iter().enumerate().map(|(n, op)| (op.called, false, n));
        let over = ops.iter().enumerate().map(|(n, op)| (op.over(), true, n)).filter(|(over, ..)| *over < u64::MAX);
        let mut moments: Vec<_> = called.chain(over).collect();
        moments.sort_unstable();
        let (mut now, mut floors) = (Floor::default(), vec![Floor::default(); ops.len()]);
        for (_, is_over, n) in moments {
            if !is_over {
                match ops[n].what {
                    What::Cas { version, .. } if version > now.version => now = Floor { version, by: Some(n) },
                    _ => {}
                }
                floors[n] = now;
                let place = self.chain.places[n].filter(|_| ops[n].is_write());
                if let Some(place) = place.filter(|place| *place <= now.version) {
                    let what = format!("version {place} was written when version {} was known", now.version);
                    return Err(self.violation(what, now.by, n));
                }
                continue;
            }
            let Some(version) = self.chain.places[n].map_or_else(|| self.place(n, floors[n]), |at| Ok(Some(at)))?
            else {
                continue;
            };
            if version < floors[n].version {
                let what = format!("version {version} was read when version {} was known", floors[n].version);
                return Err(self.violation(what, floors[n].by, n));
            }
            if version > now.version {
                now = Floor { version, by: Some(n) };
            }
        }
        Ok(())
    }

    /// The first version in which an operation that was told no number may have seen what it has seen; `None` if that may
    /// be one of which nobody knows.
    fn place(&self, n: usize, floor: Floor) -> Result<Option<u64>, Violation> {
        let op = &self.chain.ops[n];
        let least = floor.version;
        match (&op.outcome, &op.what) {
            (Outcome::Read { content, .. }, _) => {
                let said = self.saying.get(content).and_then(|versions| versions.range(least..).next()).copied();
                let deleted = || self.chain.perhaps_deleted(least, op.over());
                let found = said.into_iter().chain(content.is_none().then(deleted).flatten()).min();
                match found {
                    // It may be in a version of which nobody was told anything.
                    None if self.chain.is_loose(*content) && !self.saying.contains_key(content) => Ok(None),
                    None => Err(self.violation(format!("this was read when version {least} was known"), floor.by, n)),
                    found => Ok(found),
                }
            }
            (Outcome::Conflict, What::Cas { version, .. }) => {
                let is_other = |at: &u64| match version {
                    0 => self.chain.content(*at).is_none_or(|(content, _)| content.is_some()),
                    version => at != version,
                };
                let found = (least..=self.chain.newest()).find(is_other);
                if found.is_none() && !self.chain.is_perhaps_followed(op.over()) {
                    let what = format!("this was refused when version {least} was the newest");
                    return Err(self.violation(what, floor.by, n));
                }
                Ok(found)
            }
            _ => Ok(None),
        }
    }

    fn violation(&self, what: impl Into<String>, by: Option<usize>, n: usize) -> Violation {
        self.chain.violation(what, by.into_iter().chain([n]))
    }
}
