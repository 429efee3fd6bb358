//! The `callboard` command: a node, and what its operator asks of it.
//!
//! Data goes to standard output, everything else to standard error. `docs/cli.md` has the commands and the exit codes.

mod agent;
mod args;
mod breaker;
mod budget;
mod chaos;
mod client;
mod complete;
mod config;
mod events;
mod explain;
mod failure;
mod input;
mod journal;
mod limit;
mod lock;
mod log;
mod metrics;
mod node;
mod output;
mod queue;
mod run;
mod state;
mod stop;
mod task;
mod usage;
mod wait;
mod watch;

use args::{Arguments, Command};
use callboard::Code;
use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use client::Client;
use failure::{Failure, Result};
use node::Ended;
use output::{Format, Output};
use serde_json::json;
use std::ffi::OsString;
use std::process::ExitCode;

/// Of this program and the library in it: they are released together.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// With what a program ends that a person has interrupted.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    // A shell that asks what could come next is answered, and that is all.
    CompleteEnv::with_factory(Arguments::command).var(complete::VARIABLE).complete();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    if let Command::Chaos { words } = &arguments.command {
        return match chaos::hand_over(words) {
            Ok(never) => match never {},
            Err(failure) => told(&failure),
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&Failure::new(Code::Internal, format!("cannot start threads: {error}"))),
    };
    match runtime.block_on(run(arguments)) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        // Nothing is waited for any more, threads of the runtime included.
        Ok(Ended::Interrupted) => std::process::exit(INTERRUPTED),
        Err(failure) => told(&failure),
    }
}

fn told(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    ExitCode::from(failure.exit())
}

/// What clap says: help, which is what was asked for, or what is wrong.
fn refused(error: &clap::Error) -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    match usage::failure(error, &words) {
        Some(failure) => told(&failure),
        None if error.use_stderr() => {
            eprint!("{}", error.render()); // the help, because nothing was said
            ExitCode::from(Code::Usage.exit())
        }
        None => {
            print!("{}", error.render());
            ExitCode::SUCCESS
        }
    }
}

async fn run(arguments: Arguments) -> Result<Ended> {
    match &arguments.command {
        Command::Dev(dev) => node::dev(dev).await,
        Command::Node(node) => node::node(node).await,
        _ => tokio::select! {
            done = ask(&arguments) => done.map(|()| Ended::Well),
            _ = tokio::signal::ctrl_c() => Ok(Ended::Interrupted),
        },
    }
}

/// What is no node, and done when it is answered.
async fn ask(arguments: &Arguments) -> Result<()> {
    let output = Output::new(arguments.output);
    let client = || Client::new(&arguments.addr);
    match &arguments.command {
        Command::Task(command) => task::task(command, &client()?, output).await,
        Command::Run(command) => run::run(command, &client()?, output).await,
        Command::Budget(command) => budget::run(command, &client()?, output).await,
        Command::Events(command) => events::events(command, &client()?, output).await,
        Command::Queue(command) => queue::queue(command, &client()?, output).await,
        Command::Metrics { prefix } => metrics::metrics(prefix.as_deref(), &client()?, output).await,
        Command::Stop { reason, .. } => stop::stop(reason.as_deref(), &client()?).await,
        Command::Agent(command) => agent::agent(command, &client()?, output).await,
        Command::CircuitBreaker(command) => breaker::breaker(command, &client()?, output).await,
        Command::Limit(command) => limit::limit(command, &client()?, output).await,
        Command::State(command) => state::state(command, &client()?, output).await,
        Command::Lock(command) => lock::lock(command, &client()?, output).await,
        Command::Log(command) => log::log(command, &client()?, output).await,
        Command::Journal(command) => journal::journal(command, output).await,
        Command::Config(command) => config::config(command, output),
        Command::Explain { code } => explain::explain(code.as_deref(), output),
        Command::Version if output.format == Format::Table => output.line(VERSION),
        Command::Version => output.show(&json!({ "version": VERSION }).to_string(), &[]),
        Command::Completion { shell } => output.line(&complete::register(*shell)?),
        Command::Dev(_) | Command::Node(_) | Command::Chaos { .. } => {
            Err(Failure::new(Code::Internal, "what is a program of its own answers nothing here"))
        }
    }
}
