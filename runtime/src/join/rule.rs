//! What a join and a vote wait for.

use super::Tie;
use crate::{Error, Result};

/// What a join waits for, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Every end; every child has to be ok.
    All,
    /// Every end; so many children have to be ok, and none may have to: a share of a short list is 0.
    AtLeast(usize),
    /// So many children that are ok, 1 at least; the others have lost.
    FirstOk(usize),
}

/// What a join does when its deadline passes before its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtDeadline {
    /// It fails.
    Fail,
    /// It takes what is ok by then. What [`Rule::AtLeast`] asks for is a floor that holds then, too.
    Take,
}

/// What a vote needs to be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Electing {
    /// The most votes once all have ended, and what happens if more than one answer has them.
    Plurality(Tie),
    /// More than half of all voters, of those who fail, too.
    Majority,
    /// So many votes for one answer, 1 at least.
    Quorum(usize),
}

impl Rule {
    /// # Errors
    ///
    /// `Invalid` if `of` children can never satisfy it, or do before they are started.
    pub(super) fn check(self, of: usize) -> Result<()> {
        match self {
            Self::All => Ok(()),
            Self::AtLeast(wanted) => within("children", wanted, of),
            Self::FirstOk(wanted) => one_at_least("children", wanted).and_then(|()| within("children", wanted, of)),
        }
    }

    /// How many of `of` children have to be ok.
    pub(super) fn wanted(self, of: usize) -> usize {
        match self {
            Self::All => of,
            Self::AtLeast(wanted) | Self::FirstOk(wanted) => wanted,
        }
    }
}

impl Electing {
    /// # Errors
    ///
    /// `Invalid` if there is no voter, or if `of` voters can never decide it, or do before they are asked.
    pub(super) fn check(self, of: usize) -> Result<()> {
        if of == 0 {
            return Err(Error::invalid("a vote without voters has no winner: ask 1 voter at least"));
        }
        match self {
            Self::Plurality(_) | Self::Majority => Ok(()),
            Self::Quorum(wanted) => one_at_least("votes", wanted).and_then(|()| within("votes", wanted, of)),
        }
    }

    /// How many votes decide it at once; `None` if it waits for all.
    pub(super) fn wanted(self, of: usize) -> Option<usize> {
        match self {
            Self::Plurality(_) => None,
            Self::Majority => Some(of / 2 + 1),
            Self::Quorum(wanted) => Some(wanted),
        }
    }
}

fn one_at_least(what: &str, wanted: usize) -> Result<()> {
    if wanted == 0 {
        return Err(Error::invalid(format!("0 {what} would be enough before any is started: ask for 1 at least")));
    }
    Ok(())
}

fn within(what: &str, wanted: usize, of: usize) -> Result<()> {
    if wanted > of {
        let mend = if of == 0 { "start some".to_owned() } else { format!("ask for {of} at most, or start more") };
        return Err(Error::invalid(format!("{wanted} of {of} {what} can never be reached: {mend}")));
    }
    Ok(())
}
