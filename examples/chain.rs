//! Three agents in a chain: one analyzes a Rust file, one writes a page about it, one checks the page.
//!
//!     cargo run --example chain -- runtime/src/agent
//!
//! Give it the name of a folder as well, and it writes the pages there.
//!
//! Each file is a chain of its own, and all of them run side by side: `analyze` finds the facts, `document` makes a page
//! of Markdown of them, `verify` holds the page against the facts. What an agent needs of another is its output: that is
//! the edge of the graph. In the end one page is tampered with, to show that the last agent does look.

use callboard::prelude::*;
use callboard_agents::code::files::rust_files;
use callboard_agents::code::{Analyze, Analyzer, FileReport};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Asks for a page about a file of which the facts are known.
#[task(output = String, capability = "docs.write")]
struct Write {
    facts: In<FileReport>,
}

/// Asks whether a page tells everything that is public in a file.
#[task(output = usize, capability = "docs.verify")]
struct Verify {
    facts: In<FileReport>,
    page: In<String>,
}

async fn write(_: Ctx, task: Write) -> Result<String> {
    let facts = &task.facts;
    let mut page =
        format!("# {}\n\n{} lines of code, {} functions.\n", facts.path, facts.lines.code, facts.functions.len());
    for item in &facts.public {
        page += &format!("\n- `{}` ({}, line {}): {}", item.name, item.kind, item.line, item.summary);
    }
    Ok(page + "\n")
}

/// The number of public items, if the page has them all. A page that lacks one does not get better by another look.
async fn verify(_: Ctx, task: Verify) -> Result<usize> {
    let public = &task.facts.public;
    let entry = |name: &str| format!("- `{name}` (");
    let missing: Vec<_> = public.iter().filter(|item| !task.page.contains(&entry(&item.name))).collect();
    match missing.first() {
        None => Ok(public.len()),
        Some(first) => {
            let said =
                format!("the page on {} lacks {} {}, line {}", task.facts.path, first.kind, first.name, first.line);
            Err(Error::terminal(said))
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let root = PathBuf::from(arguments.next().unwrap_or_else(|| "runtime/src/agent".to_owned()));
    let out = arguments.next().map(PathBuf::from);

    let board = Callboard::dev()
        .ephemeral()
        .agents(2, Analyzer::default) // "code.analyze", ready-made
        .task_fn(write)
        .task_fn(verify)
        .start()
        .await?;

    let workflow = Workflow::new("documentation");
    let mut pages = Vec::new();
    for file in rust_files(&root)?.files {
        let path = file.path.clone();
        let facts = workflow.task(format!("analyze {path}"), Analyze { root: root.clone(), file });
        let page = workflow.task(format!("write {path}"), Write { facts: facts.out() });
        let checked = workflow.task(format!("verify {path}"), Verify { facts: facts.out(), page: page.out() });
        pages.push((path, facts, page, checked));
    }

    let run = board.start(workflow).await?;
    let mut verified = Vec::new();
    for (path, facts, page, checked) in &pages {
        let (items, page) = (run.output(checked).await?, run.output(page).await?);
        println!("{path}: {items} public items, all on a page of {} lines", page.lines().count());
        if let Some(out) = &out {
            save(&out.join(path).with_extension("md"), &page)?;
        }
        verified.push((items, facts, page));
    }

    // Somebody drops the last entry of the longest page, and the same agent refuses it.
    if let Some((1.., facts, page)) = verified.iter().max_by_key(|(items, ..)| items) {
        let (tampered, _dropped) = page.trim_end().rsplit_once('\n').unwrap_or_default();
        let facts = run.output(facts).await?;
        match board.call(Verify { facts: facts.into(), page: tampered.into() }).await {
            Ok(_) => return Err(Error::terminal("a page that lacks an item has passed")),
            Err(refused) => println!("refused: {refused:#}"),
        }
    }
    board.shutdown().await
}

fn save(file: &Path, page: &str) -> Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    Ok(fs::write(file, page)?)
}
