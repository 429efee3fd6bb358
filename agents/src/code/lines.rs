//! Counts lines and finds the comments that ask for work, from the lexer alone: files that do not parse included.

#[cfg(test)]
mod tests;

use super::facts::{LineCounts, Marker, Todo};
use super::lexer::{Lexer, Token};

/// Longer notes are cut: a report shows one line for each.
const TODO_CHARS_MAX: usize = 200;

/// The lines of `source` by kind, and the notes in its comments.
pub(super) fn count(source: &str) -> (LineCounts, Vec<Todo>) {
    let total = source.lines().count();
    let (mut code, mut comment) = (vec![false; total], vec![false; total]);
    let mut todos = Vec::new();
    let (mut line, mut seen) = (0, 0);
    for token in Lexer::new(source) {
        line += newlines(&source[seen..token.start]);
        let last = line + newlines(&source[token.start..token.end]);
        let kind = if token.kind.is_comment() { &mut comment } else { &mut code };
        kind.iter_mut().take(last + 1).skip(line).for_each(|flag| *flag = true);
        if token.kind.is_comment() {
            notes(source, token, line, &mut todos);
        }
        (line, seen) = (last, token.end);
    }
    let code_lines = code.iter().filter(|&&flag| flag).count();
    let comment_lines = code.iter().zip(&comment).filter(|&(&code, &comment)| comment && !code).count();
    let counts = LineCounts {
        total: number(total),
        code: number(code_lines),
        comment: number(comment_lines),
        blank: number(total - code_lines - comment_lines),
    };
    (counts, todos)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|&b| b == b'\n').count()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// At most one note a line: the first marker takes the rest of it.
fn notes(source: &str, token: Token, line: usize, todos: &mut Vec<Todo>) {
    for (offset, text) in source[token.start..token.end].lines().enumerate() {
        if let Some((marker, at)) = first_marker(text) {
            let text = text[at..].trim_end().trim_end_matches("*/").trim_end();
            let text = text.chars().take(TODO_CHARS_MAX).collect();
            todos.push(Todo { marker, line: number(line + offset + 1), text });
        }
    }
}

/// The first marker that is a word of its own, and where it begins.
fn first_marker(text: &str) -> Option<(Marker, usize)> {
    let hits = Marker::ALL.iter().flat_map(|&(marker, word)| {
        text.match_indices(word).filter(move |&(at, _)| is_whole(text, at, word.len())).map(move |(at, _)| (marker, at))
    });
    hits.min_by_key(|&(_, at)| at)
}

/// Whether neither side of these bytes goes on with a letter, a digit or a `-` before it (`CVE-XXX`).
fn is_whole(text: &str, at: usize, len: usize) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text[..at].chars().next_back().is_some_and(|c| in_word(c) || c == '-');
    let behind = text[at + len..].chars().next().is_some_and(in_word);
    !before && !behind
}
