//! How deep a parser would recurse on a file, estimated from above before it starts.
//!
//! `syn` descends recursively and sets no limit, so a file of a hundred thousand brackets, `!` or
//! `else if` would end the whole process with a stack overflow, which nobody can catch. Brackets
//! alone do not tell: `!!!!x`, `A<A<A<..`, `a.b().b()..` and `|x| |x| ..` nest without them. So the
//! estimate counts, for every bracket still open, the tokens since the last point where all
//! recursion at that level has certainly ended. It errs upwards: one expression of thousands of
//! tokens may be called deep though it is not.

#[cfg(test)]
mod tests;

use super::lexer::{Kind, Lexer, Token};

/// One open bracket, or the file itself, and what has been read of its present part.
struct Level {
    /// `{` for the file itself: items end there as statements do.
    open: u8,
    /// Tokens since the last point where nothing was nested here.
    length: usize,
    /// `<` that no `>` has closed: a comma between them ends nothing. Each stands for two tokens, itself and a name.
    angles: usize,
    /// Inside the parameters of a closure, as far as one can tell: same here.
    pipes: bool,
}

impl Level {
    fn new(open: u8) -> Self {
        Level { open, length: 0, angles: 0, pipes: false }
    }
}

/// The deepest point of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deepest {
    /// An upper bound of how many levels deep a recursive parser is there.
    pub(super) levels: usize,
    /// Where it is, in bytes from the start.
    pub(super) at: usize,
}

/// The deepest point of this source, the first if there are several.
pub(super) fn deepest(source: &str) -> Deepest {
    let mut levels = vec![Level::new(b'{')];
    let (mut sum, mut deepest, mut before) = (0_usize, Deepest::default(), None);
    for token in Lexer::new(source).filter(|token| !token.kind.is_comment()) {
        if token.kind == Kind::Close && levels.len() > 1 {
            sum -= levels.pop().map_or(0, |level| level.length);
        }
        if let Some(level) = levels.last_mut() {
            let was = level.length;
            step(level, before, token, source);
            sum = sum - was + level.length;
        }
        if let Kind::Open(open) = token.kind {
            levels.push(Level::new(open));
        }
        if sum > deepest.levels {
            deepest = Deepest { levels: sum, at: token.start };
        }
        before = Some(token);
    }
    deepest
}

/// Counts one token, first starting anew where the token shows that everything before it is closed.
fn step(level: &mut Level, before: Option<Token>, token: Token, source: &str) {
    let in_braces = level.open == b'{';
    let behind = before.map(|token| &source[token.start..token.end]);
    let arrow = token.kind == Kind::Punct(b'>') && before.is_some_and(|b| b.end == token.start);
    match token.kind {
        Kind::Punct(b';') if in_braces => *level = Level::new(level.open),
        Kind::Punct(b',') if !level.pipes => level.length = 2 * level.angles,
        Kind::Punct(b'<') => level.angles += 1,
        Kind::Punct(b'>') if arrow && behind == Some("-") => {}
        // The pattern of an arm, its guard and all arms before it are complete.
        Kind::Punct(b'>') if arrow && behind == Some("=") && in_braces => *level = Level::new(level.open),
        Kind::Punct(b'>') => level.angles = level.angles.saturating_sub(1),
        Kind::Punct(b'|') => level.pipes = !level.pipes,
        // A block ends a statement or an item, unless the expression goes on behind it.
        Kind::Word | Kind::Text | Kind::Punct(b'#') if in_braces && behind == Some("}") => {
            let word = &source[token.start..token.end];
            if word != "else" && word != "as" {
                *level = Level::new(level.open);
            }
        }
        _ => {}
    }
    level.length += 1;
}
