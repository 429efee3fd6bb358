//! What is known about one file: plain data, without judgement.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything [`analyze`](super::analyze) found in one file.
///
/// Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileReport {
    /// The path as it was given.
    pub path: String,
    /// Why the file could not be parsed. Then only `lines` and `todos` are filled in.
    pub parse_error: Option<ParseError>,
    /// Its lines by kind.
    pub lines: LineCounts,
    /// Every function with a body, in the order of the file, nested ones included.
    pub functions: Vec<Function>,
    /// Where product code may panic on purpose, by line.
    pub panics: Vec<PanicSite>,
    /// The same in test code, where it is no fault: counted only.
    pub test_panics: PanicCounts,
    /// Public items, by line.
    #[serde(default)]
    pub public: Vec<PublicItem>,
    /// Those of them without documentation, by line.
    pub undocumented: Vec<PublicItem>,
    /// Comments that say something is left to do, by line.
    pub todos: Vec<Todo>,
    /// `unsafe { .. }` blocks, in product and test code.
    pub unsafe_blocks: u32,
}

/// Why a file was not parsed, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParseError {
    /// The line at which the parser gave up.
    pub line: u32,
    /// The column in that line.
    pub column: u32,
    /// What the parser said.
    pub message: String,
}

/// Lines by kind; `total` is the sum of the other three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LineCounts {
    /// All lines.
    pub total: u32,
    /// Lines with code on them, be there a comment beside it or not; all lines of a string are code.
    pub code: u32,
    /// Lines with nothing but a comment, blank lines within a block comment included.
    pub comment: u32,
    /// Lines with nothing but white space.
    pub blank: u32,
}

/// One function with a body: free, associated, a trait's default, or nested in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Function {
    /// Its path within the file: `queue::Queue::push`, `<Queue as Drop>::drop`.
    pub name: String,
    /// The line of its name.
    pub line: u32,
    /// From the line of its name to the line of its last brace, both included.
    pub lines: u32,
    /// Cyclomatic complexity after McCabe (1976): 1 + the branches. A branch is an `if`, a `while`, a
    /// `for`, every arm of a `match` but the first, a guard, a `let .. else`, a `&&` and a `||`.
    /// Closures count where they stand; `?` and what is inside macros are no branches here.
    pub complexity: u32,
    /// Its parameters, `self` included.
    pub parameters: u32,
    /// Whether it is test code: marked as a test, or within something that is compiled for tests only.
    pub is_test: bool,
    /// For finding copies of it; `None` for a body too short to tell.
    pub fingerprint: Option<Fingerprint>,
}

/// Equal for two function bodies that differ in nothing but white space, comments, the names of
/// local variables, and the values of literals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Fingerprint {
    /// The first 16 bytes of a BLAKE3 hash of the normalised tokens, in hexadecimal.
    pub hash: String,
    /// How many tokens the body has.
    pub tokens: u32,
}

/// A way to end a program instead of handling a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PanicKind {
    /// `.unwrap()` or `.unwrap_err()`, recognised by name.
    Unwrap,
    /// `.expect(..)` or `.expect_err(..)`, recognised by name and its single argument.
    Expect,
    /// `panic!`
    Panic,
    /// `todo!`
    Todo,
    /// `unimplemented!`
    Unimplemented,
    /// `unreachable!`
    Unreachable,
}

impl PanicKind {
    /// Every kind, in the order of a report.
    pub const ALL: [PanicKind; 6] = [
        PanicKind::Unwrap,
        PanicKind::Expect,
        PanicKind::Panic,
        PanicKind::Todo,
        PanicKind::Unimplemented,
        PanicKind::Unreachable,
    ];

    /// The method of this name that panics, if there is one.
    pub(super) fn of_method(name: &str) -> Option<Self> {
        match name {
            "unwrap" | "unwrap_err" => Some(PanicKind::Unwrap),
            "expect" | "expect_err" => Some(PanicKind::Expect),
            _ => None,
        }
    }

    /// The macro of this name that panics, if there is one.
    pub(super) fn of_macro(name: &str) -> Option<Self> {
        match name {
            "panic" => Some(PanicKind::Panic),
            "todo" => Some(PanicKind::Todo),
            "unimplemented" => Some(PanicKind::Unimplemented),
            "unreachable" => Some(PanicKind::Unreachable),
            _ => None,
        }
    }
}

impl fmt::Display for PanicKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PanicKind::Unwrap => "unwrap",
            PanicKind::Expect => "expect",
            PanicKind::Panic => "panic!",
            PanicKind::Todo => "todo!",
            PanicKind::Unimplemented => "unimplemented!",
            PanicKind::Unreachable => "unreachable!",
        })
    }
}

/// One place that may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PanicSite {
    /// How.
    pub kind: PanicKind,
    /// Where.
    pub line: u32,
}

/// How many places may panic, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PanicCounts {
    /// Of [`PanicKind::Unwrap`].
    pub unwraps: u32,
    /// Of [`PanicKind::Expect`].
    pub expects: u32,
    /// Of [`PanicKind::Panic`].
    pub panics: u32,
    /// Of [`PanicKind::Todo`].
    pub todos: u32,
    /// Of [`PanicKind::Unimplemented`].
    pub unimplemented: u32,
    /// Of [`PanicKind::Unreachable`].
    pub unreachable: u32,
}

impl PanicCounts {
    /// Adds one place of this kind.
    pub fn add(&mut self, kind: PanicKind) {
        *self.slot(kind) += 1;
    }

    /// Adds all that `other` counted.
    pub fn merge(&mut self, mut other: PanicCounts) {
        for kind in PanicKind::ALL {
            *self.slot(kind) += *other.slot(kind);
        }
    }

    /// How many of this kind there are.
    pub fn of(&self, kind: PanicKind) -> u32 {
        let mut copy = *self;
        *copy.slot(kind)
    }

    /// All of them.
    pub fn total(&self) -> u32 {
        PanicKind::ALL.iter().map(|&kind| self.of(kind)).sum()
    }

    fn slot(&mut self, kind: PanicKind) -> &mut u32 {
        match kind {
            PanicKind::Unwrap => &mut self.unwraps,
            PanicKind::Expect => &mut self.expects,
            PanicKind::Panic => &mut self.panics,
            PanicKind::Todo => &mut self.todos,
            PanicKind::Unimplemented => &mut self.unimplemented,
            PanicKind::Unreachable => &mut self.unreachable,
        }
    }
}

impl FromIterator<PanicKind> for PanicCounts {
    fn from_iter<I: IntoIterator<Item = PanicKind>>(kinds: I) -> Self {
        let mut counts = PanicCounts::default();
        kinds.into_iter().for_each(|kind| counts.add(kind));
        counts
    }
}

/// A public item.
///
/// Public means plain `pub`, the variants of a public enum and the items of a public trait, outside
/// of private inline modules. Left out are `pub use`, fields without a name, `pub mod name;` (its
/// documentation may be in its own file), what is marked `#[doc(hidden)]`, and test code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicItem {
    /// Its path within the file.
    pub name: String,
    /// `fn`, `struct`, `field`, ...
    pub kind: String,
    /// The line of its name.
    pub line: u32,
    /// The first paragraph of its doc comment, on one line; empty without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

/// A word by which a comment says that something is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Marker {
    /// `TODO`
    Todo,
    /// `FIXME`
    Fixme,
    /// `XXX`
    Xxx,
    /// `HACK`
    Hack,
}

impl Marker {
    /// Every marker with its spelling; only capitals count.
    pub(super) const ALL: [(Marker, &str); 4] =
        [(Marker::Todo, "TODO"), (Marker::Fixme, "FIXME"), (Marker::Xxx, "XXX"), (Marker::Hack, "HACK")];
}

/// One comment, or one line of one, that says something is left to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Todo {
    /// By which word.
    pub marker: Marker,
    /// Where.
    pub line: u32,
    /// The comment from that word to the end of its line, of at most 200 characters.
    pub text: String,
}
