//! What differs from run to run, told alike: ids, times, addresses.

use std::collections::BTreeMap;

/// How long an id is, and a moment, with milliseconds and without.
const UUID: usize = 36;
const MOMENT: usize = 24;
const SECOND: usize = 20;
/// How many digits milliseconds since 1970 have.
const COUNT: usize = 13;

/// The names that are known of things with ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Normal {
    /// By the id or whatever else is there.
    names: BTreeMap<String, String>,
}

impl Normal {
    /// Calls something by another name, filled up to the same length where that is longer.
    pub(super) fn call(&mut self, real: impl Into<String>, name: &str) {
        let real = real.into();
        let length = real.chars().count();
        self.names.insert(real, format!("{name:.<length$}"));
    }

    /// Words that are typed, with real ids.
    pub(super) fn real(&self, word: &str) -> String {
        let real = self.names.iter().find_map(|(real, name)| {
            let rest = word.strip_prefix(name.trim_end_matches('.'))?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{real}{rest}"))
        });
        real.unwrap_or_else(|| word.to_owned())
    }

    /// A text in which nothing differs from run to run.
    pub(super) fn of(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (real, name) in &self.names {
            text = text.replace(real, name);
        }
        let text: String = text.split_inclusive('\n').map(|line| durations(&milliseconds(&moments(line)))).collect();
        phases(&text)
    }
}

/// Every moment as the same one, of the same length, and every cursor and instance.
fn moments(line: &str) -> String {
    let is_of = |text: &str, form: &str| {
        let is_one = |(byte, form)| if form == b'd' { u8::is_ascii_digit(&byte) } else { byte == form };
        text.len() >= form.len() && text.bytes().zip(form.bytes()).all(is_one)
    };
    let is_moment = |text: &str| is_of(text, "dddd-dd-ddTdd:dd:dd.dddZ");
    let is_second = |text: &str| is_of(text, "dddd-dd-ddTdd:dd:ddZ");
    let is_count = |text: &str| is_of(text, "ddddddddddddd");
    let is_uuid = |text: &str| {
        let is_one = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        text.len() >= UUID && text.bytes().take(UUID).enumerate().all(is_one)
    };
    let (mut normal, mut rest) = (String::new(), line);
    while let Some(first) = rest.chars().next() {
        let taken = if is_moment(rest) {
            normal.push_str("2026-11-20T10:36:20.125Z");
            MOMENT
        } else if is_second(rest) {
            normal.push_str("2026-11-20T10:36:20Z");
            SECOND
        } else if is_count(rest) {
            normal.push_str("1790000000000");
            COUNT
        } else if is_of(rest, "#d") {
            normal.push_str("#1");
            rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |digits| digits + 1)
        } else if is_uuid(rest) && !rest.starts_with("00000000") {
            normal.push_str("00000000-0000-7000-8000-000000000000");
            UUID
        } else {
            normal.push(first);
            first.len_utf8()
        };
        rest = &rest[taken..];
    }
    normal
}

/// Members of JSON or YAML whose number is a time that passes, or a health that recovers.
fn milliseconds(line: &str) -> String {
    const PASSING: [&str; 6] = ["since_ms", "open_for_ms", "whole_ms", "retry_in_ms", "health", "position"];
    let mut line = line.to_owned();
    for key in PASSING {
        for lead in [
            format!("\"{key}\":\""),
            format!("\"{key}\":"),
            format!("{key}: \""),
            format!("{key}: "),
            format!("{key} "),
        ] {
            let mut from = 0;
            while let Some(at) = line[from..].find(&lead).map(|at| from + at) {
                let begin = at + lead.len();
                let length =
                    line[begin..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(line.len() - begin);
                let is_member = lead.starts_with('"') || line[..at].trim_start_matches([' ', '-']).is_empty();
                if length > 0 && is_member {
                    line.replace_range(begin..begin + length, "0");
                }
                from = begin;
            }
        }
    }
    line
}

/// What is left of times: `12.5ms`, `3.0s`, `80%`.
fn durations(line: &str) -> String {
    // A setting is no time that has passed.
    if line.trim_end().ends_with("  default") {
        return line.to_owned();
    }
    let (mut normal, mut rest) = (String::new(), line);
    let is_unit =
        |text: &str| ["ms", "\u{b5}s", "ns", "s"].iter().find(|unit| text.starts_with(**unit)).map(|unit| unit.len());
    while let Some(first) = rest.chars().next() {
        let is_begin = normal.chars().next_back().is_none_or(|last| !last.is_ascii_alphanumeric() && last != '.');
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let unit = is_unit(behind).filter(|_| number.contains('.') || behind.starts_with("ms"));
        let percent = behind.starts_with('%').then_some(1);
        match unit.map(|length| ("TIME", length)).or(percent.map(|length| ("N%", length))) {
            Some((word, length)) if is_begin && digits > 0 => {
                normal.push_str(word);
                rest = &behind[length..];
            }
            _ => {
                normal.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    normal
}

/// Where a time was, columns may be of another width: all of them are two spaces apart.
fn gaps(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    format!("{}{}", &line[..indent], words.join("  "))
}

/// Where time went, and how long a task took, which no two runs have alike: in no words at all.
fn phases(text: &str) -> String {
    let mut normal: Vec<String> = Vec::new();
    let mut hidden: Option<usize> = None;
    let is_table = text.contains("CRITICAL PATH");
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if hidden.is_some_and(|within| indent > within) {
            continue;
        }
        hidden = None;
        let key = line.trim_start_matches([' ', '-']).split(':').next().unwrap_or_default();
        if ["spent_ms", "of_tasks_ms", "duration_ms"].contains(&key) {
            hidden = Some(line.len() - line.trim_start_matches([' ', '-']).len());
            normal.push(format!("{}: ...", line.split(':').next().unwrap_or_default()));
        } else if is_table && line.starts_with("all tasks together: ") {
            normal.push("all tasks together: ...".to_owned());
        } else if is_table && line.contains("TIME") {
            normal.push(line.split("TIME").next().unwrap_or_default().to_owned() + "TIME ...");
        } else {
            normal.push(
                ["spent_ms", "of_tasks_ms", "duration_ms"]
                    .iter()
                    .fold(line.to_owned(), |line, key| emptied(&line, key)),
            );
        }
    }
    if ["TIME", "N%"].iter().any(|word| text.contains(word)) {
        normal.iter_mut().for_each(|line| *line = gaps(line));
    }
    if text.is_empty() { String::new() } else { normal.join("\n") + "\n" }
}

/// A line of JSON in which no list or object of this name has anything in it.
fn emptied(line: &str, key: &str) -> String {
    let lead = format!("\"{key}\":");
    let mut parts = line.split(&lead);
    let mut normal = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['}', ']']).map_or(part.len(), |end| end + 1);
        normal.push_str(&format!("{lead}...{}", &part[end..]));
    }
    normal
}
