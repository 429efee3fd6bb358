//! What a finding weighs.
//!
//! | finding | score |
//! |---|---|
//! | `todo!` and `unimplemented!` in product code | 50 each |
//! | complex function | 20, and 2 for each branch above the limit |
//! | duplicated function | tokens of one copy x (copies - 1) / 5 |
//! | long function | 10, and 1 for every 5 lines above the limit |
//! | `panic!` in product code | 8 each |
//! | `unwrap` in product code | 6 each |
//! | `expect` in product code | 2 each |
//! | `unreachable!` in product code | 1 each |
//! | public item without documentation | 1 each, at most 30 a file |
//!
//! The weights are a judgement, not a measurement: what ends the program without a word outweighs what
//! is tiresome to read, and that outweighs what is merely undocumented. What repeats within one file is one
//! finding, so that a single habit does not fill the list.

use super::facts::{FileReport, Function, PanicKind};
use super::report::{Duplicate, Finding, FindingKind, Occurrence};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Generated bindings have thousands of such items, and they are one habit.
const UNDOCUMENTED_MAX: u32 = 30;

/// From where on a function is worth a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// The most lines a function may have, 60 by default.
    pub function_lines: u32,
    /// The highest cyclomatic complexity it may have, 15 by default. McCabe proposed 10; a `match` over
    /// a plain enum reaches that without being hard to read.
    pub complexity: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { function_lines: 60, complexity: 15 }
    }
}

impl Function {
    /// Whether it has more lines than allowed.
    pub fn is_long(&self, limits: &Limits) -> bool {
        self.lines > limits.function_lines
    }

    /// Whether it has more branches than allowed.
    pub fn is_complex(&self, limits: &Limits) -> bool {
        self.complexity > limits.complexity
    }
}

/// All findings of one file but duplicates, in no order.
pub(super) fn findings(report: &FileReport, limits: &Limits) -> Vec<Finding> {
    let product = report.functions.iter().filter(|function| !function.is_test);
    let functions = product.flat_map(|function| of_function(&report.path, function, limits));
    functions.chain(of_panics(report)).chain(of_undocumented(report)).collect()
}

fn of_function(path: &str, function: &Function, limits: &Limits) -> Vec<Finding> {
    let (lines, complexity) = (function.lines, function.complexity);
    let finding = |kind, score, what: String| Finding {
        kind,
        score,
        path: path.to_string(),
        line: function.line,
        count: 1,
        subject: function.name.clone(),
        text: what,
    };
    let mut findings = Vec::new();
    if function.is_complex(limits) {
        let score = 20 + 2 * (complexity - limits.complexity);
        findings.push(finding(FindingKind::Complex, score, format!("complexity {complexity}, {lines} lines")));
    }
    if function.is_long(limits) {
        let score = 10 + (lines - limits.function_lines) / 5;
        findings.push(finding(FindingKind::Long, score, format!("{lines} lines")));
    }
    findings
}

/// One finding for each way to panic, at the first place.
fn of_panics(report: &FileReport) -> Vec<Finding> {
    let of_kind = |kind: PanicKind| {
        let lines: Vec<u32> = report.panics.iter().filter(|site| site.kind == kind).map(|site| site.line).collect();
        let (&line, rest) = lines.split_first()?;
        let (finding, weight) = match kind {
            PanicKind::Todo | PanicKind::Unimplemented => (FindingKind::Unfinished, 50),
            PanicKind::Panic => (FindingKind::Panics, 8),
            PanicKind::Unwrap => (FindingKind::Panics, 6),
            PanicKind::Expect => (FindingKind::Panics, 2),
            PanicKind::Unreachable => (FindingKind::Panics, 1),
        };
        let count = number(lines.len());
        let text = if rest.is_empty() { String::new() } else { format!("also in line {}", first_of(rest)) };
        let (path, subject) = (report.path.clone(), kind.to_string());
        Some(Finding { kind: finding, score: count * weight, path, line, count, subject, text })
    };
    PanicKind::ALL.into_iter().filter_map(of_kind).collect()
}

fn of_undocumented(report: &FileReport) -> Option<Finding> {
    let (first, rest) = report.undocumented.split_first()?;
    let count = number(report.undocumented.len());
    let text = match rest {
        [] => first.kind.clone(),
        _ => format!("{}, and {} more public items", first.kind, rest.len()),
    };
    let (path, subject) = (report.path.clone(), first.name.clone());
    Some(Finding {
        kind: FindingKind::Undocumented,
        score: count.min(UNDOCUMENTED_MAX),
        path,
        line: first.line,
        count,
        subject,
        text,
    })
}

/// The finding for a group of copies, at the first of them.
pub(super) fn of_duplicate(group: &Duplicate) -> Option<Finding> {
    let (first, rest): (&Occurrence, _) = group.copies.split_first()?;
    let (tokens, copies) = (group.tokens, number(rest.len()));
    let second = rest.first()?;
    let lines = if first.lines == 1 { "1 line".to_string() } else { format!("{} lines", first.lines) };
    let more = if copies > 1 { format!(" and {} more", copies - 1) } else { String::new() };
    Some(Finding {
        kind: FindingKind::Duplicate,
        score: tokens.saturating_mul(copies) / 5,
        path: first.path.clone(),
        line: first.line,
        count: copies + 1,
        subject: first.name.clone(),
        text: format!("{lines} again at {}:{}{more}", second.path, second.line),
    })
}

/// The first few of many lines.
fn first_of(lines: &[u32]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = lines.iter().take(SHOWN).map(u32::to_string).collect();
    let more = lines.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
