//! The keys of durable calls: what a call is known by in the journal.
//!
//! A key is the scope, the kind of the call, its name and, from the second on, its occurrence: `step:tag`,
//! `call:vcs.build#2`, `retries/step:fetch`. It does not tell the place of the call, so a call that is inserted into the
//! code of a handler disturbs no other.

use std::borrow::Cow;

/// The longest key in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 1_024;

/// `kind:name` in `scope`, without its occurrence.
pub(crate) fn stem(scope: &str, kind: &str, name: &str) -> String {
    if name.is_empty() { format!("{scope}{kind}") } else { format!("{scope}{kind}:{}", escaped(name)) }
}

/// The key of occurrence `n`, from 1.
pub(crate) fn occurrence(stem: String, n: u32) -> String {
    if n == 1 { stem } else { format!("{stem}#{n}") }
}

/// What a name may not hold literally: it would end a scope or begin an occurrence.
fn escaped(name: &str) -> Cow<'_, str> {
    if !name.contains(['%', '/', '#', '[']) && !name.contains(char::is_control) {
        return name.into();
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        match c {
            '%' | '/' | '#' | '[' => escaped.push_str(&format!("%{:02X}", u32::from(c))),
            c if c.is_control() => escaped.push_str(&format!("%{:02X}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::{occurrence, stem};

    #[test]
    fn no_two_calls_have_one_key() {
        assert_eq!(stem("", "step", "tag"), "step:tag");
        assert_eq!(stem("a/", "sleep", ""), "a/sleep");
        assert_eq!(stem("", "step", "a/b#2[%"), "step:a%2Fb%232%5B%25");
        assert_ne!(occurrence(stem("", "step", "a"), 2), stem("", "step", "a#2"));
        assert_eq!(occurrence("step:a".into(), 1), "step:a");
        assert_eq!(occurrence("step:a".into(), 2), "step:a#2");
    }
}
