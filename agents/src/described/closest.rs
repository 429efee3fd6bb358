//! Names that are nearly right.

/// The longest text for which a name is looked for.
const BYTES_MAX: usize = 64;

/// The candidate with the smallest edit distance (Levenshtein 1966) to `name`, if it is near enough to be what was meant:
/// within a third of its characters, or one.
pub(super) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > BYTES_MAX {
        return None;
    }
    let limit = (name.chars().count() / 3).max(1);
    let all = candidates.into_iter().map(|candidate| (distance(name, candidate), candidate));
    all.min().filter(|(found, _)| *found <= limit).map(|(_, candidate)| candidate)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
