//! An agent of this process, while it runs.

use super::Agent;
use super::erased::Handlers;
use super::json::{Described, JsonAgent};
use super::pool::capability_of;
use crate::node::Node;
use crate::registry::profile::Capability;
use crate::{Error, ErrorKind, Result, Task};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An agent of this process; a cheap handle. Dropping it changes nothing.
pub struct AgentHandle<A = ()> {
    pub(crate) node: Arc<Node>,
    pub(crate) id: Arc<str>,
    pub(crate) handlers: Option<Handlers<A>>,
}

impl<A> AgentHandle<A> {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Takes a capability from it: it is given no more such tasks, from this moment on. Those it has it finishes.
    ///
    /// # Errors
    ///
    /// `NotFound` if it does not offer that, or is gone.
    pub async fn lose(&self, capability: &str) -> Result<()> {
        let mut lost = None;
        let is_there = self.node.backlog.change(&self.id, |offered| lost = offered.remove(capability));
        match lost {
            Some(_) => {
                self.node.registry.publish().await;
                Ok(())
            }
            None if is_there => {
                Err(Error::new(ErrorKind::NotFound, format!("agent {:?} does not offer {capability:?}", self.id)))
            }
            None => Err(self.gone()),
        }
    }

    /// Removes it: it takes no more tasks, has `drain` to finish those it has, and hands back what is not done then. When
    /// the future is dropped before that it is left as it is then, taking nothing more; removing it again goes on.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is gone already; `Unknown` if something had to be cut short, which then starts again elsewhere.
    pub async fn remove(&self, drain: Duration) -> Result<()> {
        self.node.remove_agent(&self.id, drain).await
    }

    async fn give(&self, capability: Capability) -> Result<()> {
        let is_there = self.node.backlog.change(&self.id, |offered| {
            offered.insert(capability.name.clone(), capability);
        });
        if !is_there {
            return Err(self.gone());
        }
        self.node.registry.publish().await;
        Ok(())
    }

    fn gone(&self) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no agent {:?} in this process", self.id))
    }
}

impl<A: Send + 'static> AgentHandle<A> {
    /// Gives it the capability to perform tasks of type `T`: such tasks go to it from this moment on, also those that
    /// have waited for somebody who can. Instances that run already do not [warm up](Agent::warm_up) for it.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is gone.
    pub async fn gain<T: Task>(&self) -> Result<()>
    where
        A: Agent<T>,
    {
        if let Some(handlers) = &self.handlers {
            handlers.add::<T>();
        }
        self.give(capability_of::<T>()).await
    }
}

impl<J: JsonAgent> AgentHandle<Described<J>> {
    /// Gives it a capability: such tasks go to it from this moment on, also those that have waited for somebody who can.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is gone, `Invalid` if that is no name of a capability, or a schema of it can not be used.
    pub async fn gain_capability(&self, capability: Capability) -> Result<()> {
        crate::node::check_capability(&capability.name).map_err(|fault| Error::new(ErrorKind::Invalid, fault))?;
        let faults = crate::node::schema_faults(&capability);
        if !faults.is_empty() {
            let error = Error::new(ErrorKind::Invalid, "the capability has faults");
            return Err(faults.into_iter().fold(error, Error::because));
        }
        self.give(capability).await
    }
}

impl<A> Clone for AgentHandle<A> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), id: self.id.clone(), handlers: self.handlers.clone() }
    }
}

impl<A> fmt::Debug for AgentHandle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AgentHandle").field(&self.id).finish()
    }
}
