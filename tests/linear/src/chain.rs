//! What the versions of a document say, and who has made them.

use crate::known_order::Violation;
use crate::op::{Content, Op, Outcome, Said, Try, What};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The versions of a document, as its history shows them.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    pub(crate) ops: &'a [Op],
    /// In which version each operation was, as far as that is known.
    pub(crate) places: Vec<Option<u64>>,
    /// By what it says, the write that makes it.
    makers: HashMap<u64, usize>,
    versions: BTreeMap<u64, Version>,
    /// The first version that is known to say something.
    first: HashMap<u64, u64>,
    has_touches: bool,
    /// The writes of which it was not known whether they were written.
    unknown: Vec<usize>,
    /// The versions that somebody has made.
    made: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Version {
    /// What it says, and who was told.
    says: Option<(Content, usize)>,
    /// Those that were told that they are in it.
    writes: BTreeSet<usize>,
}

const REFUSED: &str = "this was refused, and is there";

/// What a version rests on, and what shows that.
type Base = Option<(Content, usize)>;

impl<'a> Chain<'a> {
    pub(crate) fn of(ops: &'a [Op]) -> Result<Self, Violation> {
        let mut chain = Self {
            ops,
            places: vec![None; ops.len()],
            makers: HashMap::new(),
            versions: BTreeMap::new(),
            first: HashMap::new(),
            has_touches: ops.iter().any(|op| op.what == What::Touch),
            unknown: Vec::new(),
            made: BTreeSet::new(),
        };
        for (n, op) in ops.iter().enumerate() {
            for made in op.tries().into_iter().filter_map(|made| made.makes) {
                if let Some(other) = chain.makers.insert(made, n).filter(|other| *other != n) {
                    return Err(chain.violation(format!("both make {made}"), [other, n]));
                }
            }
        }
        for (n, op) in ops.iter().enumerate() {
            match op.outcome {
                Outcome::Read { version: Some(version), content } => {
                    chain.places[n] = Some(version);
                    chain.say(version, content, n)?;
                }
                Outcome::Written { version, content } => {
                    if version == 0 {
                        return Err(chain.violation("there is no version 0 to write", [n]));
                    }
                    chain.places[n] = Some(version);
                    chain.made.insert(version);
                    chain.versions.entry(version).or_default().writes.insert(n);
                    if let Some(content) = content {
                        chain.say(version, content, n)?;
                    }
                }
                Outcome::Unknown if !op.tries().is_empty() => chain.unknown.push(n),
                _ => {}
            }
        }
        // Who expects a version was told what it says.
        for (n, op) in ops.iter().enumerate() {
            if let What::Cas { version: version @ 1.., saw, .. } = op.what {
                chain.say(version, saw, n)?;
            }
        }
        // Who was told no number has seen the version that holds what it has seen.
        for (n, op) in ops.iter().enumerate() {
            let Outcome::Read { version: None, content: Some(content) } = op.outcome else { continue };
            let Some(maker) = chain.makers.get(&content).copied() else {
                return Err(chain.violation(format!("nobody has written {content}"), [n]));
            };
            match (&ops[maker].outcome, chain.places[maker]) {
                (Outcome::Refused | Outcome::Conflict, _) => return Err(chain.violation(REFUSED, [maker, n])),
                (_, Some(version)) => chain.say(version, Some(content), n)?,
                _ => {}
            }
        }
        Ok(chain)
    }

    pub(crate) fn newest(&self) -> u64 {
        self.versions.last_key_value().map_or(0, |(newest, _)| *newest)
    }

    /// What a version says, if that is known, and who was told.
    pub(crate) fn content(&self, version: u64) -> Option<(Content, Option<usize>)> {
        if version == 0 {
            return Some((None, None));
        }
        let Version { says, writes } = self.versions.get(&version)?;
        if let Some((content, by)) = says {
            return Some((*content, Some(*by)));
        }
        // Nobody was told what it says, and one wrote it.
        let only = writes.first().filter(|_| writes.len() == 1)?;
        match self.ops[*only].tries().as_slice() {
            [made] => Some((made.makes, Some(*only))),
            _ => None,
        }
    }

    pub(crate) fn violation(&self, what: impl Into<String>, ops: impl IntoIterator<Item = usize>) -> Violation {
        let mut ops: Vec<usize> = ops.into_iter().collect();
        ops.dedup();
        Violation { what: what.into(), ops: ops.into_iter().map(|n| self.ops[n].clone()).collect() }
    }

    fn say(&mut self, version: u64, content: Content, by: usize) -> Result<(), Violation> {
        if version == 0 && content.is_some() {
            return Err(
                self.violation(format!("there is nothing before version 1, and this saw {}", Said(&content)), [by])
            );
        }
        let says = &mut self.versions.entry(version).or_default().says;
        let (known, witness) = *says.get_or_insert((content, by));
        if known != content {
            let what = format!("version {version} says {} and {}", Said(&known), Said(&content));
            return Err(self.violation(what, [witness, by]));
        }
        if let Some(content) = content {
            self.first.entry(content).and_modify(|first| *first = version.min(*first)).or_insert(version);
        }
        Ok(())
    }

    /// Follows what the versions say from write to write, from the newest to the first.
    pub(crate) fn trace(&mut self) -> Result<(), Violation> {
        for version in (1..=self.newest()).rev() {
            if let Some((content, by)) = self.trace_one(version)? {
                self.say(version - 1, content, by)?;
            }
        }
        Ok(())
    }

    /// Follows one version down to what it rests on, if that shows.
    fn trace_one(&mut self, version: u64) -> Result<Base, Violation> {
        let mut left = self.versions.get(&version).map(|version| version.writes.clone()).unwrap_or_default();
        let Some((mut now, Some(mut by))) = self.content(version) else {
            return self.rest(version, &left, HashMap::new());
        };
        let mut followed = HashMap::new();
        loop {
            let is_top = followed.is_empty();
            let Some(maker) = self.maker(version, now, by, is_top, &left)? else {
                if let Some(lost) = left.first() {
                    let what = format!("what was written in version {version} is not in it");
                    return Err(self.violation(what, [*lost, by]));
                }
                if is_top && !self.has_touches {
                    let maker = now.and_then(|now| self.makers.get(&now).copied());
                    let what = format!("version {version} says again what was said before");
                    return Err(self.violation(what, maker.into_iter().chain([by])));
                }
                self.made.insert(version);
                return Ok(Some((now, by)));
            };
            left.remove(&maker);
            self.places[maker] = Some(version);
            self.made.insert(version);
            match &self.ops[maker].what {
                What::Cas { version: expected, saw, .. } => {
                    if let Some(other) = left.first() {
                        let what = format!("both are in version {version}, and one expects version {expected}");
                        return Err(self.violation(what, [*other, maker]));
                    }
                    self.expects(version, *expected, maker)?;
                    return Ok(Some((*saw, maker)));
                }
                What::Update(_) => {
                    let made = now.and_then(|now| self.tried(maker, now));
                    (now, by) = (made.and_then(|made| made.saw), maker);
                    followed.insert(now, maker);
                }
                _ => return self.rest(version, &left, followed),
            }
        }
    }

    fn expects(&self, version: u64, expected: u64, n: usize) -> Result<(), Violation> {
        if expected + 1 == version || expected == 0 {
            return Ok(()); // whether there was nothing is seen by who follows what it rests on
        }
        let what = format!("this expects version {expected} and is in version {version}");
        Err(self.violation(what, [n]))
    }

    /// The write that has made what a version says, or what one of its writes rests on; `None` if it is the version before
    /// that says so.
    fn maker(
        &self,
        version: u64,
        now: Content,
        by: usize,
        is_top: bool,
        left: &BTreeSet<usize>,
    ) -> Result<Option<usize>, Violation> {
        let Some(said) = now else { return Ok(self.deleter(version, is_top, left)) };
        let Some(maker) = self.makers.get(&said).copied() else {
            return Err(self.violation(format!("nobody has written {said}"), [by]));
        };
        let op = &self.ops[maker];
        if matches!(op.outcome, Outcome::Refused | Outcome::Conflict) {
            return Err(self.violation(REFUSED, [maker, by]));
        }
        let is_before = self.first.get(&said).is_some_and(|first| *first < version);
        match self.places[maker] {
            Some(place) if place == version && left.contains(&maker) => Ok(Some(maker)),
            Some(place) if place == version && !is_before => {
                Err(self.violation(format!("what is in version {version} rests on itself"), [maker, by]))
            }
            Some(place) if place > version => {
                let what = format!("what is in version {place} was there before, too");
                Err(self.violation(what, [maker, by]))
            }
            Some(_) => Ok(None),
            None => {
                let is_below = is_before || (!is_top && self.is_below(version, said));
                Ok((!is_below).then_some(maker))
            }
        }
    }

    /// Whether the version before says this, of which it is not known whether it was written: it does if that version lacks a
    /// writer and is not before what this rests on, and if what this expects says so.
    fn is_below(&self, version: u64, said: u64) -> bool {
        let (below, (least, is_exact)) = (version - 1, self.least(said));
        let is_gap = below > 0 && self.content(below).is_none() && !self.made.contains(&below);
        least <= below && (is_gap || is_exact)
    }

    /// The first version that can say this, by what it rests on, and whether it is the only one.
    fn least(&self, said: u64) -> (u64, bool) {
        let mut now = said;
        // As many steps as there are writes at most: what rests on itself is found by who follows it.
        for _ in 0..self.ops.len() {
            let Some(maker) = self.makers.get(&now).copied() else { break };
            let saw = match (self.places[maker], &self.ops[maker].what) {
                (Some(place), _) => return (place, now == said),
                (None, What::Cas { version: expected @ 1.., .. }) => return (expected + 1, now == said),
                (None, What::Update(_)) => self.tried(maker, now),
                (None, _) => None,
            };
            let Some(saw) = saw.and_then(|made| made.saw) else { break };
            if let Some(first) = self.first.get(&saw) {
                return (first + 1, false);
            }
            now = saw;
        }
        (1, false)
    }

    fn tried(&self, maker: usize, said: u64) -> Option<Try> {
        self.ops[maker].tries().into_iter().find(|made| made.makes == Some(said))
    }

    /// The same for one that has deleted it.
    fn deleter(&self, version: u64, is_top: bool, left: &BTreeSet<usize>) -> Option<usize> {
        if let Some(known) = left.iter().copied().find(|n| self.deletes(*n)) {
            return Some(known);
        }
        let is_base = !is_top && self.content(version - 1).is_none_or(|(content, _)| content.is_none());
        let expects = |n: &usize| matches!(self.ops[*n].what, What::Cas { version: at, .. } if at + 1 == version);
        self.loose_writes(u64::MAX).filter(|_| !is_base).find(|n| self.deletes(*n) && expects(n))
    }

    fn deletes(&self, n: usize) -> bool {
        self.ops[n].tries().iter().any(|made| made.makes.is_none())
    }

    /// Looks at those in a version of which nothing is to be seen in it, as another has written over them. What the version
    /// rests on, if that shows.
    fn rest(
        &mut self,
        version: u64,
        left: &BTreeSet<usize>,
        mut followed: HashMap<Content, usize>,
    ) -> Result<Base, Violation> {
        let mut first: Base = None;
        for n in left.iter().copied() {
            // Which of several tries counts does not show, unless another rests on it.
            let mut next = Some(self.ops[n].tries()).filter(|tries| tries.len() == 1).map(|tries| (n, tries[0]));
            while let Some((n, Try { saw, .. })) = next.take() {
                match self.ops[n].what {
                    What::Set(_) => break,
                    What::Cas { version: expected, .. } => self.expects(version, expected, n)?,
                    _ => {}
                }
                if let Some(other) = followed.insert(saw, n) {
                    return Err(self.violation(format!("both rest on {} in version {version}", Said(&saw)), [other, n]));
                }
                let is_first = match saw {
                    None => !left.iter().any(|other| self.deletes(*other)),
                    Some(said) => match self.maker(version, saw, n, false, left)? {
                        Some(maker) if self.places[maker].is_none() => {
                            self.places[maker] = Some(version);
                            next = self.tried(maker, said).map(|made| (maker, made));
                            false
                        }
                        made_here => made_here.is_none(),
                    },
                };
                if let Some((_, other)) = first.filter(|_| is_first) {
                    return Err(self.violation(format!("both are the first in version {version}"), [other, n]));
                }
                first = if is_first { Some((saw, n)) } else { first };
            }
        }
        Ok(first)
    }

    /// The writes that are in no known version, and may be in one that was there at a time.
    fn loose_writes(&self, until: u64) -> impl Iterator<Item = usize> {
        let is_loose = move |n: &usize| self.places[*n].is_none() && self.ops[*n].called < until;
        self.unknown.iter().copied().filter(is_loose)
    }

    /// Whether there may be a version behind the newest at a time.
    pub(crate) fn is_perhaps_followed(&self, until: u64) -> bool {
        let newest = self.newest();
        let may_be = |saw: Content| self.content(newest).is_none_or(|(content, _)| content == saw);
        let follows = |n: usize| match &self.ops[n].what {
            What::Cas { version: 0, saw, .. } => may_be(*saw),
            What::Cas { version, .. } => *version == newest,
            What::Update(tries) => tries.iter().any(|made| may_be(made.saw)),
            _ => true,
        };
        self.has_touches || self.loose_writes(until).any(follows)
    }

    /// The first version from `least` on of which nobody knows what it says, and in which the document may be deleted at a
    /// time; it may be one behind the newest.
    pub(crate) fn perhaps_deleted(&self, least: u64, until: u64) -> Option<u64> {
        let is_empty = |version: &u64| {
            self.versions.get(version).is_none_or(|version| version.says.is_none() && version.writes.is_empty())
        };
        let by_delete = |n: usize| match self.ops[n].what {
            What::Cas { version: expected, .. } => Some(expected + 1).filter(|at| *at >= least && is_empty(at)),
            _ => None,
        };
        let says_nothing = |below: u64| self.content(below).is_some_and(|(content, _)| content.is_none());
        let repeats = |version: &u64| {
            is_empty(version) && (0..*version).rev().find(|below| !is_empty(below)).is_none_or(says_nothing)
        };
        let by_touch = (least..=self.newest() + 1).find(repeats).filter(|_| self.has_touches);
        self.loose_writes(until).filter(|n| self.deletes(*n)).filter_map(by_delete).chain(by_touch).min()
    }

    /// Whether this was made by somebody of whom it is not known whether he has written.
    pub(crate) fn is_loose(&self, content: Content) -> bool {
        let maker = content.and_then(|content| self.makers.get(&content));
        maker.is_some_and(|maker| self.ops[*maker].outcome == Outcome::Unknown)
    }

    /// Each version up to the newest must have been made by somebody, before somebody saw it or one behind it.
    pub(crate) fn made_by_somebody(&self) -> Result<(), Violation> {
        if self.has_touches {
            return Ok(());
        }
        let gaps: Vec<u64> = (1..=self.newest()).filter(|version| !self.made.contains(version)).collect();
        for (n, version) in gaps.iter().enumerate() {
            let placed =
                self.places.iter().enumerate().filter(|(_, place)| place.is_some_and(|place| place > *version));
            let seen = placed.min_by_key(|(n, _)| self.ops[*n].over());
            let until = seen.map_or(u64::MAX, |(n, _)| self.ops[n].over());
            if self.loose_writes(until).count() <= n {
                let what = format!("nobody has made version {version}, and there is one behind it");
                return Err(self.violation(what, seen.map(|(n, _)| n)));
            }
        }
        Ok(())
    }
}
