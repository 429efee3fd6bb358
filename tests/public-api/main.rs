//! Lists the public API of crates, an item a line, from what rustdoc says of them in JSON.
//!
//!     callboard-public-api target/doc/callboard.json target/doc/callboard_core.json=callboard ...
//!
//! Of a crate behind which stands `=OTHER` only that is listed what OTHER gives out as its own.

use public_api::{Builder, PublicApi};
use std::collections::BTreeSet;
use std::error::Error;

fn read(path: &str) -> Result<PublicApi, Box<dyn Error>> {
    // What every type has, and what a compiler finds out by itself, nobody decides upon.
    let builder = Builder::from_rustdoc_json(path).omit_blanket_impls(true).omit_auto_trait_impls(true);
    builder.build().map_err(|error| format!("{path}: {error}").into())
}

fn lines(api: &PublicApi) -> Vec<String> {
    let lines = api.items().map(|item| item.to_string());
    lines.filter(|line| !is_of_std(line)).collect()
}

/// Whether it is a method that a trait of the standard library or of serde wants: that a type has the trait is another line.
fn is_of_std(line: &str) -> bool {
    const METHODS: [&str; 11] = [
        "fmt",
        "clone",
        "eq",
        "partial_cmp",
        "cmp",
        "hash",
        "default",
        "serialize",
        "deserialize",
        "json_schema",
        "schema_name",
    ];
    let name = line.strip_prefix("pub fn ").and_then(|line| line.split(['(', '<']).next()?.rsplit("::").next());
    name.is_some_and(|name| METHODS.contains(&name))
}

/// The names that a crate gives out of another: `pub use callboard::Json` of an item that is not its own.
fn given_out(lines: &[String]) -> BTreeSet<String> {
    let uses = lines.iter().filter_map(|line| line.strip_prefix("pub use "));
    uses.filter_map(|path| path.rsplit("::").next()).map(|name| name.trim_end_matches(['>', ' ']).to_owned()).collect()
}

/// Whether an item of a crate is one of these, or belongs to one of them.
fn is_of(line: &str, package: &str, names: &BTreeSet<String>) -> bool {
    let item = line.split_once(" for ").filter(|_| line.starts_with("impl")).map_or(line, |(_, item)| item);
    let path = item.split_once(&format!("{package}::")).map_or("", |(_, path)| path);
    let name = path.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    names.contains(name)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut names = BTreeSet::new();
    for argument in std::env::args().skip(1) {
        let (path, is_in_part) = argument.split_once('=').map_or((argument.as_str(), false), |(path, _)| (path, true));
        let lines = lines(&read(path)?);
        let package = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".json").to_owned();
        if is_in_part {
            lines.iter().filter(|line| is_of(line, &package, &names)).for_each(|line| println!("{line}"));
        } else {
            names.extend(given_out(&lines));
            lines.iter().for_each(|line| println!("{line}"));
        }
    }
    Ok(())
}
