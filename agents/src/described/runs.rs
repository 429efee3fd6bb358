//! What runs an agent: the section `runs` of its file.

use super::section::Entry;
use crate::command::{Argument, Command, CommandSettings, OwnFolder};
use crate::echo::Echo;
use crate::file::{File, FileSettings};
use crate::ready_made::Runner;
use std::path::{Path, PathBuf};

/// The one thing that runs it.
pub(super) fn runner(entry: &Entry<'_>, file: &Path) -> Option<Runner> {
    let section = entry.section()?;
    let given = [section.take("command"), section.take("echo"), section.take("file"), section.take("http")];
    section.finish();
    let count = given.iter().flatten().count();
    let [command, echo, files, http] = given;
    if count != 1 {
        entry.fault(format!("one of command, echo, file and http is expected, not {count}"));
    }
    let command = command.and_then(|entry| command_of(&entry, file));
    let echo = echo.and_then(|entry| echo_of(&entry));
    let files = files.and_then(|entry| file_of(&entry, file));
    let http = http.and_then(|entry| http_of(&entry));
    command.or(echo).or(files).or(http)
}

fn echo_of(entry: &Entry<'_>) -> Option<Runner> {
    entry.section()?.finish();
    Some(Echo.into())
}

fn command_of(entry: &Entry<'_>, file: &Path) -> Option<Runner> {
    let section = entry.section()?;
    let program = section.require("program").and_then(|entry| beside(&entry, file));
    let mut settings = CommandSettings::of(program.clone().unwrap_or_default());
    if let Some(arguments) = section.take("arguments") {
        settings.arguments = arguments.list().iter().filter_map(argument).collect();
    }
    if let Some(variables) = section.take("environment") {
        settings.environment = variables.text_members();
    }
    if let Some(variables) = section.take("pass_environment") {
        settings.pass_environment = variables.texts();
    }
    if let Some(folder) = section.take("folder").and_then(|entry| beside(&entry, file)) {
        settings.folder = OwnFolder::Fixed(folder);
    }
    settings.timeout = section.take("timeout").and_then(|entry| entry.duration()).unwrap_or(settings.timeout);
    let bytes = section.take("stdout_max").and_then(|entry| entry.bytes());
    settings.stdout_bytes_max = bytes.unwrap_or(settings.stdout_bytes_max);
    let bytes = section.take("stderr_max").and_then(|entry| entry.bytes());
    settings.stderr_bytes_max = bytes.unwrap_or(settings.stderr_bytes_max);
    if let Some(codes) = section.take("terminal_codes") {
        let codes = codes.list().into_iter().filter_map(|code| code.whole(1..=255));
        settings.terminal_codes = codes.filter_map(|code| i32::try_from(code).ok()).collect();
    }
    let entry = section.finish();
    program?;
    Command::new(settings).map_err(|faults| entry.faults(faults)).ok().map(Runner::from)
}

/// A text, or a table that says which part of the input it is.
fn argument(entry: &Entry<'_>) -> Option<Argument> {
    if !entry.is_table() {
        return entry.text().map(Argument::Fixed);
    }
    let section = entry.section()?;
    let pointer = section.require("input").and_then(|entry| entry.text());
    let prefix = section.take("prefix").and_then(|entry| entry.text()).unwrap_or_default();
    let one_of = section.take("one_of").map(|entry| entry.texts()).unwrap_or_default();
    section.finish();
    Some(Argument::Input { pointer: pointer?, prefix, one_of })
}

fn file_of(entry: &Entry<'_>, file: &Path) -> Option<Runner> {
    let section = entry.section()?;
    let root = section.require("root").and_then(|entry| beside(&entry, file));
    let mut settings = FileSettings::of(root.clone().unwrap_or_default());
    let bytes = section.take("file_max").and_then(|entry| entry.bytes());
    settings.file_bytes_max = bytes.unwrap_or(settings.file_bytes_max);
    let entries = section.take("entries_max").and_then(|entry| entry.whole(1..=100_000));
    settings.entries_max = entries.and_then(|entries| usize::try_from(entries).ok()).unwrap_or(settings.entries_max);
    let entry = section.finish();
    root?;
    File::new(settings).map_err(|faults| entry.faults(faults)).ok().map(Runner::from)
}

/// A path; one that begins with `./` is below the folder of the file that names it, whatever links there are.
fn beside(entry: &Entry<'_>, file: &Path) -> Option<PathBuf> {
    let text = entry.text()?;
    let Some(below) = text.strip_prefix("./") else { return Some(PathBuf::from(text)) };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = folder.canonicalize().and_then(|folder| Ok((folder.join(below).canonicalize()?, folder)));
    match found {
        Ok((path, folder)) if path.starts_with(&folder) => Some(path),
        Ok((path, _)) => {
            entry.fault(format!("leads out of the folder of this file, to {}", path.display()));
            None
        }
        Err(error) => {
            entry.fault(format!("{text:?} beside this file: {error}"));
            None
        }
    }
}

#[cfg(not(feature = "http"))]
fn http_of(entry: &Entry<'_>) -> Option<Runner> {
    entry.fault("this program was built without http: it needs the feature \"http\" of callboard-agents");
    None
}

#[cfg(feature = "http")]
fn http_of(entry: &Entry<'_>) -> Option<Runner> {
    use crate::http::{Http, HttpSettings};
    let section = entry.section()?;
    let mut settings = HttpSettings::of(section.take("hosts").map(|entry| hosts(&entry)).unwrap_or_default());
    settings.private_hosts = section.take("private_hosts").map(|entry| hosts(&entry)).unwrap_or_default();
    settings.methods = section.take("methods").map_or(settings.methods, |entry| entry.texts());
    settings.request_headers = section.take("request_headers").map_or(settings.request_headers, |entry| entry.texts());
    settings.response_headers =
        section.take("response_headers").map_or(settings.response_headers, |entry| entry.texts());
    if let Some(headers) = section.take("fixed_headers") {
        let headers = headers.members().into_iter();
        settings.fixed_headers = headers.filter_map(|(name, entry)| Some((name.to_owned(), header(&entry)?))).collect();
    }
    if let Some(statuses) = section.take("accept") {
        let statuses = statuses.list().into_iter().filter_map(|status| status.whole(300..=599));
        settings.accept = statuses.filter_map(|status| u16::try_from(status).ok()).collect();
    }
    settings.timeout = section.take("timeout").and_then(|entry| entry.duration()).unwrap_or(settings.timeout);
    let redirects = section.take("redirects_max").and_then(|entry| entry.whole(0..=20));
    settings.redirects_max = redirects.unwrap_or(settings.redirects_max);
    let bytes = section.take("request_max").and_then(|entry| entry.bytes());
    settings.request_bytes_max = bytes.unwrap_or(settings.request_bytes_max);
    let bytes = section.take("response_max").and_then(|entry| entry.bytes());
    settings.response_bytes_max = bytes.unwrap_or(settings.response_bytes_max);
    let entry = section.finish();
    Http::new(settings).map_err(|faults| entry.faults(faults)).ok().map(Runner::from)
}

#[cfg(feature = "http")]
fn hosts(entry: &Entry<'_>) -> Vec<crate::http::Host> {
    let host = |entry: &Entry<'_>| {
        let host = entry.text()?.parse().map_err(|fault: crate::http::HostFault| entry.fault(fault.to_string()));
        host.ok()
    };
    entry.list().iter().filter_map(host).collect()
}

/// A text, or `{ environment = "NAME" }`.
#[cfg(feature = "http")]
fn header(entry: &Entry<'_>) -> Option<crate::http::HeaderValue> {
    use crate::http::HeaderValue;
    if !entry.is_table() {
        return entry.text().map(HeaderValue::Fixed);
    }
    let section = entry.section()?;
    let variable = section.require("environment").and_then(|entry| entry.text());
    section.finish();
    variable.map(HeaderValue::Environment)
}
