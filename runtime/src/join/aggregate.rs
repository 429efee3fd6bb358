//! The answers of several agents combined into one, with a report of where they disagree.

use super::answer::{Answer, Members, separate, write_text};
use crate::{Error, Result};
use callboard_core::Json;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Combines answers: [`Aggregation`] as it is by default.
///
/// ```
/// # fn main() -> callboard::Result<()> {
/// use callboard::{Json, aggregate};
///
/// let answers = [("ann", r#"{"lang":"rust","loc":10}"#), ("bob", r#"{"loc":12}"#), ("eve", r#"{"loc":10}"#)];
/// let one = aggregate(answers.map(|(who, text)| (who, Json::parse(text).unwrap())))?;
/// assert_eq!(one.value.as_str(), r#"{"lang":"rust","loc":10}"#);
/// assert_eq!(one.conflicts[0].path, "/loc");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`Aggregation::combine`].
pub fn aggregate<W: Into<String>, T: Serialize>(answers: impl IntoIterator<Item = (W, T)>) -> Result<Aggregate> {
    Aggregation::default().combine(answers)
}

/// How answers are combined.
///
/// Objects are merged member by member. A member that an answer leaves out, or `null`, says nothing and contradicts
/// nothing. Arrays are merged as [`Arrays`] says. Anything else that differs is a conflict, reported with what each has
/// said, and [`Prefer`] says what is taken: two numbers, say, or a text and an object. Numbers are compared by value, so
/// `1` and `1.0` agree.
///
/// The same answers in the same order give the same result. Members are in the order of their names, conflicts in the
/// order of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Aggregation {
    prefer: Prefer,
    arrays: Arrays,
}

/// What is taken where answers disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prefer {
    /// What the first of them has said.
    First,
    /// What the last of them has said.
    Last,
    /// What most of them have said; among equals, what was said first. Default.
    #[default]
    Most,
    /// Nothing: `null`.
    Null,
}

/// What becomes of arrays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Arrays {
    /// One array with the items of all in the order in which they first come up, each as often as in the answer that has
    /// it most often. An item is compared as a whole. Default.
    #[default]
    Union,
    /// Arrays that differ are a conflict, as two numbers are.
    Whole,
}

/// Several answers as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Aggregate {
    /// The combined answer.
    pub value: Json,
    /// Where the answers disagree, in the order of `value`; empty if they agree.
    pub conflicts: Vec<Conflict>,
}

/// A place where answers disagree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Conflict {
    /// The place, as a JSON Pointer (RFC 6901): `/findings/severity`, and empty for the whole answer.
    pub path: String,
    /// What each has said there, in the order of the answers, without those who said nothing.
    pub answers: Vec<Opinion>,
    /// What was taken.
    pub chosen: Json,
}

/// What one has said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Opinion {
    /// Who.
    pub who: String,
    /// What.
    pub value: Json,
}

/// The bytes that all answers may take together, and apart from them the names and paths of the report: 16 MiB, as much
/// as one task may return by default.
const BYTES_MAX: usize = 16 << 20;

impl Aggregation {
    /// The most common answer is preferred, and arrays are united.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is taken where answers disagree.
    pub fn prefer(mut self, prefer: Prefer) -> Self {
        self.prefer = prefer;
        self
    }

    /// What becomes of arrays.
    pub fn arrays(mut self, arrays: Arrays) -> Self {
        self.arrays = arrays;
        self
    }

    /// Combines answers, each with the name of who has given it. A single answer stays as it is.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is no answer, if one has no JSON form, is nested deeper than 127 levels or contains a string
    /// that is no Unicode text, or if the answers, or the names and paths of the conflicts, take more than 16 MiB.
    pub fn combine<W: Into<String>, T: Serialize>(
        self,
        answers: impl IntoIterator<Item = (W, T)>,
    ) -> Result<Aggregate> {
        let texts = texts(answers)?;
        let answers = texts.iter().map(|(who, json)| Answer::read(who, json)).collect::<Result<Vec<_>>>()?;
        let names = texts.iter().map(|(who, _)| who.as_str()).collect();
        let (out, path, conflicts) = (String::new(), String::new(), Vec::new());
        let mut merge = Merge { how: self, names, out, path, conflicts, told_bytes: 0 };
        merge.place(answers.iter().enumerate().collect())?;
        Ok(Aggregate { value: Json::parse(merge.out)?, conflicts: merge.conflicts })
    }
}

/// The paths of conflicts that an error names.
const PATHS_TOLD_MAX: usize = 8;

impl Aggregate {
    /// The combined answer as a value.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is no `T`: answers that fit each by itself may not fit together, and [`Prefer::Null`] leaves
    /// `null` where they disagree.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.value.as_str()).map_err(|error| {
            let paths: Vec<&str> = self.conflicts.iter().take(PATHS_TOLD_MAX).map(|one| one.path.as_str()).collect();
            let message = format!("the combined answer has another form; conflicts at {paths:?}");
            Error::invalid(message).caused_by(&error)
        })
    }
}

/// The answers as JSON, if there are some and not too much.
fn texts<W: Into<String>, T: Serialize>(answers: impl IntoIterator<Item = (W, T)>) -> Result<Vec<(String, Json)>> {
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for (who, answer) in answers {
        let who = who.into();
        let json = Json::of(&answer)
            .map_err(|error| Error::invalid(format!("the answer of {who:?} has no JSON form")).caused_by(&error))?;
        bytes += json.as_str().len();
        if bytes > BYTES_MAX {
            let message = format!("the answers up to {who:?} take {bytes} bytes: at most {BYTES_MAX} can be combined");
            return Err(Error::invalid(message));
        }
        texts.push((who, json));
    }
    if texts.is_empty() {
        return Err(Error::invalid("there is no answer to combine: give 1 at least"));
    }
    Ok(texts)
}

/// What each has said at one place, with the number of the answer.
type Said<'t, T> = Vec<(usize, &'t T)>;

/// The result while it is written.
struct Merge<'n> {
    how: Aggregation,
    names: Vec<&'n str>,
    out: String,
    /// Where it is written, as a JSON Pointer.
    path: String,
    conflicts: Vec<Conflict>,
    /// The names and paths of the conflicts.
    told_bytes: usize,
}

impl Merge<'_> {
    /// Writes what is to stand at this place. It recurses as deep as the answers are.
    fn place(&mut self, mut said: Said<'_, Answer<'_>>) -> Result<()> {
        said.retain(|(_, answer)| **answer != Answer::Null);
        if let Some(objects) = all(&said, Answer::as_object) {
            self.objects(&objects)
        } else if let Some(arrays) = all(&said, Answer::as_array).filter(|_| self.how.arrays == Arrays::Union) {
            self.union(&arrays);
            Ok(())
        } else {
            self.whole(&said)
        }
    }

    fn objects(&mut self, objects: &[(usize, &Members<'_>)]) -> Result<()> {
        let mut members: BTreeMap<&str, Said<'_, Answer<'_>>> = BTreeMap::new();
        for &(answer, object) in objects {
            for (name, member) in object {
                members.entry(name).or_default().push((answer, member));
            }
        }
        self.out.push('{');
        for (place, (name, said)) in members.into_iter().enumerate() {
            separate(place, &mut self.out);
            write_text(name, &mut self.out);
            self.out.push(':');
            let outside = self.path.len();
            self.path.push('/');
            self.path.push_str(&name.replace('~', "~0").replace('/', "~1"));
            self.place(said)?;
            self.path.truncate(outside);
        }
        self.out.push('}');
        Ok(())
    }

    /// An item is added when it comes up once more in an answer than it stands there already.
    fn union(&mut self, arrays: &[(usize, &Vec<Answer<'_>>)]) {
        let mut standing: BTreeMap<String, usize> = BTreeMap::new();
        let mut written = 0;
        self.out.push('[');
        for &(_, items) in arrays {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for item in items {
                let key = item.canonical();
                let stand = standing.entry(key.clone()).or_default();
                let times = seen.entry(key).or_default();
                *times += 1;
                if *times > *stand {
                    *stand = *times;
                    separate(written, &mut self.out);
                    item.write(&mut self.out);
                    written += 1;
                }
            }
        }
        self.out.push(']');
    }

    /// Takes one of the answers as it is, and reports a conflict if they differ.
    fn whole(&mut self, said: &[(usize, &Answer<'_>)]) -> Result<()> {
        let keys: Vec<String> = said.iter().map(|(_, answer)| answer.canonical()).collect();
        let agreed = keys.windows(2).all(|pair| pair[0] == pair[1]);
        let chosen = match self.how.prefer {
            Prefer::Null if !agreed => None,
            Prefer::Last if !agreed => said.last(),
            Prefer::Most if !agreed => most(&keys).and_then(|place| said.get(place)),
            _ => said.first(),
        };
        let chosen = chosen.map_or(&Answer::Null, |(_, answer)| answer);
        chosen.write(&mut self.out);
        if agreed { Ok(()) } else { self.conflict(said, chosen) }
    }

    fn conflict(&mut self, said: &[(usize, &Answer<'_>)], chosen: &Answer<'_>) -> Result<()> {
        // A long name of a member stands in the path of everything below it.
        self.told_bytes += self.path.len() + said.iter().map(|&(answer, _)| self.names[answer].len()).sum::<usize>();
        if self.told_bytes > BYTES_MAX {
            let message = format!("the answers have too many conflicts to report: {} and more", self.conflicts.len());
            return Err(Error::invalid(message));
        }
        let opinion = |&(answer, value): &(usize, &Answer<'_>)| -> Result<Opinion> {
            Ok(Opinion { who: self.names[answer].to_owned(), value: value.json()? })
        };
        let answers = said.iter().map(opinion).collect::<Result<_>>()?;
        self.conflicts.push(Conflict { path: self.path.clone(), answers, chosen: chosen.json()? });
        Ok(())
    }
}

/// The answers as what `kind` takes them for, if there are some and it takes all.
fn all<'t, 'a, T>(
    said: &[(usize, &'t Answer<'a>)],
    kind: impl Fn(&'t Answer<'a>) -> Option<&'t T>,
) -> Option<Said<'t, T>> {
    let all: Option<Said<'t, T>> = said.iter().map(|&(answer, value)| Some((answer, kind(value)?))).collect();
    all.filter(|all| !all.is_empty())
}

/// The place of the most common key; among equals, of the one that comes first.
fn most(keys: &[String]) -> Option<usize> {
    let mut counts: BTreeMap<&str, (usize, Reverse<usize>)> = BTreeMap::new();
    for (place, key) in keys.iter().enumerate() {
        counts.entry(key).or_insert((0, Reverse(place))).0 += 1;
    }
    counts.into_values().max().map(|(_, Reverse(place))| place)
}
