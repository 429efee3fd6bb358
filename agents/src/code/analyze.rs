//! From the text of one file to its report.

#[cfg(test)]
mod tests;

use super::facts::{FileReport, ParseError};
use super::{lines, nesting, walk};
use std::thread;

/// A file that may nest deeper than this is not parsed. Of 4,777 files of published crates the deepest had 425.
const LEVELS_MAX: usize = 2_000;

/// What one level may need of the stack. The costliest construct measured takes 41 KiB in a debug build,
/// a reference in a type. Of a stack only what is used costs memory.
const STACK_BYTES_PER_LEVEL: usize = 96 * 1024;

/// What the parser needs beside that.
const STACK_BYTES_MIN: usize = 1024 * 1024;

/// Reads one Rust source file and says what is in it.
///
/// `path` is only looked at, never opened: its name tells test files (under a folder `tests`, or
/// called `tests.rs`, `test.rs`, `*_tests.rs` or `*_test.rs`), and it is copied to the report.
///
/// Never panics, whatever the input, and never fails: a file that does not parse gives a report with
/// [`parse_error`](FileReport::parse_error) and what can be counted without a parser. That includes a
/// file nested so deeply (more than 2,000 levels, estimated from above) that parsing it could overflow the stack.
///
/// Blocks for the time of parsing, some milliseconds for a thousand lines; the parser runs on a
/// thread of its own, whose stack is as large as the nesting of the file asks for.
pub fn analyze(path: &str, source: &str) -> FileReport {
    let (lines, todos) = lines::count(source);
    let report = FileReport { path: path.to_string(), lines, todos, ..FileReport::default() };
    let deepest = nesting::deepest(source);
    if deepest.levels > LEVELS_MAX {
        let message = format!(
            "nested too deeply to be parsed safely: up to {} levels, and the limit is {LEVELS_MAX}",
            deepest.levels
        );
        return FileReport { parse_error: Some(error_at(source, deepest.at, message)), ..report };
    }
    let stack = STACK_BYTES_MIN + deepest.levels * STACK_BYTES_PER_LEVEL;
    let parsed = thread::scope(|scope| {
        let parser = thread::Builder::new().name("parser".to_string()).stack_size(stack);
        match parser.spawn_scoped(scope, || parse(path, source)) {
            Ok(parser) => parser.join().unwrap_or_else(|_| Err(unparsed("the parser panicked".to_string()))),
            Err(error) => Err(unparsed(format!("no thread with a stack of {stack} bytes to parse it on: {error}"))),
        }
    });
    match parsed {
        Ok(found) => FileReport {
            functions: found.functions,
            panics: found.panics,
            test_panics: found.test_panics,
            public: found.public,
            undocumented: found.undocumented,
            unsafe_blocks: found.unsafe_blocks,
            ..report
        },
        Err(error) => FileReport { parse_error: Some(error), ..report },
    }
}

fn parse(path: &str, source: &str) -> Result<walk::Found, ParseError> {
    match syn::parse_file(source) {
        Ok(file) => Ok(walk::walk(path, &file)),
        Err(error) => {
            let (start, mut message) = (error.span().start(), error.to_string());
            // The lexer's one message, in words that help.
            if message == "cannot parse string into token stream" {
                message = "a bracket without its counterpart, or an unfinished literal or comment".to_string();
            }
            // What is missing at the end has no place of its own: the parser puts it at the start.
            if message.contains("unexpected end of input") || error.span().byte_range().is_empty() {
                return Err(error_at(source, source.trim_end().len(), message));
            }
            Err(ParseError { line: number(start.line), column: number(start.column + 1), message })
        }
    }
}

/// An error at this byte of the source.
fn error_at(source: &str, at: usize, message: String) -> ParseError {
    let before = &source[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    ParseError { line: number(line), column: number(before[line_start..].chars().count() + 1), message }
}

/// An error that is no fault of any line.
fn unparsed(message: String) -> ParseError {
    ParseError { line: 1, column: 1, message }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
