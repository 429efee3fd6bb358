//! The examples that newcomers read, as they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a crate of the workspace")
}

fn cargo(folder: &Path, arguments: &[&str], target: &Path) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", target);
    command.output().expect("cargo runs")
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A crate of a user, outside of the workspace: its only dependencies are the runtime, tokio and futures.
fn users_crate(folder: &Path) {
    let manifest = format!(
        "[package]\nname = \"users-own\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         callboard = {{ path = {:?} }}\nfutures = \"0.3\"\ntokio = {{ version = \"1\", features = [\"rt-multi-thread\", \"macros\"] }}\n\
         \n[profile.dev]\ndebug = false\n\n[workspace]\n",
        root().join("runtime")
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The versions that the workspace was tested with; none is looked up.
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let sources = folder.join("src/bin");
    std::fs::create_dir_all(&sources).unwrap();
    for sample in ["hello", "dag", "map_and_vote"] {
        std::fs::copy(root().join(format!("examples/{sample}.rs")), sources.join(format!("{sample}.rs"))).unwrap();
    }
}

#[test]
fn the_samples_run_word_for_word_in_a_crate_that_has_only_what_they_name() {
    let folder = tempfile::tempdir().unwrap();
    users_crate(folder.path());
    let target: PathBuf = root().join("target/users-own");
    succeeded(&cargo(folder.path(), &["build", "--offline", "--quiet"], &target));
    let run = |sample: &str| {
        let work = folder.path().join(sample);
        std::fs::create_dir(&work).unwrap();
        succeeded(&Command::new(target.join("debug").join(sample)).current_dir(work).output().unwrap())
    };
    assert_eq!(run("hello"), "Summary { text: \"Half hour, please.\", served: 1 }\n");
    let dag = run("dag");
    assert!(dag.contains("sent: dry notes: log of acme/api, [\"acme/api#1\"]\n"), "{dag}");
    assert!(dag.contains("release-notes: draft completed"), "{dag}");
    assert_eq!(run("map_and_vote"), "5 words, ok by 3 of 3 votes: 9 bytes\n3\n");
}
