//! A folder of Rust files that read like real ones, the same in every run.

use crate::random::Random;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

/// Files of the corpus; their paths sort in the order of their numbers.
pub(super) const FILES: usize = 320;
const FILES_A_CRATE: usize = 40;
const SEED: u64 = 0x00ca_11b0;

const NOUNS: [&str; 12] = [
    "order", "ledger", "account", "route", "packet", "session", "cursor", "page", "signal", "bucket", "token", "frame",
];
const VERBS: [&str; 10] =
    ["parse", "merge", "settle", "collect", "resolve", "advance", "encode", "trim", "find", "fold"];

/// The path of a file below the root.
pub(super) fn path(number: usize) -> String {
    format!("crate_{:02}/src/module_{number:03}.rs", number / FILES_A_CRATE)
}

/// Writes all files below `root`.
pub(super) fn write(root: &Path) -> io::Result<()> {
    let mut random = Random(SEED);
    for number in 0..FILES {
        let file = root.join(path(number));
        fs::create_dir_all(file.parent().expect("every file is in a crate"))?;
        fs::write(file, text(number, &mut random))?;
    }
    Ok(())
}

fn text(number: usize, random: &mut Random) -> String {
    let noun = NOUNS[random.below(NOUNS.len())];
    let mut text = format!("//! Keeps every {noun} of part {number}.\n\nuse std::collections::BTreeMap;\n\n");
    structure(noun, number, random, &mut text);
    for nth in 0..2 + random.below(8) {
        function(noun, nth, random, &mut text);
    }
    if number % 97 == 41 {
        text.push_str("fn cut_off(in: {\n"); // people keep files that do not parse, too
    }
    text
}

fn structure(noun: &str, number: usize, random: &mut Random, text: &mut String) {
    let name = format!("{}{}{number}", noun[..1].to_uppercase(), &noun[1..]);
    let visible = if random.below(3) == 0 { "" } else { "pub " };
    let _infallible = write!(text, "/// One {noun}.\n#[derive(Clone, Debug, Default)]\n{visible}struct {name} {{\n");
    for nth in 0..1 + random.below(6) {
        let kind = ["u64", "String", "Vec<u8>", "Option<usize>", "BTreeMap<String, u64>"][random.below(5)];
        let _infallible = writeln!(text, "    {visible}{}_{nth}: {kind},", NOUNS[random.below(NOUNS.len())]);
    }
    text.push_str("}\n\n");
}

fn function(noun: &str, nth: usize, random: &mut Random, text: &mut String) {
    let verb = VERBS[random.below(VERBS.len())];
    if random.below(2) == 0 {
        let _infallible = writeln!(text, "/// Tries to {verb} what came before the {noun}.");
    }
    let visible = if random.below(2) == 0 { "pub " } else { "" };
    let _infallible = writeln!(text, "{visible}fn {verb}_{noun}_{nth}(items: &[u64], limit: usize) -> Option<u64> {{");
    text.push_str("    let mut sum = 0u64;\n    let mut seen = BTreeMap::new();\n");
    for _ in 0..1 + random.below(5) {
        block(1, random, text);
    }
    text.push_str("    seen.insert(sum, limit);\n    seen.keys().next().copied()\n}\n\n");
}

/// A statement that may hold others, at most four deep.
fn block(depth: usize, random: &mut Random, text: &mut String) {
    let (indent, n) = ("    ".repeat(depth), random.below(1_000));
    let plain = [
        format!("{indent}sum = sum.wrapping_mul({n}).rotate_left(3);\n"),
        format!("{indent}sum += items.iter().filter(|item| **item > {n}).count() as u64;\n"),
        format!("{indent}seen.insert(items.first().copied().unwrap(), {n});\n"),
        format!("{indent}// what is above {n} was counted before\n{indent}sum ^= {n};\n"),
    ];
    let opens = [
        format!("{indent}if sum % 7 == {} || items.len() > {n} {{\n", n % 7),
        format!("{indent}for item in items.iter().take(limit.min({n})) {{\n{indent}    sum += item;\n"),
        format!("{indent}while sum < {n} {{\n{indent}    sum += 1;\n"),
    ];
    if depth > 4 || random.below(3) == 0 {
        text.push_str(&plain[random.below(plain.len())]);
        return;
    }
    text.push_str(&opens[random.below(opens.len())]);
    for _ in 0..1 + random.below(2) {
        block(depth + 1, random, text);
    }
    let _infallible = writeln!(text, "{indent}}}");
}
