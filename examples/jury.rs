//! A vote among analyzers: three of them look at a Rust file, each at something else, and say how much care it needs.
//!
//!     cargo run --example jury -- runtime/core/src
//!
//! What two of three say counts. Where all three differ a judge is asked, who takes the most careful answer. The verdicts
//! are combined in the end, and what the analyzers disagreed about is listed.

use callboard::prelude::*;
use callboard::{Aggregation, Prefer};
use callboard_agents::code::files::{SourceFile, rust_files};
use callboard_agents::code::{Analyze, Analyzer, FileReport};
use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

/// Asks how much care a file needs; the output is a verdict with its votes.
#[task(output = Verdict)]
pub struct Review {
    pub root: PathBuf,
    pub file: SourceFile,
}

/// Asks one analyzer.
#[task(output = Care, capability = "care.assess")]
pub struct Assess {
    pub facts: FileReport,
}

/// Asks which of several answers is to count.
#[task(output = usize, capability = "care.judge")]
pub struct Judge {
    pub answers: Vec<Care>,
}

#[payload]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub enum Care {
    Little,
    Some,
    Much,
}

#[payload]
pub struct Verdict {
    pub path: String,
    pub care: Care,
    pub votes: usize,
    pub cast: usize,
}

pub async fn review(ctx: Ctx, task: Review) -> Result<Verdict> {
    let path = task.file.path.clone();
    let facts = ctx.call(Analyze { root: task.root, file: task.file }).await?;
    let vote = ctx.vote(Assess { facts }).voters(3).judge(|answers| Judge { answers }).await?;
    Ok(Verdict { path, care: vote.winner, votes: vote.votes, cast: vote.cast })
}

/// Which analyzer it is follows from its place in the vote: the task is called `...[0]`, `...[1]` or `...[2]`.
pub async fn assess(ctx: Ctx, task: Assess) -> Result<Care> {
    let of = |number: u32, some: u32, much: u32| match number {
        n if n >= much => Care::Much,
        n if n >= some => Care::Some,
        _ => Care::Little,
    };
    let functions = &task.facts.functions;
    Ok(match ctx.task_name().rsplit('[').next() {
        Some("0]") => of(task.facts.lines.code, 100, 250),
        Some("1]") => of(functions.iter().map(|function| function.complexity).max().unwrap_or(0), 8, 16),
        _ => of(functions.iter().map(|function| function.lines).max().unwrap_or(0), 25, 60),
    })
}

/// The most careful of the answers.
pub async fn judge(_: Ctx, task: Judge) -> Result<usize> {
    let most = task.answers.iter().enumerate().max_by_key(|(_, care)| (*care).clone());
    most.map(|(n, _)| n).ok_or_else(|| Error::terminal("there is nothing to judge"))
}

#[tokio::main]
async fn main() -> Result<()> {
    let root = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "runtime/core/src".to_owned()));
    let board = Callboard::dev()
        .ephemeral()
        .agents(2, Analyzer::default)
        .task_fn(review)
        .task_fn(assess)
        .task_fn(judge)
        .start()
        .await?;
    let workflow = Workflow::new("reviews");
    let files = rust_files(&root)?.files;
    let reviews = files.iter().map(|file| Review { root: root.clone(), file: file.clone() });
    let nodes = workflow.map("review", reviews);
    let run = board.start(workflow).await?;
    let mut verdicts = Vec::new();
    for node in &nodes {
        verdicts.push(run.output(node).await?);
    }
    for Verdict { path, care, votes, cast } in &verdicts {
        println!("{path} needs {care:?} care, say {votes} of {cast}");
    }
    // By the folder of each file: where its files need the same care there is one answer, and else a conflict.
    let by_folder = verdicts.iter().map(|verdict| {
        let folder = verdict.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        (verdict.path.clone(), BTreeMap::from([(folder.to_owned(), verdict.care.clone())]))
    });
    let all = Aggregation::new().prefer(Prefer::Most).combine(by_folder)?;
    println!("by folder: {}", all.value);
    println!("the files of {} of them differ", all.conflicts.len());
    board.shutdown().await
}
