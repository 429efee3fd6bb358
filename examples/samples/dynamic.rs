use callboard::prelude::*;
#[task(output = String, capability = "vcs.build")]
pub struct Build {
    pub rev: String,
}
#[task(output = bool)]
pub struct RunSuite {
    pub image: String,
    pub suite: String,
}
#[task(output = String)]
pub struct Ship {
    pub rev: String,
}
#[derive(Default)]
pub struct Releaser;

impl Agent<Ship> for Releaser {
    async fn run(&mut self, ctx: &Ctx, t: Ship) -> Result<String> {
        let tag = ctx.step("tag", || async { make_tag(&t.rev) }).await?; // journaled: runs once
        let image = ctx.call(Build { rev: t.rev.clone() }).retry(Retry::exponential(3)).await?; // by capability
        let suites = ["unit", "e2e"].map(|s| RunSuite { image: image.clone(), suite: s.into() });
        if ctx.map(suites).await?.contains(&false) {
            return Err(Error::terminal("tests are red"));
        }
        ctx.sleep(Duration::from_secs(6 * 3600)).await?; // survives restarts
        match ctx.approval(format!("ship {tag}?")).timeout(Duration::from_secs(24 * 3600)).await? {
            true => Ok(tag),
            false => Err(Error::terminal("rejected by a human")),
        }
    }
}
fn make_tag(rev: &str) -> Result<String> {
    let n: u32 = rev.trim_start_matches('r').parse().terminal()?; // bad input: never retried
    if n == 0 {
        return Err(Error::retry_after(Duration::from_secs(30), "index not ready"));
    }
    Ok(format!("v1.{n}")) // any other `?` is retryable
}
