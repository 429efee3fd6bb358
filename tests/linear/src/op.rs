//! What a client did with a document.

use std::fmt;
use std::sync::Arc;

/// What a document says, by a number: no two writes of a document make the same. `None` for a document that is not there.
pub type Content = Option<u64>;

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The client, in words.
    pub by: Arc<str>,
    /// What it wanted.
    pub what: What,
    /// When it called. The times of a history are all different.
    pub called: u64,
    /// When it was answered; `None` if it never was, because it died or did not wait.
    pub answered: Option<u64>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// To know what the document says.
    Read,
    /// The same, when the newest version may be written once more as it is.
    Touch,
    /// That it says this, whatever it says.
    Set(u64),
    /// That it says `makes`, if it is at this version.
    Cas {
        /// The number of the version; 0 if there is to be nothing.
        version: u64,
        /// What that says, as the client was told before.
        saw: Content,
        /// What it is to say.
        makes: Content,
    },
    /// That it says what the client makes of what it says, which is never nothing.
    Update(Vec<Try>),
}

/// What a client made of what it was shown. It may be shown several versions, one after the other: one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// What it was shown.
    pub saw: Content,
    /// What it made of that.
    pub makes: Content,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The document said this; in that version, as far as that was told.
    Read {
        /// The number of the version.
        version: Option<u64>,
        /// What it says.
        content: Content,
    },
    /// It was written.
    Written {
        /// The number of the version.
        version: u64,
        /// What the whole version says, as far as that was told: several writes may share it.
        content: Option<Content>,
    },
    /// Nothing was written: the document is at another version than [`What::Cas`] expects.
    Conflict,
    /// Nothing was written, and nothing was learned.
    Refused,
    /// It was written, or it will be, or it never will.
    Unknown,
}

impl Op {
    /// Whether it may have written something.
    pub(crate) fn is_write(&self) -> bool {
        let is_wish = !matches!(self.what, What::Read | What::Touch);
        is_wish && matches!(self.outcome, Outcome::Written { .. } | Outcome::Unknown)
    }

    /// When it is over: never, if it may still have an effect.
    pub(crate) fn over(&self) -> u64 {
        match self.outcome {
            Outcome::Unknown => u64::MAX,
            _ => self.answered.unwrap_or(u64::MAX),
        }
    }

    /// All that it may have made of the document, and of what.
    pub(crate) fn tries(&self) -> Vec<Try> {
        match &self.what {
            What::Read | What::Touch => Vec::new(),
            What::Set(makes) => vec![Try { saw: None, makes: Some(*makes) }],
            What::Cas { saw, makes, .. } => vec![Try { saw: *saw, makes: *makes }],
            What::Update(tries) => tries.clone(),
        }
    }
}

/// As in `3-9 client 2: update 17>18 -> 4:18`.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, what, called, answered, outcome } = self;
        match answered {
            Some(answered) => write!(f, "{called}-{answered} {by}: ")?,
            None => write!(f, "{called}-? {by}: ")?,
        }
        match what {
            What::Read => f.write_str("read")?,
            What::Touch => f.write_str("touch")?,
            What::Set(makes) => write!(f, "set {makes}")?,
            What::Cas { version, saw, makes } => write!(f, "cas {version}:{}>{}", Said(saw), Said(makes))?,
            What::Update(tries) => {
                f.write_str("update")?;
                for Try { saw, makes } in tries {
                    write!(f, " {}>{}", Said(saw), Said(makes))?;
                }
            }
        }
        match outcome {
            Outcome::Read { version: Some(version), content } => write!(f, " -> {version}:{}", Said(content)),
            Outcome::Read { version: None, content } => write!(f, " -> {}", Said(content)),
            Outcome::Written { version, content: Some(content) } => write!(f, " -> {version}:{}", Said(content)),
            Outcome::Written { version, content: None } => write!(f, " -> {version}"),
            Outcome::Conflict => f.write_str(" -> conflict"),
            Outcome::Refused => f.write_str(" -> refused"),
            Outcome::Unknown => f.write_str(" -> unknown"),
        }
    }
}

/// What a document says, in words.
pub(crate) struct Said<'a>(pub(crate) &'a Content);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(content) => write!(f, "{content}"),
            None => f.write_str("none"),
        }
    }
}
