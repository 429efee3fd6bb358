//! Names that are nearly right.

/// The longest text for which a name is looked for: twice the longest name.
const BYTES_MAX: usize = 256;

/// The candidate with the smallest edit distance (Damerau 1964, Levenshtein 1966) to `name`, if it is near enough to be what was meant:
/// within a third of its characters, or one.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > BYTES_MAX {
        return None; // nobody meant a name by that
    }
    let limit = (name.chars().count() / 3).max(1);
    let near = candidates.into_iter().filter(|candidate| candidate.len() <= BYTES_MAX);
    let all = near.map(|candidate| (distance(name, candidate), candidate));
    all.min().filter(|(found, _)| *found <= limit).map(|(_, candidate)| candidate)
}

/// How many letters must be added, dropped, changed or exchanged with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (mut before, mut last, mut row) = (Vec::<usize>::new(), (0..=b.len()).collect::<Vec<_>>(), Vec::new());
    for i in 0..a.len() {
        row.clear();
        row.push(i + 1);
        for j in 0..b.len() {
            let changed = last[j] + usize::from(a[i] != b[j]);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last[b.len()]
}
