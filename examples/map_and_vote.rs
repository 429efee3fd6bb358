use callboard::prelude::*;
#[task(output = u64)]
struct CountWords {
    text: String,
}
#[task(output = Label)]
struct Triage {
    text: String,
}
#[task(output = String)]
struct Report {
    docs: Vec<String>,
}
#[task(output = u64)]
struct Sum {
    parts: In<Vec<u64>>,
}
#[payload]
struct Label {
    name: String,
    why: String,
}

async fn report(ctx: Ctx, t: Report) -> Result<String> {
    // a plain async fn is an agent too
    let words: u64 = ctx
        .map(t.docs.iter().map(|d| CountWords { text: d.clone() }))
        .width(32)
        .min_ok(t.docs.len() * 9 / 10)
        .await?
        .iter()
        .sum(); // fan out; reduce in plain Rust
    let v = ctx.vote(Triage { text: t.docs.join("\n") }).voters(5).quorum(3).by(|l| l.name.clone()).await?;
    Ok(format!("{words} words, {} by {} of {} votes: {}", v.winner.name, v.votes, v.cast, v.winner.why))
}
#[tokio::main]
async fn main() -> Result<()> {
    let board = Callboard::dev()
        .task_fn(report)
        .task_fn(|_, t: CountWords| async move { Ok(t.text.split_whitespace().count() as u64) })
        .task_fn(|_, t: Triage| async move { Ok(Label { name: "ok".into(), why: format!("{} bytes", t.text.len()) }) })
        .task_fn(|_, t: Sum| async move { Ok(t.parts.iter().sum()) })
        .start()
        .await?;
    println!("{}", board.call(Report { docs: vec!["a b c".into(), "d e".into()] }).await?);
    let wf = Workflow::new("count"); // the same reduce as a submitted DAG
    let parts = wf.map("count", ["a b", "c"].map(|s| CountWords { text: s.into() }));
    let total = wf.task("sum", Sum { parts: parts.gather() });
    println!("{}", board.start(wf).await?.output(&total).await?);
    Ok(())
}
