//! A small lexer of Rust: enough to tell comments from text, and to see how deeply a file is nested.
//!
//! It reads any input, also one that is no Rust at all, and never fails: what is unterminated ends
//! with the file. Comments are no part of the tokens a parser hands out, which is why it exists.

#[cfg(test)]
mod tests;

/// What a token is, as far as counting needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `// …`, `/// …`, `//! …`, without the end of the line.
    LineComment,
    /// `/* … */`, nested ones included.
    BlockComment,
    /// A string, byte string, C string or character in any of their spellings.
    Text,
    /// An identifier, a keyword, a number or a lifetime.
    Word,
    /// One of `( [ {`.
    Open(u8),
    /// One of `) ] }`.
    Close,
    /// Any other single byte that is no white space.
    Punct(u8),
}

impl Kind {
    /// Whether this is a comment of either kind.
    pub(super) fn is_comment(self) -> bool {
        matches!(self, Kind::LineComment | Kind::BlockComment)
    }
}

/// A token and where it is, in bytes from the start of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Iterates over the tokens of a source, in order and without overlap.
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Lexer { bytes: source.as_bytes(), at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Moves to the first byte from here on for which `stop` holds, or to the end.
    fn skip_until(&mut self, stop: impl Fn(u8) -> bool) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|&b| stop(b)).unwrap_or(rest.len());
    }

    fn advance(&mut self, by: usize) {
        self.at = (self.at + by).min(self.bytes.len());
    }

    fn block_comment(&mut self) -> Kind {
        let mut open = 0_usize;
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'/', Some(b'*')) => open += 1,
                (b'*', Some(b'/')) => open -= 1,
                _ => {
                    self.advance(1);
                    continue;
                }
            }
            self.advance(2);
            if open == 0 {
                break;
            }
        }
        Kind::BlockComment
    }

    /// From the opening quote on, to behind the closing one.
    fn string(&mut self) -> Kind {
        self.advance(1);
        loop {
            self.skip_until(|b| b == b'"' || b == b'\\');
            match self.peek(0) {
                Some(b'\\') => self.advance(2),
                _ => {
                    self.advance(1);
                    return Kind::Text;
                }
            }
        }
    }

    /// From the first `#` or the quote on; `hashes` of them close it again.
    fn raw_string(&mut self, hashes: usize) -> Kind {
        self.advance(hashes + 1);
        loop {
            self.skip_until(|b| b == b'"');
            self.advance(1);
            let closes = (0..hashes).all(|ahead| self.peek(ahead) == Some(b'#'));
            if closes || self.at == self.bytes.len() {
                self.advance(hashes);
                return Kind::Text;
            }
        }
    }

    /// `'a'` is a character and `'a` a lifetime: the quote behind the first character decides.
    fn quote(&mut self) -> Kind {
        let Some(first) = self.peek(1) else {
            self.advance(1);
            return Kind::Punct(b'\'');
        };
        if first == b'\\' {
            self.advance(3);
            self.skip_until(|b| b == b'\'' || b == b'\n');
            self.advance(1);
            return Kind::Text;
        }
        let width = width_of_char(first);
        if self.peek(1 + width) == Some(b'\'') {
            self.advance(2 + width);
            return Kind::Text;
        }
        self.advance(1);
        if !is_word(first) {
            return Kind::Punct(b'\'');
        }
        self.skip_until(|b| !is_word(b));
        Kind::Word
    }

    /// A word, or the literal that begins with it: `r#"…"#`, `b"…"`, `c"…"`, `b'…'`.
    fn word(&mut self) -> Kind {
        let start = self.at;
        self.skip_until(|b| !is_word(b));
        let word = &self.bytes[start..self.at];
        let raw = matches!(word, b"r" | b"br" | b"cr");
        match self.peek(0) {
            Some(b'"') if raw => self.raw_string(0),
            Some(b'"') if matches!(word, b"b" | b"c") => self.string(),
            Some(b'\'') if word == b"b" => self.quote(),
            Some(b'#') if raw => {
                let hashes = self.bytes[self.at..].iter().take_while(|&&b| b == b'#').count();
                match self.peek(hashes) {
                    Some(b'"') => self.raw_string(hashes),
                    // `r#type`: a raw identifier.
                    Some(b) if hashes == 1 && is_word(b) => {
                        self.advance(1);
                        self.skip_until(|b| !is_word(b));
                        Kind::Word
                    }
                    _ => Kind::Word,
                }
            }
            _ => Kind::Word,
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_until(|b| !b.is_ascii_whitespace());
        let start = self.at;
        let kind = match (self.peek(0)?, self.peek(1)) {
            (b'/', Some(b'/')) => {
                self.skip_until(|b| b == b'\n');
                Kind::LineComment
            }
            (b'/', Some(b'*')) => self.block_comment(),
            (b'"', _) => self.string(),
            (b'\'', _) => self.quote(),
            (byte, _) if is_word(byte) => self.word(),
            (byte, _) => {
                self.advance(1);
                match byte {
                    b'(' | b'[' | b'{' => Kind::Open(byte),
                    b')' | b']' | b'}' => Kind::Close,
                    _ => Kind::Punct(byte),
                }
            }
        };
        Some(Token { kind, start, end: self.at })
    }
}

/// Every byte beyond ASCII counts as a letter: identifiers may hold them, and nothing else does outside text.
fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// How many bytes the character has that begins with this byte of valid UTF-8.
fn width_of_char(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}
