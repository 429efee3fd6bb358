//! The `callboard-chaos` command: real servers for tests and for trying things out.

use callboard_chaos::servers::{self, Error};
use clap::{Parser, Subcommand};
use std::error::Error as _;
use std::process::ExitCode;

/// Real servers, and what can be done to them.
#[derive(Debug, Parser)]
#[command(name = "callboard-chaos", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One RabbitMQ, one Redis and one radosgw for this checkout.
    #[command(subcommand)]
    Services(Services),
}

#[derive(Debug, Subcommand)]
enum Services {
    /// Start those that are not running, and say how a node uses them.
    Up,
    /// End them and remove their data.
    Down,
    /// Say what is running.
    Status,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Services(services) = Arguments::parse().command;
    match run(&services).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(services: &Services) -> Result<(), Error> {
    match services {
        Services::Up => {
            for (name, value) in servers::up().await?.environment() {
                println!("export {name}={value}");
            }
        }
        Services::Down => servers::down().await?,
        Services::Status => println!("{}", servers::status()?),
    }
    Ok(())
}

/// The error with what caused it.
fn chain(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
