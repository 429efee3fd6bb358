//! What waits for a person: approvals that are open, and effects of which nobody knows whether they happened.

use super::cursor::{Cursor, Page};
use super::{LIMIT, checked};
use crate::node::Node;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Contract, EffectState, Millis, ParseIdError, Run, RunId, TaskIndex, TaskRef, Wait};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

/// Names an approval: written `<run>/<task>/<number>`, with the place of the task in its run and the number among the
/// task's approvals, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApprovalId {
    /// The run.
    pub run: RunId,
    /// The task that asks.
    pub task: TaskIndex,
    /// Which of its approvals.
    pub number: u32,
}

/// Names an effect: written `<run>/<task>/<call>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId {
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskIndex,
    /// The call.
    pub call: Arc<str>,
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run, self.task, self.number)
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run, self.task, self.call)
    }
}

fn not_an_id(what: &str, seen: &str) -> Error {
    let seen: String = seen.chars().take(160).collect();
    Error::new(ErrorKind::Invalid, format!("not the id of {what}: {seen:?}"))
}

impl FromStr for ApprovalId {
    type Err = Error;

    /// # Errors
    ///
    /// `Invalid` for what is no id of an approval.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || not_an_id("an approval", text);
        let (task, number) = text.rsplit_once('/').ok_or_else(bad)?;
        let TaskRef { run, task } = task.parse().map_err(|_: ParseIdError| bad())?;
        Ok(Self { run, task, number: number.parse().map_err(|_| bad())? })
    }
}

impl FromStr for EffectId {
    type Err = Error;

    /// # Errors
    ///
    /// `Invalid` for what is no id of an effect.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || not_an_id("an effect", text);
        let mut parts = text.splitn(3, '/');
        let (run, task, call) = (parts.next(), parts.next(), parts.next());
        let (Some(run), Some(task), Some(call)) = (run, task, call) else { return Err(bad()) };
        let task = task.parse().map(TaskIndex).map_err(|_| bad())?;
        Ok(Self { run: run.parse().map_err(|_: ParseIdError| bad())?, task, call: call.into() })
    }
}

/// As it is written.
impl Serialize for ApprovalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApprovalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// As it is written.
impl Serialize for EffectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EffectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// An approval that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenApproval {
    /// Its id.
    pub id: ApprovalId,
    /// The name of the workflow.
    pub workflow: Arc<str>,
    /// The name of the task that asks.
    pub task: String,
    /// What is asked.
    pub prompt: Arc<str>,
    /// Until when an answer is waited for, if not for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

/// An effect of which nobody knows whether it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnknownEffect {
    /// Its id.
    pub id: EffectId,
    /// The name of the workflow.
    pub workflow: Arc<str>,
    /// The name of the task.
    pub task: String,
    /// What is promised of it: `keyed`, `checkable` or `irreversible`.
    pub contract: &'static str,
    /// When it was begun.
    pub begun_at: Millis,
    /// Why nobody knows.
    pub reason: String,
}

/// The contract is one of three words, which the program has already.
impl<'de> Deserialize<'de> for UnknownEffect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Told {
            id: EffectId,
            workflow: Arc<str>,
            task: String,
            contract: Contract,
            begun_at: Millis,
            reason: String,
        }
        let Told { id, workflow, task, contract, begun_at, reason } = Told::deserialize(deserializer)?;
        Ok(Self { id, workflow, task, contract: contract.as_str(), begun_at, reason })
    }
}

/// What waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Approvals,
    Effects,
}

/// One thing that waits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Item {
    Approval(OpenApproval),
    Effect(UnknownEffect),
}

impl Kind {
    /// What of a run waits, of the tasks behind one or of all, by task, ascending; of so many tasks and of one more, if
    /// there are so many.
    pub(crate) fn of(self, run: &Run, behind: Option<TaskIndex>, limit: usize) -> Vec<(TaskIndex, Vec<Item>)> {
        match self {
            Self::Approvals => {
                let items = approvals(run, behind).map(|(task, approval)| (task, Item::Approval(approval)));
                by_task(items, limit)
            }
            Self::Effects => {
                let items = effects(run, behind).map(|(task, effect)| (task, Item::Effect(effect)));
                by_task(items, limit)
            }
        }
    }
}

fn by_task(items: impl Iterator<Item = (TaskIndex, Item)>, limit: usize) -> Vec<(TaskIndex, Vec<Item>)> {
    let mut found: Vec<(TaskIndex, Vec<Item>)> = Vec::new();
    for (task, item) in items {
        let many = found.len();
        match found.last_mut().filter(|(last, _)| *last == task) {
            Some((_, items)) => items.push(item),
            None if many > limit => break,
            None => found.push((task, vec![item])),
        }
    }
    found
}

fn approvals(run: &Run, behind: Option<TaskIndex>) -> impl Iterator<Item = (TaskIndex, OpenApproval)> {
    run.open_approvals(behind).filter_map(|(task, number)| {
        let waits = run.record(task)?.waits.values();
        let (prompt, until) = waits.into_iter().find_map(|wait| match wait {
            Wait::Approval { prompt, number: n, until } if *n == number => Some((prompt.clone(), *until)),
            _ => None,
        })?;
        let id = ApprovalId { run: run.id, task, number };
        let name = run.task(task)?.spec.name.clone();
        Some((task, OpenApproval { id, workflow: run.name.clone(), task: name, prompt, until }))
    })
}

fn effects(run: &Run, behind: Option<TaskIndex>) -> impl Iterator<Item = (TaskIndex, UnknownEffect)> {
    let unknown = run.unknown_effects().filter(move |(task, ..)| behind.is_none_or(|last| *task > last));
    unknown.filter_map(|(task, call, effect)| {
        let reason = match &effect.state {
            EffectState::Unknown(reason) => reason.to_string(),
            _ => "its outcome was not recorded: it was cut short".to_owned(),
        };
        let unknown = UnknownEffect {
            id: EffectId { run: run.id, task, call: call.clone() },
            workflow: run.name.clone(),
            task: run.task(task)?.spec.name.clone(),
            contract: Contract::as_str(effect.contract),
            begun_at: effect.at,
            reason,
        };
        Some((task, unknown))
    })
}

/// What may be asked for.
pub trait Waiting: private::Pick {}

impl Waiting for OpenApproval {}
impl Waiting for UnknownEffect {}

mod private {
    use super::{Item, Kind, OpenApproval, UnknownEffect};

    pub trait Pick: Sized + Send + 'static {
        #[expect(private_interfaces, reason = "the trait is sealed")]
        const KIND: Kind;

        #[expect(private_interfaces, reason = "the trait is sealed")]
        fn pick(item: Item) -> Option<Self>;
    }

    #[expect(private_interfaces, reason = "the trait is sealed")]
    impl Pick for OpenApproval {
        const KIND: Kind = Kind::Approvals;

        fn pick(item: Item) -> Option<Self> {
            if let Item::Approval(approval) = item { Some(approval) } else { None }
        }
    }

    #[expect(private_interfaces, reason = "the trait is sealed")]
    impl Pick for UnknownEffect {
        const KIND: Kind = Kind::Effects;

        fn pick(item: Item) -> Option<Self> {
            if let Item::Effect(effect) = item { Some(effect) } else { None }
        }
    }
}

/// A question for what waits for a person in the making; await it for a page, the latest run first.
///
/// What is told is durable.
#[must_use = "nothing is asked before it is awaited"]
pub struct Pending<T> {
    node: Arc<Node>,
    limit: usize,
    after: Option<Cursor>,
    what: PhantomData<fn() -> T>,
}

impl<T> Pending<T> {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, limit: LIMIT, after: None, what: PhantomData }
    }

    /// Of how many tasks a page tells, 1 to 1,000; 100 by default.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on where a page has ended.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }
}

impl<T: Waiting> IntoFuture for Pending<T> {
    type Output = Result<Page<T>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    ///
    /// `Invalid` for a limit out of range; `Unavailable` if a partition is down.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let limit = checked(self.limit)?;
            let page = self.node.partitions.pending(T::KIND, limit, self.after).await?;
            let items = page.items.into_iter().flatten().filter_map(T::pick).collect();
            Ok(Page::new(items, page.next))
        }
        .boxed()
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("limit", &self.limit).finish_non_exhaustive()
    }
}
