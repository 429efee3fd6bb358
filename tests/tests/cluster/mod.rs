//! Several nodes: they find one another, divide the partitions, and do one another's work.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that fails here may panic, and joins what it spawns"
)]

mod breakers;
pub(crate) mod chaos;
mod cost;
mod deaf;
mod dispatch;
mod documents;
mod feed;
pub(crate) mod fire;
pub(crate) mod kit;
mod limits;
mod linear;
mod membership;
mod messages;
mod restored;
mod takeover;
mod wiped;
