//! The summary of many files: totals, ranked findings, copies.

#[cfg(test)]
mod tests;

use super::facts::{FileReport, Fingerprint, LineCounts, PanicCounts, ParseError, Todo};
use super::files::Skipped;
use super::rank::{self, Limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

/// What is worth knowing about a set of files. The order in which their reports came does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// What was held to be long and complex.
    pub limits: Limits,
    /// Sums over all files.
    pub totals: Totals,
    /// What to look at, the weightiest first; equal ones by path, line and kind.
    pub findings: Vec<Finding>,
    /// Functions that exist more than once, the most copied code first.
    pub duplicates: Vec<Duplicate>,
    /// One row for each file, by path.
    pub files: Vec<FileRow>,
    /// Files that did not parse, by path.
    pub unparsed: Vec<Unparsed>,
    /// What was not reviewed at all; whoever listed the files fills it in.
    pub skipped: Vec<Skipped>,
    /// Notes in comments with the path of their file, by path and line.
    pub todos: Vec<(String, Todo)>,
}

/// Sums over all files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// All files, those that did not parse included.
    pub files: u32,
    /// Those that did not parse.
    pub unparsed: u32,
    /// Their lines.
    pub lines: LineCounts,
    /// Functions in product code.
    pub functions: u32,
    /// Functions in test code.
    pub test_functions: u32,
    /// Product functions above the limit of lines.
    pub long: u32,
    /// Product functions above the limit of complexity.
    pub complex: u32,
    /// Places in product code that may panic.
    pub panics: PanicCounts,
    /// The same in test code.
    pub test_panics: PanicCounts,
    /// Public items without documentation.
    pub undocumented: u32,
    /// Notes in comments.
    pub todos: u32,
    /// `unsafe` blocks.
    pub unsafe_blocks: u32,
    /// Functions beyond the first of each group of copies.
    pub copies: u32,
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// How much it weighs, by the table in the source of `rank`.
    pub score: u32,
    /// In which file.
    pub path: String,
    /// Where, the first place if there are several.
    pub line: u32,
    /// How many places it sums up, at least 1.
    pub count: u32,
    /// The name it is about: a function, an item, a macro.
    pub subject: String,
    /// What else there is to say; may be empty.
    pub text: String,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// `todo!` or `unimplemented!` in product code.
    Unfinished,
    /// A function with too many branches.
    Complex,
    /// A function that exists more than once.
    Duplicate,
    /// A function with too many lines.
    Long,
    /// Product code that may panic.
    Panics,
    /// Public items without documentation.
    Undocumented,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FindingKind::Unfinished => "unfinished",
            FindingKind::Complex => "complex",
            FindingKind::Duplicate => "duplicate",
            FindingKind::Long => "long",
            FindingKind::Panics => "may panic",
            FindingKind::Undocumented => "undocumented",
        })
    }
}

/// Functions with the same body, but for local names and literals. Test code is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Duplicate {
    /// How many tokens one copy has.
    pub tokens: u32,
    /// At least two, by path and line.
    pub copies: Vec<Occurrence>,
}

/// One of several functions with the same body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Occurrence {
    /// In which file.
    pub path: String,
    /// The line of its name.
    pub line: u32,
    /// How many lines it has.
    pub lines: u32,
    /// Its path within the file.
    pub name: String,
}

/// One file in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRow {
    /// Its path.
    pub path: String,
    /// Its lines.
    pub lines: LineCounts,
    /// Functions in it, tests included.
    pub functions: u32,
    /// The highest complexity among its product functions, 0 if there are none.
    pub complexity_max: u32,
    /// Places in product code that may panic.
    pub panics: u32,
    /// The sum of the scores of its findings.
    pub score: u32,
}

/// A file that did not parse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unparsed {
    /// Its path.
    pub path: String,
    /// Why, and where.
    pub error: ParseError,
}

impl Summary {
    /// Sums up reports of different files, with the default [`Limits`].
    pub fn of(reports: &[FileReport]) -> Summary {
        Summary::within(reports, Limits::default())
    }

    /// Sums up reports of different files.
    pub fn within(reports: &[FileReport], limits: Limits) -> Summary {
        let mut reports: Vec<&FileReport> = reports.iter().collect();
        reports.sort_by(|a, b| a.path.cmp(&b.path));
        let duplicates = duplicates(&reports);
        let mut findings: Vec<Finding> = reports.iter().flat_map(|report| rank::findings(report, &limits)).collect();
        findings.extend(duplicates.iter().filter_map(rank::of_duplicate));
        findings.sort_by(|a, b| key(a).cmp(&key(b)));
        Summary {
            limits,
            totals: totals(&reports, &duplicates, &limits),
            files: rows(&reports, &findings),
            unparsed: reports.iter().filter_map(|report| unparsed(report)).collect(),
            skipped: Vec::new(),
            todos: reports.iter().flat_map(|r| r.todos.iter().map(|todo| (r.path.clone(), todo.clone()))).collect(),
            findings,
            duplicates,
        }
    }
}

/// The order of findings.
fn key(finding: &Finding) -> (Reverse<u32>, &str, u32, FindingKind, &str) {
    (Reverse(finding.score), &finding.path, finding.line, finding.kind, &finding.subject)
}

fn duplicates(reports: &[&FileReport]) -> Vec<Duplicate> {
    let mut groups: BTreeMap<&Fingerprint, Vec<Occurrence>> = BTreeMap::new();
    for report in reports {
        for function in report.functions.iter().filter(|function| !function.is_test) {
            if let Some(fingerprint) = &function.fingerprint {
                let (path, name) = (report.path.clone(), function.name.clone());
                let copy = Occurrence { path, line: function.line, lines: function.lines, name };
                groups.entry(fingerprint).or_default().push(copy);
            }
        }
    }
    let several = groups.into_iter().filter(|(_, copies)| copies.len() > 1);
    let mut groups: Vec<Duplicate> =
        several.map(|(fingerprint, copies)| Duplicate { tokens: fingerprint.tokens, copies }).collect();
    groups.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| first(a).cmp(&first(b))));
    groups
}

/// The tokens that would go if there were one copy.
fn weight(group: &Duplicate) -> u64 {
    u64::from(group.tokens) * (group.copies.len() as u64 - 1)
}

fn first(group: &Duplicate) -> Option<(&str, u32)> {
    group.copies.first().map(|copy| (copy.path.as_str(), copy.line))
}

fn totals(reports: &[&FileReport], duplicates: &[Duplicate], limits: &Limits) -> Totals {
    let copies = duplicates.iter().map(|group| group.copies.len() - 1).sum();
    let mut totals = Totals { files: number(reports.len()), copies: number(copies), ..Totals::default() };
    for report in reports {
        totals.unparsed += u32::from(report.parse_error.is_some());
        totals.lines.total += report.lines.total;
        totals.lines.code += report.lines.code;
        totals.lines.comment += report.lines.comment;
        totals.lines.blank += report.lines.blank;
        for function in &report.functions {
            let product = u32::from(!function.is_test);
            totals.functions += product;
            totals.test_functions += 1 - product;
            totals.long += product * u32::from(function.is_long(limits));
            totals.complex += product * u32::from(function.is_complex(limits));
        }
        report.panics.iter().for_each(|site| totals.panics.add(site.kind));
        totals.test_panics.merge(report.test_panics);
        totals.undocumented += number(report.undocumented.len());
        totals.todos += number(report.todos.len());
        totals.unsafe_blocks += report.unsafe_blocks;
    }
    totals
}

fn rows(reports: &[&FileReport], findings: &[Finding]) -> Vec<FileRow> {
    let mut scores: BTreeMap<&str, u32> = BTreeMap::new();
    for finding in findings {
        *scores.entry(&finding.path).or_default() += finding.score;
    }
    let row = |report: &&FileReport| FileRow {
        path: report.path.clone(),
        lines: report.lines,
        functions: number(report.functions.len()),
        complexity_max: report.functions.iter().filter(|f| !f.is_test).map(|f| f.complexity).max().unwrap_or(0),
        panics: number(report.panics.len()),
        score: scores.get(report.path.as_str()).copied().unwrap_or(0),
    };
    reports.iter().map(row).collect()
}

fn unparsed(report: &FileReport) -> Option<Unparsed> {
    report.parse_error.clone().map(|error| Unparsed { path: report.path.clone(), error })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
