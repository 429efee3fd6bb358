use callboard::prelude::*;
use futures::StreamExt;
#[task(output = String)]
struct FetchLog {
    repo: String,
}
#[task(output = Vec<String>)]
struct FetchIssues {
    repo: String,
}
#[task(output = String)]
struct Draft {
    log: In<String>,
    issues: In<Vec<String>>,
    tone: String,
}
#[task(output = String)]
struct Announce {
    text: In<String>,
} // In<T>: a literal or an upstream result

#[tokio::main]
async fn main() -> Result<()> {
    let board = Callboard::dev()
        .task_fn(|_, t: FetchLog| async move { Ok(format!("log of {}", t.repo)) })
        .task_fn(|_, t: FetchIssues| async move { Ok(vec![format!("{}#1", t.repo)]) })
        .task_fn(|_, t: Draft| async move { Ok(format!("{} notes: {}, {:?}", t.tone, *t.log, *t.issues)) })
        .task_fn(|_, t: Announce| async move { Ok(format!("sent: {}", *t.text)) })
        .start()
        .await?;
    let wf = Workflow::new("release-notes");
    let log = wf.task("log", FetchLog { repo: "acme/api".into() }).timeout(Duration::from_secs(30));
    let issues = wf.task("issues", FetchIssues { repo: "acme/api".into() }).retry(Retry::exponential(5));
    let draft =
        wf.task("draft", Draft { log: log.out(), issues: issues.out(), tone: "dry".into() }).priority(Priority::High); // edges come from the data
    let sent = wf.task("announce", Announce { text: draft.out() }).after(&issues); // order-only edge
    let run = board.start(wf).await?;
    let mut events = run.events();
    tokio::spawn(async move {
        while let Some(e) = events.next().await {
            println!("{e}");
        }
    });
    println!("{}", run.output(&sent).await?); // String: typed by the node
    Ok(())
}
