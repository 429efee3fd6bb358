//! Lists for people.

#[cfg(test)]
mod tests;

use serde_json::Value;
use std::iter;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// A column: its heading, and which member of an item it shows.
pub(crate) type Column = (&'static str, fn(&Value) -> String);

/// No column is cut below this to have all of them on one line.
const CELL_MIN: usize = 24;
/// How far lines are indented that go on with the columns of the one before.
const INDENT: usize = 4;
/// What is between two columns.
const GAP: usize = 2;

/// How a list is to look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    pub(super) in_colour: bool,
    /// How many characters a line has room for, if that is known.
    pub(super) room: Option<usize>,
    /// Times are told as how long ago they are, from this moment.
    pub(super) now: Option<SystemTime>,
}

/// A list by its columns. Where a line has not enough room the widest columns are cut, and where that is not enough they go
/// on on lines of their own. The first column says what an item is called, and is never cut.
pub(super) fn list(items: &[Value], columns: &[Column], look: Look) -> String {
    let heading: Vec<String> = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let told = |cell: String| look.now.and_then(|now| ago(&cell, now)).unwrap_or(cell);
    let rows = items.iter().map(|item| columns.iter().map(|(_, cell)| told(one_line(cell(item)))).collect());
    let rows: Vec<Vec<String>> = iter::once(heading).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let lines = match look.room {
        Some(room) => fit(&mut widths, room),
        None => iter::once(0..columns.len()).collect(),
    };
    let line = |row: &[String], columns: &Range<usize>| {
        let cells = row[columns.clone()].iter().zip(&widths[columns.clone()]).map(|(cell, width)| {
            let cell = &cut(cell, *width);
            let padded = format!("{cell:<width$}");
            if look.in_colour { painted(cell, padded) } else { padded }
        });
        let indent = if columns.start == 0 { 0 } else { INDENT };
        format!("{:indent$}{}", "", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    let row = |row: &Vec<String>| {
        // What has nothing to say needs no line of its own.
        let lines = lines.iter().map(|columns| line(row, columns)).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// Fits columns into the room of a line: says which columns are on which line.
fn fit(widths: &mut [usize], room: usize) -> Vec<Range<usize>> {
    let whole = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let mut cut = widths.to_vec();
    while whole(&cut) > room {
        let widest = cut.iter_mut().skip(1).max().filter(|widest| **widest > CELL_MIN);
        let Some(widest) = widest else { break };
        *widest -= 1;
    }
    if whole(&cut) <= room {
        widths.copy_from_slice(&cut);
        return iter::once(0..widths.len()).collect();
    }
    let mut lines = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (column, width) in widths.iter_mut().enumerate() {
        if column > 0 {
            *width = (*width).min(room.saturating_sub(INDENT).max(CELL_MIN));
        }
        if column > start && used + GAP + *width > room {
            lines.push(start..column);
            (start, used) = (column, INDENT + *width);
        } else {
            used += if column > start { GAP } else { 0 } + *width;
        }
    }
    lines.push(start..widths.len());
    lines
}

/// A cell of so many characters at most.
pub(crate) fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['\u{2026}']).collect()
}

/// A cell without what would end its line, or paint a terminal.
pub(crate) fn one_line(cell: String) -> String {
    if cell.contains(char::is_control) {
        cell.split(char::is_control).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    } else {
        cell
    }
}

/// A moment as a person on a terminal wants it; `None` for what is no moment.
fn ago(cell: &str, now: SystemTime) -> Option<String> {
    let at = humantime::parse_rfc3339(cell).ok()?;
    Some(match (now.duration_since(at), at.duration_since(now)) {
        (Ok(ago), _) => format!("{} ago", roughly(ago)),
        (_, Ok(ahead)) => format!("in {}", roughly(ahead)),
        _ => cell.to_owned(),
    })
}

/// A time in its largest unit.
fn roughly(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A value without the quotes of a text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A status in its colour.
pub(crate) fn painted(word: &str, padded: String) -> String {
    let colour = match word {
        "completed" => "32",
        "failed" | "dead" | "quarantined" | "open" => "31",
        "running" | "ready" => "36",
        "paused" | "parked" | "cancelled" | "skipped" | "undoing" | "half_open" => "33",
        _ => return padded,
    };
    format!("\u{1b}[{colour}m{padded}\u{1b}[0m")
}
