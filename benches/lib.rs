//! What Callboard has to reach: the programs measure it.

pub mod targets;
