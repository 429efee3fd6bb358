//! The agents that a node brings along.

use super::Brings;
use crate::failure::{Failure, Result};
use callboard::{Builder, Capability, Code, Error, Pool, Settings};
use callboard_agents::ReadyMade;
use callboard_agents::code::{Analyze, Analyzer, compose};
use callboard_agents::described::AgentsFrom;
use callboard_agents::echo::Echo;

/// Tasks that a ready-made agent performs at a time.
const INSTANCES: usize = 4;

pub(super) fn add(builder: Builder, settings: &Settings, brings: Brings) -> Result<Builder> {
    let builder = match brings {
        Brings::ReadyMade => ready_made(builder).map_err(|error| Failure::of(Code::Agents, &error))?,
        Brings::Described => builder,
    };
    match settings.agents_folder.as_str() {
        "" => Ok(builder),
        folder => builder.agents_from(folder).map_err(|error| Failure::of(Code::Agents, &error)),
    }
}

/// Those that need no more to be said: they reach nothing but Rust files below the working folder.
fn ready_made(builder: Builder) -> Result<Builder, Error> {
    let echo = ReadyMade::new(Echo).offering(Capability::new(Echo::CAPABILITY).description("Gives back its input."))?;
    let analyzer = Analyzer::within(".")?;
    let analyzers = Pool::new(move || analyzer.clone()).handles::<Analyze>();
    // A file may describe an agent with the name of a capability; these leave it free.
    Ok(builder
        .add(echo.pool().id("dev.echo").instances(INSTANCES))
        .add(analyzers.id("dev.code.analyze").instances(INSTANCES))
        .add(Pool::task_fn(compose).id("dev.code.document").instances(INSTANCES)))
}
