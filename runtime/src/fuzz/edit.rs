//! Changes to a sample, each of three numbers: what is done, where, and with what.
//!
//! They know what bytes of ours are made of: numbers, quotes, brackets, lines, lengths. The smaller the numbers the smaller
//! the change, so that a generator that shrinks numbers shrinks changes.

/// What is done, where (any number; it is taken modulo the length), and with what.
pub type Edit = (u8, u32, u32);

/// How many kinds of edits there are.
pub const KINDS: u8 = 13;

/// Numbers that are at, or beyond, the end of something.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "-0",
    "0.0",
    "1e0",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "1e999",
    "-1e999",
    "1e-999",
    "1E400",
    "0.1e-99999999999",
    "00",
    "01",
    "+1",
    "1_000",
    "0x7fffffffffffffff",
    "NaN",
    ".inf",
    "5000000000000000000000000",
    "9223372036854775807ms",
    "584942417y",
    "16777216TiB",
    "1e30GiB",
];

/// The ends of the numbers that there are.
pub const EXTREMES: [&str; 6] =
    ["18446744073709551615", "9223372036854775807", "-9223372036854775808", "4294967295", "0", "1e999"];

/// What means something somewhere, or nothing anywhere.
const TOKENS: &[&str] = &[
    "null",
    "true",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\u0024from",
    "\u{feff}",
    "\u{2028}",
    "\u{85}",
    "\u{e000}",
    "é",
    "\u{1F980}",
    "\u{7f}",
    "\t",
    " ",
    "  ",
    "- ",
    "? ",
    ": ",
    "*a",
    "&a ",
    "!!str ",
    "!",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "|\n",
    ">+9\n",
    "<<",
    "'",
    "\"\"\"",
    "[[",
    "]]",
    "[a.b]\n",
    "a.b=1\n",
    "#",
    "{\"$from\":\"a\"}",
    "{\"$all\":[\"a\",\"a\"]}",
    "{\"$literal\":{}}",
    "{\"a\":1,\"a\":2}",
    "[]",
    "{}",
    "\"\"",
    "/",
    "/../",
    ".",
    "..",
    "%00",
    "%",
    "_",
    "__",
    "=",
    ">=",
    "!=",
    "*/0",
    "L",
    "W",
    "1-0",
    "0 0 30 2 *",
    "@yearly",
    "Europe/Berlin",
];

/// What opens, and what closes.
const BRACKETS: &[(&str, &str)] = &[
    ("[", "]"),
    ("{\"a\":", "}"),
    ("{\"$literal\":", "}"),
    ("{\"allOf\":[", "]}"),
    ("{\"not\":", "}"),
    ("- ", ""),
    ("? ", ""),
    ("a: ", ""),
    ("a.", "b"),
    ("{a=", "}"),
    ("(", ")"),
    ("&a [", "]"),
    ("[{\"a\":[", "]}]"),
    ("\"a\":{", "}"),
    ("- - ", "\n"),
];

/// How deep.
const DEPTHS: &[usize] = &[1, 2, 10, 64, 120, 121, 127, 128, 129, 1_000, 10_000, 100_000];

/// How often.
const TIMES: &[usize] = &[2, 3, 10, 100, 1_000];

/// No edit makes more of a sample than this.
pub const BYTES_MAX: usize = 1 << 20;

/// Applies edits to a sample, one after the other; `other` is a sample that parts may be taken from.
pub fn edited(sample: &[u8], other: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for edit in edits {
        apply(&mut bytes, other, *edit);
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

/// So many levels of something, closed or left open.
pub fn nested(kind: usize, depth: usize, closed: bool) -> String {
    let (opens, closes) = pick(BRACKETS, kind);
    let mut text = opens.repeat(depth);
    if closed {
        text.push('1');
        text.push_str(&closes.repeat(depth));
    }
    text
}

/// How many kinds of nesting there are.
pub fn kinds_of_nesting() -> usize {
    BRACKETS.len()
}

/// Where numbers stand in a sample.
pub fn numbers(sample: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in sample.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match found.last_mut().filter(|last| last.end == at) {
            Some(last) => last.end = at + 1,
            None => found.push(at..at + 1),
        }
    }
    // Of an id in hex digits no part is a number.
    let is_part = |at: Option<&u8>| at.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    found.retain(|place| {
        !is_part(sample.get(place.end)) && !is_part(place.start.checked_sub(1).and_then(|at| sample.get(at)))
    });
    found
}

fn pick<T: Copy>(of: &[T], which: usize) -> T {
    of[which % of.len()]
}

fn apply(bytes: &mut Vec<u8>, other: &[u8], (kind, at, what): Edit) {
    let (what, end) = (what as usize, bytes.len());
    let at = at as usize % (end + 1);
    let upto = |many: usize| end.min(at + many);
    let mut put = |from: usize, to: usize, with: &[u8]| drop(bytes.splice(from..to, with.iter().copied()));
    match kind % KINDS {
        0 => put(at, upto(1), &[(what % 256) as u8]),
        1 => put(at, upto(1 + what % 40), &[]),
        2 => put(at, end, &[]),
        3 => put(at, at, pick(TOKENS, what).as_bytes()),
        4 => {
            let (from, to) = word(bytes, at, |byte| byte.is_ascii_alphanumeric() || b".-+_".contains(&byte));
            bytes.splice(from..to, pick(NUMBERS, what).bytes());
        }
        5 => {
            let (from, to) = word(bytes, at, |byte| byte != b'"');
            bytes.splice(from..to, pick(TOKENS, what).bytes());
        }
        6 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (what % 8);
            }
        }
        7 => {
            let part = bytes[at..upto(1 + what / 8 % 200)].repeat(pick(TIMES, what % 8));
            bytes.splice(at..at, part);
        }
        8 => {
            // From one comma, or line, to the next: a member or an event for the second time.
            let breaks = |byte: &u8| matches!(byte, b',' | b'\n');
            let from = bytes[..at].iter().rposition(breaks).unwrap_or(0);
            let to = bytes[at..].iter().position(breaks).map_or(end, |place| at + place);
            let part = bytes[from..to].to_vec();
            bytes.splice(to..to, part);
        }
        9 => {
            let deep = nested(
                what / DEPTHS.len() / 2,
                pick(DEPTHS, what % DEPTHS.len()),
                (what / DEPTHS.len()).is_multiple_of(2),
            );
            let (from, to) = word(bytes, at, |byte| byte.is_ascii_alphanumeric());
            bytes.splice(from..to, deep.bytes());
        }
        10 => {
            // Where binary forms have their lengths, or any four bytes.
            let size = (u32::MAX >> (what % 32)).to_le_bytes();
            put(at, upto(4), &size);
        }
        11 => {
            let from = what % (other.len() + 1);
            let part = &other[from..other.len().min(from + 64)];
            put(at, upto(what / 7 % 64), part);
        }
        _ => {
            let (from, to) = word(bytes, at, |byte| byte.is_ascii_alphanumeric());
            let long = "a".repeat(1 << (what % 18));
            bytes.splice(from..to, long.bytes());
        }
    }
}

/// The bytes around `at` of which this is true.
fn word(bytes: &[u8], at: usize, is_part: impl Fn(u8) -> bool) -> (usize, usize) {
    let from = bytes[..at].iter().rposition(|byte| !is_part(*byte)).map_or(0, |place| place + 1);
    let to = bytes[at..].iter().position(|byte| !is_part(*byte)).map_or(bytes.len(), |place| at + place);
    (from, to)
}
