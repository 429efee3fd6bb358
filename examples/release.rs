//! A release that a person has to approve: built and checked once, published once, whatever crashes.
//!
//!     cargo run --example release -- runtime/core
//!
//! It asks on the terminal; `--yes` or `--no` behind the folder answers at once. Kill it while it waits (`kill -9`), start
//! it again, and it asks the same question: nothing was built or checked a second time, and the line in `releases.txt`
//! is written once. The journal is in `.callboard/release`.

use callboard::prelude::*;
use callboard_agents::code::files::rust_files;
use futures::StreamExt;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Asks for a release of the crate in a folder; the output says what became of it.
#[task(output = String)]
pub struct Release {
    pub folder: PathBuf,
    /// The file to which releases are added.
    pub list: PathBuf,
}

/// Asks for the fingerprint of everything that would be released.
#[task(output = Built, capability = "crate.build")]
pub struct Build {
    pub folder: PathBuf,
}

#[payload]
pub struct Built {
    pub files: usize,
    pub bytes: u64,
    pub hash: String,
}

/// Asks whether one thing is in order.
#[task(output = Vec<String>, capability = "crate.check")]
pub struct Check {
    pub folder: PathBuf,
    pub what: String,
}

pub async fn build(_: Ctx, task: Build) -> Result<Built> {
    let listing = rust_files(&task.folder)?;
    let mut hasher = blake3::Hasher::new();
    for file in &listing.files {
        hasher.update(file.hash.as_bytes());
    }
    let bytes = listing.files.iter().map(|file| file.bytes).sum();
    Ok(Built { files: listing.files.len(), bytes, hash: hasher.finalize().to_hex()[..12].to_owned() })
}

/// What is wrong, a line each.
pub async fn check(_: Ctx, task: Check) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in rust_files(&task.folder)?.files {
        let text = fs::read_to_string(task.folder.join(&file.path))?;
        let is_wrong = match task.what.as_str() {
            "no dbg!" => text.contains("dbg!("),
            "no tabs" => text.contains('\t'),
            other => return Err(Error::terminal(format!("nobody knows how to check {other:?}"))),
        };
        if is_wrong {
            faults.push(format!("{}: {}", file.path, task.what));
        }
    }
    Ok(faults)
}

pub async fn release(ctx: Ctx, task: Release) -> Result<String> {
    let name = ctx.step("version", || async { name_and_version(&task.folder) }).await?;
    let built = ctx.call(Build { folder: task.folder.clone() }).await?;
    let checks = ["no dbg!", "no tabs"].map(|what| Check { folder: task.folder.clone(), what: what.into() });
    let faults: Vec<String> = ctx.map(checks).await?.into_iter().flatten().collect();
    if !faults.is_empty() {
        return Err(Error::terminal(format!("{name} is not in order: {}", faults.join("; "))));
    }
    let Built { files, bytes, hash } = built;
    if !ctx.approval(format!("release {name} ({files} files, {bytes} bytes, {hash})?")).await? {
        return Ok(format!("{name} was not released"));
    }
    // If the process dies behind the write, the probe finds the line, and nothing is written twice.
    let line = format!("{name} {hash}");
    let is_there = || fs::read_to_string(&task.list).is_ok_and(|list| list.lines().any(|known| known == line));
    ctx.effect("publish")
        .checkable(|| async { Ok(is_there().then_some(())) })
        .run(|_| async {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(&task.list)?;
            writeln!(file, "{line}")?;
            Ok(file.sync_all()?)
        })
        .await?;
    Ok(format!("{name} is released"))
}

/// What the manifest says: `callboard-core 0.1.0`. A version that stands in the workspace is looked for there.
fn name_and_version(folder: &Path) -> Result<String> {
    let value = |manifest: &Path, key: &str| {
        let text = fs::read_to_string(manifest).ok()?;
        let mut values = text.lines().filter_map(|line| line.split_once(" = "));
        values.find_map(|(k, value)| (k == key).then(|| value.trim_matches('"').to_owned()))
    };
    let manifest = folder.join("Cargo.toml");
    let missing = |key: &str| Error::terminal(format!("{} has no {key}", manifest.display()));
    let name = value(&manifest, "name").ok_or_else(|| missing("name"))?;
    let above = folder.canonicalize()?.ancestors().map(|folder| folder.join("Cargo.toml")).collect::<Vec<_>>();
    let version = above.iter().find_map(|manifest| value(manifest, "version"));
    Ok(format!("{name} {}", version.ok_or_else(|| missing("version"))?))
}

#[tokio::main]
async fn main() -> Result<()> {
    let (flags, folders): (Vec<String>, Vec<String>) = env::args().skip(1).partition(|word| word.starts_with("--"));
    let folder = PathBuf::from(folders.first().map_or("runtime/core", String::as_str));
    let data = PathBuf::from(".callboard/release");
    let board = Callboard::dev().data(&data).task_fn(release).task_fn(build).task_fn(check).start().await?;

    // The same key finds the release that was begun before, as long as nothing in the folder has changed.
    let hash = rust_files(&folder)?.files.iter().fold(blake3::Hasher::new(), |mut hasher, file| {
        hasher.update(file.hash.as_bytes());
        hasher
    });
    let workflow = Workflow::new("release");
    let done = workflow.task("release", Release { folder: folder.clone(), list: "releases.txt".into() });
    let run = board.start(workflow).key(format!("{} {}", folder.display(), hash.finalize().to_hex())).await?;

    let mut events = run.events();
    let asked = loop {
        match events.next().await {
            Some(event) => {
                println!("{event}");
                if let Some(open) = board.approvals().await?.items.into_iter().find(|open| open.id.run == run.id()) {
                    break Some(open);
                }
            }
            None => break None,
        }
    };
    if let Some(open) = asked {
        println!("{} (yes or no)", open.prompt);
        let word = match flags.first() {
            Some(flag) => flag.trim_start_matches("--").to_owned(),
            None => std::io::stdin().lock().lines().next().transpose()?.unwrap_or_default(),
        };
        match word.as_str() {
            "yes" => board.approve(open.id).by("the terminal").await?,
            "no" => board.reject(open.id).by("the terminal").await?,
            _ => {
                println!("it goes on waiting: start it again, with --yes or --no");
                return board.shutdown().await;
            }
        }
    }
    match run.output(&done).await {
        Ok(said) => println!("{said}"),
        Err(error) => println!("{error:#}"),
    }
    board.shutdown().await
}
