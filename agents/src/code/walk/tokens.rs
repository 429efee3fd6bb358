//! Looks into the arguments of macros, which the parser leaves as tokens.

use crate::code::facts::{PanicKind, PanicSite};
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// What stands in the arguments of a macro.
#[derive(Default)]
pub(super) struct Inside {
    pub(super) panics: Vec<PanicSite>,
    pub(super) unsafe_blocks: u32,
}

/// Finds the same places as the walk does, by the look of their tokens.
pub(super) fn scan(stream: &TokenStream) -> Inside {
    let mut inside = Inside::default();
    inside.stream(stream);
    inside
}

impl Inside {
    fn stream(&mut self, stream: &TokenStream) {
        // The two tokens before the present one.
        let mut before: [Option<TokenTree>; 2] = [None, None];
        for tree in stream.clone() {
            if let TokenTree::Group(group) = &tree {
                self.group(&before, group);
                self.stream(&group.stream());
            }
            let [_, last] = before;
            before = [last, Some(tree)];
        }
    }

    fn group(&mut self, before: &[Option<TokenTree>; 2], group: &Group) {
        match before {
            [_, Some(TokenTree::Ident(word))] if word == "unsafe" && group.delimiter() == Delimiter::Brace => {
                self.unsafe_blocks += 1;
            }
            [Some(TokenTree::Punct(dot)), Some(TokenTree::Ident(method))]
                if dot.as_char() == '.' && group.delimiter() == Delimiter::Parenthesis =>
            {
                let kind = PanicKind::of_method(&method.to_string());
                let fits = kind.filter(|kind| arguments(group) == usize::from(*kind == PanicKind::Expect));
                self.note(fits, method);
            }
            [Some(TokenTree::Ident(name)), Some(TokenTree::Punct(bang))] if bang.as_char() == '!' => {
                self.note(PanicKind::of_macro(&name.to_string()), name);
            }
            _ => {}
        }
    }

    fn note(&mut self, kind: Option<PanicKind>, at: &Ident) {
        let line = u32::try_from(at.span().start().line).unwrap_or(u32::MAX);
        self.panics.extend(kind.map(|kind| PanicSite { kind, line }));
    }
}

/// How many arguments a call has: commas, but a last one, and one more.
fn arguments(group: &Group) -> usize {
    let is_comma = |tree: &TokenTree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ',');
    let trees: Vec<TokenTree> = group.stream().into_iter().collect();
    let Some((_, but_last)) = trees.split_last() else {
        return 0;
    };
    but_last.iter().filter(|tree| is_comma(tree)).count() + 1
}
