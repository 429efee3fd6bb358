//! Reads Rust source files and says what deserves an engineer's time.
//!
//! [`files::rust_files`] lists a folder, [`analyze`] turns the text of one file into a
//! [`FileReport`], and [`Summary::of`] ranks what is in many of them; [`to_markdown`] writes the
//! summary down. All of that is pure but the listing, knows nothing of the runtime, and gives the same
//! bytes for the same input.
//!
//! [`Analyzer`] is the same as an agent: it performs [`Analyze`] (capability `code.analyze`), and [`compose`] performs
//! [`Compose`] (`code.document`). The example `code_review` is made of the two.
//!
//! ```
//! use callboard_agents::code::{Summary, analyze, to_markdown};
//!
//! let report = analyze("src/lib.rs", "pub fn first(v: &[u8]) -> u8 { *v.first().unwrap() }\n");
//! assert_eq!(report.panics.len(), 1);
//! assert!(to_markdown(&Summary::of(&[report]), "A review").contains("1 `unwrap`"));
//! ```

mod agent;
mod analyze;
mod complexity;
mod facts;
pub mod files;
mod fingerprint;
mod lexer;
mod lines;
mod markdown;
mod nesting;
mod rank;
mod report;
mod walk;

pub use agent::{Analyze, Analyzer, Compose, Document, compose};
pub use analyze::analyze;
pub use facts::{
    FileReport, Fingerprint, Function, LineCounts, Marker, PanicCounts, PanicKind, PanicSite, ParseError, PublicItem,
    Todo,
};
pub use markdown::to_markdown;
pub use rank::Limits;
pub use report::{Duplicate, FileRow, Finding, FindingKind, Occurrence, Summary, Totals, Unparsed};
