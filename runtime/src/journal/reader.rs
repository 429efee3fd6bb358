//! Reading a journal without owning it (J9).

use super::Journal;
use super::manifest;
use super::position::Position;
use super::replay::Replay;
use super::walk::{self, Step, Walk};

/// Why a journal could not be read to its end. Nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The manifest could not be read, or is of a newer format.
    #[error("{0}")]
    Manifest(#[from] manifest::Error),
    /// The log could not be read, or not be replayed.
    #[error("{0}")]
    Walk(#[from] walk::Error),
    /// Snapshots came faster than the log could be read.
    #[error("the journal moved on during each of {tries} readings")]
    Overtaken {
        /// How often it was begun.
        tries: u32,
    },
}

impl Journal {
    /// Replays the journal into `replay` without creating anything, and returns the last position read.
    ///
    /// What was committed before the call began is told; of what is committed meanwhile a beginning. Every checksum and
    /// the chain of hashes are verified on the way.
    ///
    /// # Errors
    /// The walk's errors name the first bad position.
    pub(crate) async fn read(&self, replay: &mut dyn Replay) -> Result<Position, Error> {
        let register = self.manifest();
        let mut current = manifest::read(&register, None).await?;
        let tries = self.access.tries();
        for _ in 0..tries {
            let walked = self.walk_to_free(&current.manifest, replay).await;
            // A free slot, and damage too, may only mean that the log was snapshotted and collected meanwhile.
            let now = match &walked {
                Ok(_) | Err(walk::Error::Corrupt(_)) => manifest::read(&register, Some(&current)).await?,
                Err(error) => return Err(error.clone().into()),
            };
            if now.manifest.snapshot == current.manifest.snapshot {
                return walked.map_err(|error| match error {
                    walk::Error::Corrupt(corrupt) => walk::Error::from(corrupt.raise()).into(),
                    error => error.into(),
                });
            }
            current = now;
        }
        Err(Error::Overtaken { tries })
    }

    async fn walk_to_free(
        &self,
        manifest: &manifest::Manifest,
        replay: &mut dyn Replay,
    ) -> Result<Position, walk::Error> {
        let mut walk = Walk::begin(self, &manifest.snapshot, replay).await?;
        while walk.next().await? != Step::Free {}
        Ok(walk.at())
    }
}
