//! What was said wrongly on the command line, told as every error is: what was seen, and what to type instead.

use crate::args::Arguments;
use crate::failure::Failure;
use callboard::Code;
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory, Error};
use std::ffi::OsString;

/// The error of somebody who has typed `words`, the program first; `None` for what is no error but a question for help.
pub(crate) fn failure(error: &Error, words: &[OsString]) -> Option<Failure> {
    let rendered = error.render().to_string();
    let mut lines = rendered.strip_prefix("error: ")?.lines();
    let mut message = lines.next()?.to_owned();
    let (mut missing, mut seen) = (Vec::new(), Vec::new());
    for line in lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("For more information")) {
        match line.strip_prefix("tip: ").or_else(|| line.strip_prefix('[')?.strip_suffix(']')) {
            Some(tip) => seen.push(tip.to_owned()),
            // Where the environment says which node is asked, clap takes that for something that was typed.
            None if line.starts_with("Usage: ") => {
                seen.push(line.replacen("Usage: ", "it is written: ", 1).replace(" --addr <HOST:PORT>", ""));
            }
            // What is left are the arguments that were not provided.
            None => missing.push(line.to_owned()),
        }
    }
    if !missing.is_empty() {
        message = format!("{message} {}", missing.join(" "));
    }
    let next = mended(error, words).unwrap_or_else(|| help(words));
    Some(seen.into_iter().fold(Failure::new(Code::Usage, message), Failure::seen).next(next))
}

/// The same words with the one that was meant, if that is clear.
fn mended(error: &Error, words: &[OsString]) -> Option<String> {
    let pairs = [
        (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
        (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        (ContextKind::InvalidValue, ContextKind::SuggestedValue),
    ];
    let (wrong, right) =
        pairs.into_iter().find_map(|(wrong, right)| Some((text(error, wrong)?, text(error, right)?)))?;
    // An argument is told with its value's name: "--status <STATUS>".
    let right = right.split(' ').next()?.to_owned();
    let mut words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let word = words.iter_mut().skip(1).find(|word| **word == wrong || word.ends_with(&format!("={wrong}")))?;
    *word = format!("{}{right}", word.strip_suffix(&wrong)?);
    let words = words.iter().skip(1).map(|word| quoted(word));
    Some(std::iter::once("callboard".to_owned()).chain(words).collect::<Vec<_>>().join(" "))
}

/// The command that says how this is written: help for as many of the words as name a command.
fn help(words: &[OsString]) -> String {
    let root = Arguments::command();
    let mut command = &root;
    let mut help = "callboard help".to_owned();
    for word in words.iter().skip(1).map(|word| word.to_string_lossy()) {
        let Some(next) = named(command, &word) else { continue };
        command = next;
        help = format!("{help} {}", command.get_name());
    }
    help
}

/// The command below this one that a word names: whole, by another name, or by a beginning that no other has.
fn named<'a>(command: &'a Command, word: &str) -> Option<&'a Command> {
    let begins = |command: &&Command| !word.is_empty() && command.get_name().starts_with(word);
    let mut beginning = command.get_subcommands().filter(begins);
    let only = beginning.next().filter(|_| beginning.next().is_none());
    command.find_subcommand(word).or(only)
}

/// What clap knows of this; of several the one that comes closest.
fn text(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(all) => all.last().cloned(),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A word as a shell wants it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
