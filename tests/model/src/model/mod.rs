//! The model of the journal protocol: registers and logs on create-if-absent alone.
//!
//! Two families are searched state by state: [`documents`] (writers that count in one register, rules
//! R1 to R8) and [`log`] (processes that claim, walk, seal, append, snapshot and collect, and a fresh
//! reader, rules J2 to J9). Each list, get and create is a step of its own. A crash is a pause without
//! end, a restart is the next process, so neither needs a step.
//!
//! What flies is kept for ever: a create that was sent may take effect at any later time, any number of
//! times, and its answer may be lost ([`store::Answer::Unclear`]). What may be deleted may vanish at any
//! moment. The second freedom is *resolved when somebody looks*: a name that may be deleted has no
//! content in the state, and a get of it shows nothing or any object that was ever sent there. That is
//! the same set of behaviours (a delete and a late create can always be put right before the look, and
//! nothing else sees them) with far fewer states. [`trace`] turns it back into explicit deletes and late
//! creates.
//!
//! [`control`] breaks one rule at a time; a search that does not notice is a vacuous one.
pub mod control;
pub mod documents;
pub mod log;
pub mod process;
pub mod properties;
pub mod reader;
pub mod register;
pub mod search;
pub mod sequence;
pub mod store;
pub mod trace;
pub mod walk;
