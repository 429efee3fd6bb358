//! Fingerprints of function bodies: how copies are found across files.

#[cfg(test)]
mod tests;

use super::facts::Fingerprint;
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeMap;
use syn::Block;

/// Shorter bodies are alike by chance: getters, `Display`, delegation.
pub(super) const TOKENS_MIN: u32 = 40;

/// The fingerprint of a body of at least [`TOKENS_MIN`] tokens.
pub(super) fn of(body: &Block) -> Option<Fingerprint> {
    let mut normal = Normal::default();
    normal.stream(body.to_token_stream());
    (normal.tokens >= TOKENS_MIN).then(|| {
        let hex = blake3::hash(normal.text.as_bytes()).to_hex();
        Fingerprint { hash: hex[..32].to_string(), tokens: normal.tokens }
    })
}

/// The tokens of a body as text, with local names numbered by first use and literals blanked.
///
/// Names of functions, methods, fields, types and macros stay: two bodies that call different things
/// are no copies, however alike they look.
#[derive(Default)]
struct Normal {
    text: String,
    tokens: u32,
    locals: BTreeMap<String, usize>,
}

impl Normal {
    fn stream(&mut self, stream: TokenStream) {
        let mut trees = stream.into_iter().peekable();
        let mut before = (' ', ' ');
        while let Some(tree) = trees.next() {
            match tree {
                TokenTree::Group(group) => {
                    let (open, close) = brackets(group.delimiter());
                    self.token(open);
                    self.stream(group.stream());
                    self.token(close);
                    before = (' ', ' ');
                }
                TokenTree::Ident(ident) => {
                    let name = ident.to_string();
                    // `a.b` and `a::b` name something of `a`; `a..b` does not.
                    let member = before == (':', ':') || (before.1 == '.' && before.0 != '.');
                    let fixed = member || is_keyword(&name) || name.starts_with(|c: char| c.is_uppercase());
                    if fixed || trees.peek().is_some_and(names_it) {
                        self.token(&name);
                    } else {
                        let next = self.locals.len();
                        let number = *self.locals.entry(name).or_insert(next);
                        self.token(&format!("${number}"));
                    }
                    before = (' ', ' ');
                }
                TokenTree::Literal(literal) => {
                    self.token(kind_of_literal(&literal.to_string()));
                    before = (' ', ' ');
                }
                TokenTree::Punct(punct) => {
                    before = (before.1, punct.as_char());
                    self.token(punct.as_char().encode_utf8(&mut [0; 4]));
                }
            }
        }
    }

    fn token(&mut self, text: &str) {
        self.tokens = self.tokens.saturating_add(u32::from(!text.is_empty()));
        self.text.push_str(text);
        self.text.push(' ');
    }
}

/// Whether the token behind a name says that it is no local variable: a call, a path, a macro.
fn names_it(next: &TokenTree) -> bool {
    match next {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Parenthesis,
        TokenTree::Punct(punct) => {
            matches!((punct.as_char(), punct.spacing()), (':', Spacing::Joint) | ('!', Spacing::Alone))
        }
        _ => false,
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::None => ("", ""),
    }
}

/// Literals of different kinds stay different; their values do not matter.
fn kind_of_literal(text: &str) -> &'static str {
    match text.trim_start_matches(['b', 'c', 'r', '#']).chars().next() {
        Some('"') => "\"\"",
        Some('\'') => "''",
        _ => "0",
    }
}

/// Lower-case words of the language that stand where a local name could.
fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 36] = [
        "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn",
        "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self",
        "static", "struct", "super", "trait", "true", "type", "unsafe", "use", "where",
    ];
    word == "while" || KEYWORDS.contains(&word)
}
