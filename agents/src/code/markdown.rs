//! Writes a summary as one Markdown document.

#[cfg(test)]
mod tests;

use super::facts::PanicKind;
use super::report::{Finding, FindingKind, Summary, Totals};
use std::cmp::Reverse;
use std::fmt::Display;

/// How many rows the longer lists have; what is beyond is counted.
const FINDINGS_MAX: usize = 50;
const DUPLICATES_MAX: usize = 20;
const COPIES_MAX: usize = 10;
const FILES_MAX: usize = 40;
const SKIPPED_MAX: usize = 50;
const TODOS_MAX: usize = 50;

/// Writes a summary as one ranked report, titled by one line of plain text.
///
/// The same summary and title give the same bytes; no time and no absolute path is in it, unless
/// the title or the paths of the reports have one.
pub fn to_markdown(summary: &Summary, title: &str) -> String {
    let mut page = Page(format!("# {}\n", escape(title)));
    page.totals(summary);
    page.findings(summary);
    page.duplicates(summary);
    page.files(summary);
    page.unparsed(summary);
    page.skipped(summary);
    page.todos(summary);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: impl AsRef<str>) {
        self.0.push_str(text.as_ref());
        self.0.push('\n');
    }

    fn section(&mut self, heading: &str) {
        self.line(format!("\n## {heading}\n"));
    }

    fn table(&mut self, head: &str, rule: &str) {
        self.line(head);
        self.line(rule);
    }

    fn more(&mut self, all: usize, shown: usize, what: &str) {
        if all > shown {
            self.line(format!("\n... and {} more {what}.", all - shown));
        }
    }

    fn totals(&mut self, summary: &Summary) {
        let totals = &summary.totals;
        self.line("");
        self.table("| | |", "|---|---:|");
        for (what, count) in rows_of_totals(totals, summary) {
            self.line(format!("| {what} | {count} |"));
        }
    }

    fn findings(&mut self, summary: &Summary) {
        self.section("What to look at first");
        if summary.findings.is_empty() {
            return self.line("Nothing: every measure is within its limit.");
        }
        self.table("| | score | where | what |", "|---:|---:|---|---|");
        for (rank, finding) in summary.findings.iter().take(FINDINGS_MAX).enumerate() {
            let place = code(&format!("{}:{}", finding.path, finding.line));
            self.line(format!("| {} | {} | {place} | {} |", rank + 1, finding.score, sentence(finding)));
        }
        self.more(summary.findings.len(), FINDINGS_MAX, "findings");
    }

    fn duplicates(&mut self, summary: &Summary) {
        if summary.duplicates.is_empty() {
            return;
        }
        self.section("Duplicated functions");
        self.line("The same but for comments, the names of local variables and the values of literals.\n");
        for group in summary.duplicates.iter().take(DUPLICATES_MAX) {
            self.line(format!("- {} copies of {} tokens", group.copies.len(), group.tokens));
            for copy in group.copies.iter().take(COPIES_MAX) {
                self.line(format!("  - {} {}", code(&format!("{}:{}", copy.path, copy.line)), code(&copy.name)));
            }
            if group.copies.len() > COPIES_MAX {
                self.line(format!("  - and {} more", group.copies.len() - COPIES_MAX));
            }
        }
        self.more(summary.duplicates.len(), DUPLICATES_MAX, "groups");
    }

    fn files(&mut self, summary: &Summary) {
        self.section("Files");
        self.table(
            "| file | score | code | comment | functions | max. complexity | may panic |",
            "|---|---:|---:|---:|---:|---:|---:|",
        );
        let mut rows: Vec<_> = summary.files.iter().collect();
        rows.sort_by_key(|row| (Reverse(row.score), Reverse(row.lines.code), row.path.as_str()));
        for row in rows.iter().take(FILES_MAX) {
            self.line(format!(
                "| {} | {} | {} | {} | {} | {} | {} |",
                code(&row.path),
                row.score,
                row.lines.code,
                row.lines.comment,
                row.functions,
                row.complexity_max,
                row.panics
            ));
        }
        self.more(rows.len(), FILES_MAX, "files");
    }

    fn unparsed(&mut self, summary: &Summary) {
        if summary.unparsed.is_empty() {
            return;
        }
        self.section("Files that did not parse");
        for file in &summary.unparsed {
            let place = format!("{}:{}:{}", file.path, file.error.line, file.error.column);
            self.line(format!("- {} {}", code(&place), escape(&file.error.message)));
        }
    }

    fn skipped(&mut self, summary: &Summary) {
        if summary.skipped.is_empty() {
            return;
        }
        self.section("Not reviewed");
        for skipped in summary.skipped.iter().take(SKIPPED_MAX) {
            self.line(format!("- {} {}", code(&skipped.path), escape(&skipped.reason)));
        }
        self.more(summary.skipped.len(), SKIPPED_MAX, "entries");
    }

    fn todos(&mut self, summary: &Summary) {
        if summary.todos.is_empty() {
            return;
        }
        self.section("Left to do, by the comments");
        for (path, todo) in summary.todos.iter().take(TODOS_MAX) {
            self.line(format!("- {} {}", code(&format!("{path}:{}", todo.line)), escape(&todo.text)));
        }
        self.more(summary.todos.len(), TODOS_MAX, "notes");
    }
}

fn rows_of_totals(totals: &Totals, summary: &Summary) -> Vec<(String, String)> {
    let limits = summary.limits;
    let row = |what: &str, count: &dyn Display| (what.to_string(), count.to_string());
    let by_kind = PanicKind::ALL.iter().filter(|&&kind| totals.panics.of(kind) > 0);
    let by_kind: Vec<String> =
        by_kind.map(|&kind| format!("{} {}", totals.panics.of(kind), code(&kind.to_string()))).collect();
    let mut rows = vec![
        row("files", &totals.files),
        row("lines of code", &totals.lines.code),
        row("lines of comment", &totals.lines.comment),
        row("blank lines", &totals.lines.blank),
        row("functions", &totals.functions),
        row("functions of tests", &totals.test_functions),
        (format!("functions of more than {} lines", limits.function_lines), totals.long.to_string()),
        (format!("functions of a complexity above {}", limits.complexity), totals.complex.to_string()),
        row("copies of functions", &totals.copies),
        row("places that may panic", &totals.panics.total()),
        row("the same in tests", &totals.test_panics.total()),
        row("public items without documentation", &totals.undocumented),
        row("unsafe blocks", &totals.unsafe_blocks),
        row("notes of work left to do", &totals.todos),
    ];
    if !by_kind.is_empty() {
        rows[9].0.push_str(&format!(": {}", by_kind.join(", ")));
    }
    if totals.unparsed > 0 {
        rows.insert(1, row("files that did not parse", &totals.unparsed));
    }
    rows
}

fn sentence(finding: &Finding) -> String {
    let subject = match finding.kind {
        FindingKind::Unfinished | FindingKind::Panics => format!("{} {}", finding.count, code(&finding.subject)),
        _ => code(&finding.subject),
    };
    let comma = if finding.text.is_empty() { "" } else { ", " };
    format!("{}: {subject}{comma}{}", finding.kind, escape(&finding.text))
}

/// Text in the middle of a line in which nothing is read as Markdown or HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        // Within a word an underscore is one: `std::mem::size_of` stays readable.
        let in_word = before.is_alphanumeric() && chars.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '\n' | '\r' => escaped.push(' '),
            '_' if in_word => escaped.push(c),
            '\\' | '`' | '*' | '_' | '[' | '<' | '|' | '~' | '&' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
        before = c;
    }
    escaped
}

/// A code span, also of text with backticks; a bar in it would end the cell of a table.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ").replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    if longest == 0 {
        return format!("`{text}`");
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence} {text} {fence}")
}
