//! What a build without nodes says when it is to run some.

use crate::{Failure, LoadArguments, RunArguments, SabotageArguments};
use std::process::ExitCode;

const ABSENT: &str = "this build has servers only and no nodes: build it with `--features suite`, or say `make chaos`";

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    crate::plans(arguments)?; // what is wrong with them is told by any build
    Err(ABSENT.into())
}

pub(crate) fn load(arguments: &LoadArguments) -> Result<ExitCode, Failure> {
    crate::loads(arguments)?;
    Err(ABSENT.into())
}

pub(crate) fn sabotage(_: &SabotageArguments) -> Result<ExitCode, Failure> {
    Err(ABSENT.into())
}

pub(crate) fn node() -> Result<ExitCode, Failure> {
    Err(ABSENT.into())
}
