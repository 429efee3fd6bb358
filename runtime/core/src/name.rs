//! Names that are nearly right.

/// The longest text for which a name is looked for: twice the longest name.
const BYTES_MAX: usize = 256;

/// The candidate with the smallest edit distance (Damerau 1964) to `name`, if it is near enough to be what was meant:
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

/// Letters to insert, take away or replace, and neighbours to swap.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let substitution = above[j] + usize::from(a[i] != b[j]);
            let mut least = substitution.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}
