//! Settings in layers: flags over the environment over a file over the defaults. Every fault of every layer is told at
//! once, with where it was seen; unknown keys are faults.

use super::Settings;
use super::effective::Effective;
use super::named::{self, Said};
use super::origin::Origin;
use super::row::{Raw, Row};
use crate::{Error, ErrorKind, Result};
use callboard_core::closest;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

const CONFIG: &str = "CALLBOARD_CONFIG";
/// What names settings in the environment, but is none of them.
const NOT_SETTINGS: [&str; 4] = [CONFIG, "CALLBOARD_ADDR", "CALLBOARD_TOKEN", "CALLBOARD_TOKEN_FILE"];
const PREFIX: &str = "CALLBOARD_";

/// Where settings come from, each layer over the one before: the defaults, a file, the environment, flags.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is read before `load`"]
pub struct Layers {
    file: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    overrides: Vec<String>,
    flags: Vec<(Arc<str>, &'static str, String)>,
}

impl Layers {
    /// Reads this TOML file; without it the one that the environment names in `CALLBOARD_CONFIG`, if it does.
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Reads the variables `CALLBOARD_...` among these; two underscores go one level down. A setting that may hold a
    /// secret has a twin `..._FILE`, which names a file to read it from.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        self.environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// Takes flags, each `key=value`: `lease=10s`, `retry.base=1s`.
    pub fn overrides(mut self, flags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.overrides = flags.into_iter().map(Into::into).collect();
        self
    }

    /// Takes a flag that has a name of its own, such as `--listen` for `http.listen`: over all other layers.
    pub fn flag(mut self, name: impl Into<Arc<str>>, key: &'static str, value: impl Into<String>) -> Self {
        self.flags.push((name.into(), key, value.into()));
        self
    }

    /// Reads all layers.
    ///
    /// # Errors
    ///
    /// `Invalid` with every fault: a file that can not be read, unknown keys, values of a wrong type or unit or out of
    /// their range, what contradicts itself, what this build has no adapter for, each with where it was seen.
    pub fn load(self) -> Result<Settings> {
        self.read().into_settings()
    }

    /// Reads all layers, and says what came of them, faults included.
    pub fn read(self) -> Effective {
        let named = self.environment.iter().find(|(name, _)| name == CONFIG).map(|(_, file)| PathBuf::from(file));
        let mut loading = Loading::default();
        if let Some(file) = self.file.or(named) {
            loading.file(&file);
        }
        loading.environment(&self.environment);
        for flag in &self.overrides {
            loading.flag(flag);
        }
        for (name, key, value) in &self.flags {
            loading.put(key, Raw::Word(value), &Origin::Flag(name.clone()));
        }
        let mut effective = loading.done();
        let found = effective.settings.found();
        let told: Vec<String> = found.iter().map(|fault| effective.told(fault)).collect();
        effective.faults.extend(told);
        effective
    }
}

/// The settings of the text of a file alone, as far as each can be read by itself: for tests.
#[cfg(any(test, feature = "test"))]
pub(super) fn text_alone(text: &str) -> Result<Settings> {
    let mut loading = Loading::default();
    loading.text(Path::new("callboard.toml"), text);
    loading.done().into_settings()
}

/// Settings in the making.
#[derive(Default)]
struct Loading {
    settings: Settings,
    /// What was said by name, in the order in which it was.
    named: Vec<Said>,
    origins: BTreeMap<String, Origin>,
    faults: Vec<String>,
}

impl Loading {
    fn file(&mut self, file: &Path) {
        match std::fs::read_to_string(file) {
            Ok(text) => self.text(file, &text),
            Err(error) => self.faults.push(format!("the file {} can not be read: {error}", file.display())),
        }
    }

    fn text(&mut self, file: &Path, text: &str) {
        let breaks: Vec<usize> =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        let line = |at: usize| breaks.partition_point(|place| *place < at) + 1;
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut unreadable = BTreeSet::new();
        for error in errors {
            let line = line(error.span().map_or(0, |span| span.start));
            self.faults.push(format!("{}:{line}: {}", file.display(), error.message()));
            unreadable.insert(line);
        }
        // What was made of a line that can not be read is nobody's words.
        let file: Arc<Path> = file.into();
        let whole = |at| Some(line(at)).filter(|line| !unreadable.contains(line));
        let origin = |at| whole(at).map(|line| Origin::File(file.clone(), line));
        self.table(table.get_ref(), "", &origin);
    }

    fn table(&mut self, table: &DeTable<'_>, within: &str, origin: &dyn Fn(usize) -> Option<Origin>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let path = format!("{within}{}", key.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) if row(&path).is_none() && !inner.is_empty() => {
                    self.table(inner, &format!("{path}."), origin);
                }
                DeValue::Table(_) if is_table(&path) || named::is_within(&path) => {}
                single => {
                    if let Some(origin) = origin(value.span().start) {
                        self.put(&path, Raw::Toml(single), &origin);
                    }
                }
            }
        }
    }

    fn environment(&mut self, variables: &[(OsString, OsString)]) {
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if NOT_SETTINGS.contains(&name) {
                continue;
            }
            match value.to_str() {
                Some(value) => self.variable(name, value),
                None => self.faults.push(format!("{name}: its value is no UTF-8")),
            }
        }
    }

    fn variable(&mut self, name: &str, value: &str) {
        let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        let origin = Origin::Variable(name.into());
        let Some(secret) = key.strip_suffix("_file").and_then(row) else {
            return self.put(&key, Raw::Word(value), &origin);
        };
        if !secret.kind.is_secret() {
            let may: Vec<&str> = rows().iter().filter(|row| row.kind.is_secret()).map(|row| row.key).collect();
            let reason = format!("only what may hold a secret is read from a file of its own: {}", may.join(", "));
            return self.faults.push(format!("{origin}: {reason}"));
        }
        match std::fs::read_to_string(value) {
            Ok(text) => self.put(secret.key, Raw::Word(text.trim_end_matches(['\r', '\n'])), &origin),
            Err(error) => self.faults.push(format!("{origin}: the file {value:?} can not be read: {error}")),
        }
    }

    fn flag(&mut self, flag: &str) {
        match flag.split_once('=') {
            Some((key, value)) => self.put(key.trim(), Raw::Word(value.trim()), &Origin::Override(key.trim().into())),
            None => self.faults.push(format!("the flag {flag:?} is not of the form key=value")),
        }
    }

    fn put(&mut self, key: &str, raw: Raw<'_>, origin: &Origin) {
        if named::is_within(key) {
            return match Said::read(key, raw, origin) {
                Ok(said) => self.named.push(said),
                Err(reason) => self.faults.push(format!("{origin}: {reason}")),
            };
        }
        let Some(row) = row(key) else {
            return self.faults.push(format!("{origin}: {}", unknown(key, origin)));
        };
        let mut done = Ok(());
        let read = row.read(raw);
        self.settings.each(&mut |other, field| {
            if other.key == key {
                done = read.clone().and_then(|amount| field.set(amount).map_err(|reason| format!("{key}: {reason}")));
            }
        });
        match done {
            Ok(()) => drop(self.origins.insert(row.key.to_owned(), origin.clone())),
            Err(reason) => self.faults.push(format!("{origin}: {reason}")),
        }
    }

    /// What came of it, once all has been said.
    fn done(self) -> Effective {
        let Self { mut settings, named, mut origins, mut faults } = self;
        for said in named {
            let (key, origin) = (said.key(), said.origin.clone());
            match said.put(&mut settings) {
                Ok(()) => drop(origins.insert(key, origin)),
                Err(reason) => faults.push(format!("{origin}: {key}: {reason}")),
            }
        }
        Effective { settings, origins, faults }
    }
}

/// All rows of the table, in their order.
pub(super) fn rows() -> Vec<&'static Row> {
    let mut rows = Vec::new();
    Settings::default().each(&mut |row, _| rows.push(row));
    rows
}

fn row(key: &str) -> Option<&'static Row> {
    rows().into_iter().find(|row| row.key == key)
}

fn is_table(key: &str) -> bool {
    rows().iter().any(|row| row.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// What to say of a key that is none.
fn unknown(key: &str, origin: &Origin) -> String {
    if is_table(key) {
        let inside: Vec<String> = rows()
            .iter()
            .filter(|row| row.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
            .map(|row| spelt(row.key, origin))
            .collect();
        return format!("{key:?} is a table, not a value; in it there are {}", inside.join(", "));
    }
    let hint = most_alike(key).map_or_else(String::new, |key| format!("; the closest is {}", spelt(key, origin)));
    format!("there is no setting {key:?}{hint}")
}

/// The key as it is written where the fault was seen.
fn spelt(key: &str, origin: &Origin) -> String {
    match origin {
        Origin::Variable(_) => format!("{PREFIX}{}", key.to_uppercase().replace('.', "__")),
        Origin::File(..) | Origin::Override(_) | Origin::Flag(_) => format!("{key:?}"),
    }
}

/// The key that was probably meant: a similar one, one whose table was left out, or the value of which it is no part.
fn most_alike(key: &str) -> Option<&'static str> {
    let keys: Vec<&'static str> = rows().iter().map(|row| row.key).collect();
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let elsewhere = || {
        // A table that does not exist was meant for something else: `bus.url` is not a misspelt `store.url`.
        let name = closest(Some(key).filter(|key| !key.contains('.'))?, keys.iter().copied().map(last))?;
        keys.iter().copied().find(|key| last(key) == name)
    };
    let whole = || key.split('.').next().and_then(row).map(|row| row.key);
    closest(key, keys.iter().copied()).or_else(elsewhere).or_else(whole)
}

impl Settings {
    /// Begins with the defaults alone: nothing is read that is not named.
    pub fn layers() -> Layers {
        Layers::default()
    }

    /// The settings of a file, changed by the environment: `CALLBOARD_LEASE=10s`, `CALLBOARD_STORE__URL=file://data`
    /// (two underscores go one level down). `CALLBOARD_CONFIG` names the file, if `file` does not.
    ///
    /// # Errors
    ///
    /// As [`Layers::load`].
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let layers = Layers { file: file.map(Path::to_owned), ..Layers::default() };
        layers.environment(std::env::vars_os()).load()
    }
}

/// One error of all faults.
pub(crate) fn refuse_all(faults: Vec<String>) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    let message = format!("the settings have {} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" });
    Err(faults.into_iter().fold(Error::new(ErrorKind::Invalid, message), Error::because))
}
