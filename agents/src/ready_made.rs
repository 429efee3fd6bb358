//! Ready-made agents as agents of a board: the one place where they meet the runtime.

#[cfg(test)]
mod tests;

use crate::command::Command;
use crate::echo::Echo;
use crate::fault::Fault;
use crate::file::{File, Operation};
#[cfg(feature = "http")]
use crate::http::Http;
use crate::schema::Checks;
use callboard::{Capability, Ctx, Described, Json, JsonAgent, JsonTask, Pool, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A ready-made agent with the capabilities that it offers; cheap to clone, and every instance is a clone.
///
/// ```
/// use callboard::{Callboard, Capability};
/// use callboard_agents::echo::Echo;
/// use callboard_agents::ReadyMade;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> callboard::Result<()> {
/// let echo = ReadyMade::new(Echo).offering(Capability::new("echo"))?;
/// let board = Callboard::dev().ephemeral().add(echo.pool().instances(4)).start().await?;
/// assert_eq!(board.agents().find("echo").await?[0].instances, 4);
/// # board.shutdown().await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReadyMade {
    runner: Arc<Runner>,
    offers: BTreeMap<Arc<str>, Offer>,
}

/// What does the work.
#[derive(Debug)]
#[non_exhaustive]
pub enum Runner {
    /// Gives back what it gets.
    Echo(Echo),
    /// Runs a program.
    Command(Command),
    /// Works on files.
    File(File),
    /// Asks servers.
    #[cfg(feature = "http")]
    Http(Box<Http>),
}

#[derive(Clone, Debug)]
struct Offer {
    capability: Capability,
    checks: Arc<Checks>,
}

impl From<Echo> for Runner {
    fn from(echo: Echo) -> Self {
        Self::Echo(echo)
    }
}

impl From<Command> for Runner {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl From<File> for Runner {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

#[cfg(feature = "http")]
impl From<Http> for Runner {
    fn from(http: Http) -> Self {
        Self::Http(Box::new(http))
    }
}

impl Runner {
    /// What kind of agent it is: `echo`, `command`, `file` or `http`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Echo(_) => "echo",
            Self::Command(_) => "command",
            Self::File(_) => "file",
            #[cfg(feature = "http")]
            Self::Http(_) => "http",
        }
    }

    async fn run(&self, ctx: &Ctx, task: &JsonTask) -> Result<Json> {
        match self {
            Self::Echo(echo) => echo.run(&task.input).await,
            Self::Command(command) => command.run_with(&task.input, &about(ctx)).await,
            Self::File(file) => file.run(Operation::of_capability(&task.capability)?, &task.input).await,
            #[cfg(feature = "http")]
            Self::Http(http) => http.run(&task.input).await,
        }
    }
}

/// What a program may want to know of the task that it works on.
fn about(ctx: &Ctx) -> [(&'static str, String); 3] {
    [
        ("CALLBOARD_RUN", ctx.run_id().to_string()),
        ("CALLBOARD_TASK", ctx.task_name().to_owned()),
        ("CALLBOARD_ATTEMPT", ctx.attempt().to_string()),
    ]
}

impl ReadyMade {
    /// An agent that offers nothing yet.
    pub fn new(runner: impl Into<Runner>) -> Self {
        Self { runner: Arc::new(runner.into()), offers: BTreeMap::new() }
    }

    /// Offers a capability. Its inputs and outputs are checked against its schemas, where it has some.
    ///
    /// # Errors
    ///
    /// A schema that is none; a capability of files that names no operation; one that is offered twice.
    pub fn offering(mut self, capability: Capability) -> Result<Self, Fault> {
        if let Runner::File(_) = &*self.runner {
            Operation::of_capability(&capability.name).map_err(|error| Fault::new("name", error))?;
        }
        let checks = Arc::new(Checks::of(&capability)?);
        let name = capability.name.clone();
        match self.offers.insert(name.clone(), Offer { capability, checks }) {
            None => Ok(self),
            Some(_) => Err(Fault::new("name", format!("{name:?} is offered twice"))),
        }
    }

    /// A pool of it, with one instance and the first capability as its id, unless you say otherwise.
    pub fn pool(&self) -> Pool<Described<Self>> {
        let agent = self.clone();
        let pool = Pool::json(move || agent.clone()).kind(self.runner.kind());
        self.offers.values().fold(pool, |pool, offer| pool.capability(offer.capability.clone()))
    }
}

impl JsonAgent for ReadyMade {
    async fn run(&mut self, ctx: &Ctx, task: JsonTask) -> Result<Json> {
        // A capability that was gained on the way has no schema here.
        let checks = self.offers.get(&task.capability).map(|offer| offer.checks.clone()).unwrap_or_default();
        checks.input(&task.input)?;
        let output = self.runner.run(ctx, &task).await?;
        checks.output(&output)?;
        Ok(output)
    }
}
