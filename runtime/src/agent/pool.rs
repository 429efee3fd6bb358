//! A pool: the instances of one agent.

use super::Agent;
use super::erased::{Factory, Handlers, from_fn};
use super::instance::{Floor, Instance, Role};
use super::json::{Described, JsonAgent, from_json};
use crate::breaker::{Breaker, BreakerRules};
use crate::closing_time::ClosingTime;
use crate::registry::profile::{Capability, Profile};
use crate::supervise::{Backoff, ChildSpec, OnGiveUp, Policy, Ruling, Settings, Supervisor};
use crate::{Ctx, Result, Task};
use callboard_core::{Amount, InstanceId, Json};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// An agent with one or several instances, in the making.
///
/// ```
/// # use callboard::prelude::*;
/// # use callboard::Pool;
/// # #[task(output = String)] struct Draft { about: String }
/// # #[task(output = String)] struct Review { text: String }
/// # #[derive(Default)] struct Writer;
/// # impl Agent<Draft> for Writer { async fn run(&mut self, _: &Ctx, t: Draft) -> Result<String> { Ok(t.about) } }
/// # impl Agent<Review> for Writer { async fn run(&mut self, _: &Ctx, t: Review) -> Result<String> { Ok(t.text) } }
/// let writers = Pool::new(Writer::default).handles::<Draft>().handles::<Review>().instances(4).label("zone", "eu");
/// ```
///
/// Its instances share its slots: whichever is idle takes the next task of any of its capabilities.
#[must_use = "a pool does nothing before it is added"]
pub struct Pool<A> {
    pub(crate) spec: PoolSpec,
    pub(crate) handlers: Option<Handlers<A>>,
}

/// What a pool comes to.
#[derive(Clone)]
pub(crate) struct PoolSpec {
    /// The id that its author gave it; the first capability, if none.
    pub(crate) id: Option<Arc<str>>,
    pub(crate) profile: Profile,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) instances: usize,
    pub(crate) factory: Factory,
    /// When its breaker opens; as the settings say, if nothing is said.
    pub(crate) breaker: Option<BreakerRules>,
    /// Capabilities that were given twice.
    pub(crate) doubles: Vec<Arc<str>>,
}

impl PoolSpec {
    fn new(kind: &str, factory: Factory) -> Self {
        let profile = Profile { kind: kind.into(), ..Profile::default() };
        Self { id: None, profile, capabilities: Vec::new(), instances: 1, factory, breaker: None, doubles: Vec::new() }
    }

    fn can(&mut self, capability: Capability) {
        if self.capabilities.iter().any(|known| known.name == capability.name) {
            self.doubles.push(capability.name);
        } else {
            self.capabilities.push(capability);
        }
    }
}

impl<A: Send + 'static> Pool<A> {
    /// An agent whose instances are made by `factory`: at the start, and after a panic. Say next what it
    /// [handles](Self::handles).
    pub fn new(factory: impl Fn() -> A + Send + Sync + 'static) -> Self {
        let handlers = Handlers::new();
        let spec = PoolSpec::new(short_name::<A>(), handlers.factory(factory));
        Self { spec, handlers: Some(handlers) }
    }

    /// Says that it performs tasks of type `T`.
    pub fn handles<T: Task>(mut self) -> Self
    where
        A: Agent<T>,
    {
        if let Some(handlers) = &self.handlers {
            handlers.add::<T>();
        }
        self.spec.can(capability_of::<T>());
        self
    }
}

impl Pool<()> {
    /// An agent around a plain async function, with 32 instances unless you say otherwise.
    pub fn task_fn<T, F, R>(function: F) -> Self
    where
        T: Task,
        F: Fn(Ctx, T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T::Output>> + Send + 'static,
    {
        let mut spec = PoolSpec::new("function", from_fn(function));
        spec.can(capability_of::<T>());
        spec.instances = 32;
        Self { spec, handlers: None }
    }
}

impl<J: JsonAgent> Pool<Described<J>> {
    /// An agent that is described by data. Say next what its [capabilities](Self::capability) are.
    pub fn json(factory: impl Fn() -> J + Send + Sync + 'static) -> Self {
        Self { spec: PoolSpec::new(short_name::<J>(), from_json(factory)), handlers: None }
    }

    /// Says that it performs tasks of this kind.
    pub fn capability(mut self, capability: Capability) -> Self {
        self.spec.can(capability);
        self
    }
}

impl<A> Pool<A> {
    /// How many tasks it performs at a time: so many instances, 1 by default.
    pub fn instances(mut self, instances: usize) -> Self {
        self.spec.instances = instances;
        self
    }

    /// Says when its breaker opens, and it gets no more tasks for a while; as the settings `breaker.*` say, by default. What the
    /// settings `breaker.of` say of it, or of one of its capabilities, counts before this.
    pub fn breaker(mut self, rules: BreakerRules) -> Self {
        self.spec.breaker = Some(rules);
        self
    }

    /// Names it: 1 to 128 of `A-Z a-z 0-9 . _ -`. Its first capability by default, with a number behind it if that is
    /// taken.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.spec.id = Some(id.into());
        self
    }

    /// Says what kind of agent it is; the name of its Rust type by default.
    pub fn kind(mut self, kind: impl Into<Arc<str>>) -> Self {
        self.spec.profile.kind = kind.into();
        self
    }

    /// Says what it is good for, in 4 KiB at most.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.spec.profile.description = description.into();
        self
    }

    /// Says which version it is, in 64 bytes at most.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.spec.profile.version = version.into();
        self
    }

    /// Says that it can use a tool, which a task may [require](crate::Requirement): 64 at most, of 1 to 256
    /// bytes each, as labels and constraints.
    pub fn tool(mut self, tool: impl Into<String>) -> Self {
        self.spec.profile.traits.tools.insert(tool.into());
        self
    }

    /// Adds a fact that a task may require.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.profile.traits.labels.insert(key.into(), value.into());
        self
    }

    /// Adds a bound that a task may require.
    pub fn constraint(mut self, key: impl Into<String>, amount: impl Into<Amount>) -> Self {
        self.spec.profile.traits.constraints.insert(key.into(), amount.into());
        self
    }
}

impl<A> fmt::Debug for Pool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capabilities: Vec<_> = self.spec.capabilities.iter().map(|capability| &capability.name).collect();
        f.debug_struct("Pool").field("id", &self.spec.id).field("capabilities", &capabilities).finish_non_exhaustive()
    }
}

/// What is known of the capability that tasks of type `T` ask for.
pub(super) fn capability_of<T: Task>() -> Capability {
    let mut capability = Capability::new(T::CAPABILITY);
    capability.input_schema = T::input_schema();
    capability.output_schema = T::output_schema();
    let described = capability.input_schema.as_ref().and_then(description);
    capability.description(described.unwrap_or_default())
}

/// What a schema says that it is about: the doc comment of its type.
fn description(schema: &Json) -> Option<String> {
    #[derive(Deserialize)]
    struct Described {
        description: Option<String>,
    }
    serde_json::from_str::<Described>(schema.as_str()).ok()?.description
}

/// The name of a type without its path and its parameters.
fn short_name<A>() -> &'static str {
    let name = std::any::type_name::<A>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// The supervised pool of an agent, as a child of its node.
pub(crate) fn child(
    spec: &PoolSpec,
    floor: &Floor,
    breaker: &Arc<Breaker>,
    node: &str,
    closing: &ClosingTime,
    drain_limit: Duration,
    events: mpsc::Sender<crate::supervise::Event>,
) -> ChildSpec {
    let children = (1..=spec.instances).map(|n| instance(spec, floor, breaker, node, closing, n)).collect();
    let settings =
        Settings { name: child_name(&spec.profile.id), drain_limit, children, events, alarm: Default::default() };
    let backoff = Backoff { first: Duration::from_millis(10), cap: Duration::from_secs(5), spread: None };
    let (spec, _slot) = Supervisor::child(Policy { backoff, ..Policy::default() }, settings);
    // Its instances are replaced without end, so that it ends is none of their doing, and no agent ends its node.
    spec.judged_by(|_| Ruling::RestartUncounted)
}

/// What the pool of an agent is called in its node.
pub(crate) fn child_name(agent: &str) -> Arc<str> {
    format!("pool {agent}").into()
}

/// One instance. It is replaced however often it fails, for its tasks pay for that with their attempts; the back-off keeps
/// one that can not even start from burning the machine.
fn instance(
    spec: &PoolSpec,
    floor: &Floor,
    breaker: &Arc<Breaker>,
    node: &str,
    closing: &ClosingTime,
    n: usize,
) -> ChildSpec {
    let backoff = Backoff { first: Duration::from_millis(10), cap: Duration::from_secs(5), spread: None };
    let policy = Policy { backoff, on_give_up: OnGiveUp::GiveUpChild, ..Policy::default() };
    floor.mailroom.open(&spec.profile.id, n); // from now on it can be written to
    let role = Role {
        floor: floor.clone(),
        id: InstanceId::new(node, &format!("{}#{n}", spec.profile.id)),
        agent: spec.profile.id.clone(),
        number: n,
        factory: spec.factory.clone(),
        breaker: breaker.clone(),
        closing: closing.clone(),
    };
    let (backlog, agent) = (floor.backlog.clone(), role.agent.clone());
    let (spec, _slot) = ChildSpec::actor(&*role.id.to_string(), policy, move || (Instance, role.clone()));
    spec.judged_by(move |stopped| {
        backlog.trouble(&agent, stopped.to_string());
        Ruling::RestartUncounted
    })
}
