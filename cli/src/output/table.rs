//! Lists and single things for people.

use serde_json::Value;

/// A column: its heading, and which member of an item it shows.
pub(crate) type Column = (&'static str, fn(&Value) -> String);

/// The members by which a thing is known come first, in this order.
const FIRST: [&str; 9] = ["id", "code", "name", "title", "workflow", "capability", "status", "key", "version"];

#[cfg(test)]
mod tests;

/// No column is cut below this.
const CELL_MIN: usize = 8;

/// A list by its columns; where a line has only so much room the widest are cut.
pub(super) fn list(items: &[Value], columns: &[Column], in_colour: bool, room: Option<usize>) -> String {
    let heading: Vec<String> = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let rows = items.iter().map(|item| columns.iter().map(|(_, cell)| cell(item)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns.len()).map(width).collect();
    if let Some(room) = room {
        fit(&mut widths, room);
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let cell = &cut(cell, *width);
            let padded = format!("{cell:<width$}");
            if in_colour { painted(cell, padded) } else { padded }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Cuts the widest column, and of several the last, until a line fits or no column can be cut any more.
fn fit(widths: &mut [usize], room: usize) {
    loop {
        let gaps = 2 * widths.len().saturating_sub(1);
        let whole = widths.iter().sum::<usize>() + gaps;
        let Some(widest) = widths.iter_mut().max().filter(|widest| whole > room && **widest > CELL_MIN) else { return };
        *widest -= 1;
    }
}

/// A cell of so many characters at most.
fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['\u{2026}']).collect()
}

/// One thing, a member a line.
pub(super) fn members(one: &Value) -> String {
    let Value::Object(members) = one else { return one.to_string() };
    let width = members.keys().map(String::len).max().unwrap_or(0);
    let (mut first, rest): (Vec<_>, Vec<_>) = members.iter().partition(|(key, _)| FIRST.contains(&key.as_str()));
    first.sort_by_key(|(key, _)| FIRST.iter().position(|first| first == key));
    first
        .into_iter()
        .chain(rest)
        .map(|(key, value)| format!("{key:<width$}  {}", plain(value)))
        .collect::<Vec<_>>()
        .join("\n")
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
fn painted(word: &str, padded: String) -> String {
    let colour = match word {
        "completed" => "32",
        "failed" | "dead" | "quarantined" => "31",
        "running" | "ready" => "36",
        "paused" | "parked" | "cancelled" | "skipped" | "undoing" => "33",
        _ => return padded,
    };
    format!("\u{1b}[{colour}m{padded}\u{1b}[0m")
}
