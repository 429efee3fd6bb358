//! Agents that are described by files: who they are, what they can do, and which ready-made agent runs them.
//!
//! ```toml
//! # config/agents/disk-free.toml
//! description = "Tells how full the disks of this machine are."
//! labels = { zone = "eu" }
//!
//! [[capabilities]]
//! name = "disk.free"
//! input_schema = { type = "null" }
//!
//! [runs.command]
//! program = "./bin/disk-free"
//! timeout = "5s"
//! ```
//!
//! Every file, in TOML, YAML or JSON, is one agent, and registers itself when the program starts:
//!
//! ```no_run
//! use callboard::Callboard;
//! use callboard_agents::described::AgentsFrom;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> callboard::Result<()> {
//! let board = Callboard::dev().agents_from("config/agents")?.start().await?;
//! # board.shutdown().await
//! # }
//! ```
//!
//! Nothing starts half: all faults of all files are told at once, each with its file, line and key. `docs/agents.md` has
//! every key with its unit, default and limits. Whoever may write to the folder decides what runs on the machine.

mod agent_file;
mod faults;
mod folder;
mod resilience;
mod runs;
mod section;
#[cfg(test)]
mod tests;
mod tree;
mod yaml;

pub use agent_file::AgentFile;
pub use faults::{Faults, FileFault};
pub use folder::{AgentsFrom, from_folder, load};
