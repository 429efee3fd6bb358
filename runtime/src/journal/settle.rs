//! Creating a write-once object and finding out what became of it.

use bytes::Bytes;
use callboard_core::sabotage::{self, Sabotage};

use super::access::{Access, Backoff};
use crate::port::store::{Create, Error};

/// What became of a create.
#[derive(Debug)]
pub(super) enum Settled {
    /// The object is there and holds our bytes.
    Mine,
    /// The name holds these other bytes.
    Foreign(Bytes),
    /// Nothing was written and nothing ever will be: the first try was refused and there was no other.
    Refused(String),
    /// The series ended without an answer. The create may have taken effect, or may yet.
    Undecided(String),
}

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// The store's bounded number of tries.
    Bounded,
    /// Until the name holds something.
    Endless,
}

/// Creates `name` with `bytes`, always the same ones, until it is known what the name holds (J5, J6).
///
/// Only *Created* proves anything by itself. Everything else, a bare *exists* included (L1, L3), is settled by
/// reading the name: our bytes, others, or none, and then the same bytes are created again. An absence proves
/// nothing, for the create may still land. `stuck` hears of each try that did not settle it.
pub(super) async fn settle(
    access: &Access,
    name: &str,
    bytes: &Bytes,
    patience: Patience,
    mut stuck: impl FnMut(&str),
) -> Settled {
    let mut backoff = Backoff::default();
    let mut perhaps_written = false;
    loop {
        let reason = match access.create(name, bytes.clone()).await {
            Ok(Create::Created) => return Settled::Mine,
            Err(Error::Refused { reason }) if !perhaps_written => return Settled::Refused(reason),
            Err(error) if sabotage::is(Sabotage::LostAnswerMeansFailed) => return Settled::Refused(error.to_string()),
            Ok(Create::Exists) => "the name exists but could not be read".to_owned(),
            Err(error) => error.to_string(),
        };
        perhaps_written = true;
        let reason = match access.get(name).await {
            Ok(Some(found)) if found == *bytes => return Settled::Mine,
            Ok(Some(found)) => return Settled::Foreign(found),
            Ok(None) => reason,
            Err(error) => error.to_string(),
        };
        stuck(&reason);
        if matches!(patience, Patience::Bounded) && backoff.waits() + 1 >= access.tries() {
            return Settled::Undecided(reason);
        }
        backoff.wait().await;
    }
}
