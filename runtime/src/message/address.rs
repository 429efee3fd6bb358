//! Whom a message is for: `agent`, one of its instances `agent#2`, or the same with its node, `node/agent#2`.

/// An address, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// The node, if the address names one.
    pub(super) node: Option<&'a str>,
    pub(super) agent: &'a str,
    /// The number of the instance, from 1; `None` for any.
    pub(super) instance: Option<usize>,
}

impl<'a> Address<'a> {
    /// Takes `text` apart. What follows a `#` and is no number stays part of the agent's id, which nobody has.
    pub(super) fn of(text: &'a str) -> Self {
        let (node, rest) = text.split_once('/').map_or((None, text), |(node, rest)| (Some(node), rest));
        let numbered = rest.rsplit_once('#').and_then(|(agent, number)| Some((agent, number.parse().ok()?)));
        match numbered {
            Some((agent, instance)) => Self { node, agent, instance: Some(instance) },
            None => Self { node, agent: rest, instance: None },
        }
    }
}

/// The name that is most like `wanted`, if one is like it at all.
pub(super) fn closest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Ids have at most 128 bytes; what is longer is compared by its beginning.
    let wanted = wanted.get(..128).unwrap_or(wanted);
    let near = names.map(|name| (distance(wanted, name), name)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, _)| *distance <= wanted.len().div_ceil(3).max(1)).map(|(_, name)| name)
}

/// How many bytes must be added, left out or changed (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}
