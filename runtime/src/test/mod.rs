//! Tests of agents and workflows: in memory, in simulated time, with stubs, crashes and recorded histories.
//!
//! With the feature `test`, in the `dev-dependencies` of a crate; and tokio's `test-util`, for
//! `#[tokio::test(start_paused = true)]`: time stands still while anything is being done and leaps to the next timer when
//! nothing is, so that six durable hours, or ten years of them, cost no wall time.
//!
//! ```
//! use callboard::prelude::*;
//! use callboard::test::TestRuntime;
//!
//! #[task(output = String)] struct Build { rev: String }
//! #[task(output = String)] struct Ship { rev: String }
//! #[derive(Default)] struct Releaser;
//!
//! impl Agent<Ship> for Releaser {
//!     async fn run(&mut self, ctx: &Ctx, t: Ship) -> Result<String> {
//!         let image = ctx.call(Build { rev: t.rev }).await?;
//!         ctx.sleep(Duration::from_secs(6 * 3600)).await?;
//!         match ctx.approval(format!("ship {image}?")).await? {
//!             true => ctx.step("ship", || async { Ok(format!("shipped {image}")) }).await,
//!             false => Err(Error::terminal("rejected")),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # tokio::time::pause();
//! let rt = TestRuntime::new()
//!     .agent(Releaser::default)
//!     .stub(|b: Build| Ok(format!("img:{}", b.rev))) // in the place of an agent
//!     .crash_before("step:ship")                     // it has shipped, and that is not recorded
//!     .start().await;
//! let task = rt.submit(Ship { rev: "r7".into() }).await?;
//! task.approve().await?;
//! let history = task.history().await?;
//! assert_eq!(task.await?, "shipped img:r7");
//! assert_eq!((rt.attempts::<Ship>(), rt.losses::<Ship>(), rt.attempts::<Build>()), (1, 1, 1));
//! assert_eq!(rt.step_runs("ship"), 2); // this is why it should be an `effect`
//! # Ok(())
//! # }
//! ```
//!
//! # Crashes
//!
//! A handler dies where you say, once: [`crash_after`](TestBuilder::crash_after) an entry of its journal,
//! [`crash_during`](TestBuilder::crash_during) a call or [`crash_before`](TestBuilder::crash_before) an entry, in the gap
//! between an effect and its record. To be sure of all places, let it die at each of them:
//! [`crash_at`](TestBuilder::crash_at) has a loop for an example. [`TestRuntime::restart`] is the death of the whole node.
//!
//! # Histories
//!
//! What a run has recorded is a [`History`]: [save](History::save) it beside the code, and have a later build of the agents
//! [replay](TestRuntime::replay) it, before runs that are under way in production do.

mod builder;
mod cut;
mod handle;
mod history;
mod replay;
mod runtime;
mod watch;

pub use callboard_core::{Breach, Invariant};

pub use builder::{TestBuilder, TestPoolBuilder};
pub use handle::TestTask;
pub use history::History;
pub use replay::{Replay, Replayed, Verdict};
pub use runtime::TestRuntime;
pub use watch::Counted;
