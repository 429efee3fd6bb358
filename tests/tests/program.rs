//! The examples as programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member is in the workspace")
}

/// The example of the profile that this test was built with, built if need be.
pub(super) fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(built).join(name)
}

/// An example without the settings that the environment of the tests may have: they are the defaults.
pub(super) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CALLBOARD_")) {
        command.env_remove(name);
    }
    command
}

/// Builds all examples, and gives the folder in which they are.
fn built() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("a test is in target/PROFILE/deps");
    let target = profile.parent().expect("a profile is in target");
    let mut cargo = Command::new(env!("CARGO"));
    // With the features of `make test`, by which they are there already.
    let wanted = "build --workspace --locked --offline --quiet --examples --features callboard-agents/http";
    cargo.current_dir(root()).args(wanted.split(' '));
    cargo.arg("--target-dir").arg(target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "the examples do not build: {status}");
    profile.join("examples")
}
