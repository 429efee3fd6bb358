//! Real servers as processes of one's own, and what can be done to them; and the suite that does it to a whole cluster.
//!
//! The suite is made of parts that know nothing of one another's work: a [`plan`](plan::Plan) and a seed give a
//! [`schedule`](schedule::Schedule); it is carried out on a cluster of processes (feature `suite`), which leaves a
//! [`history`]; [`check`] holds that against what is promised, and [`report`] tells people.

pub mod check;
pub mod history;
pub mod load;
pub mod plan;
pub mod proxy;
mod random;
pub mod report;
pub mod sabotage;
pub mod schedule;
pub mod servers;
pub mod store_proxy;
#[cfg(feature = "suite")]
pub mod suite;
pub mod work;
