//! The manifest: the register that says who owns a partition and where its newest snapshots are (J1).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::alarm::Corrupt;
use super::envelope::FORMAT;
use super::position::{NUMBER_MAX, Position};
use super::register::{self, Register, Verified};

/// What a manifest holds. Epoch and snapshot position only grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The newest epoch; 0 before the first claim.
    pub(crate) epoch: u64,
    /// The name of the epoch's owner.
    pub(crate) owner: String,
    /// The write id of the version that claimed the epoch.
    pub(crate) claim: Uuid,
    /// The newest snapshot: a walk begins here.
    pub(crate) snapshot: Named,
    /// The second newest: the boundary of the garbage (J8).
    pub(crate) previous: Named,
    /// The oldest format that a reader of this partition must know.
    pub(crate) format_floor: u32,
}

/// A snapshot as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    /// What it holds: everything up to here, inclusive.
    pub(crate) position: Position,
    /// What it is called; none for the empty state at the start.
    pub(crate) name: Option<String>,
}

impl Named {
    pub(super) const START: Self = Self { position: Position::START, name: None };
}

impl Manifest {
    /// The manifest of a partition that nobody has claimed yet.
    fn initial() -> Self {
        Self {
            epoch: 0,
            owner: String::new(),
            claim: Uuid::nil(),
            snapshot: Named::START,
            previous: Named::START,
            format_floor: 1,
        }
    }

    /// This manifest with the next epoch given to `owner`; the snapshots stay as they are (J2).
    pub(super) fn claimed(&self, owner: &str, claim: Uuid) -> Self {
        Self { epoch: self.epoch + 1, owner: owner.to_owned(), claim, ..self.clone() }
    }

    /// This manifest with a newer snapshot (J7).
    pub(super) fn with_snapshot(&self, snapshot: Named) -> Self {
        Self { snapshot, previous: self.snapshot.clone(), ..self.clone() }
    }
}

/// A manifest and the verified version that holds it.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// The version.
    pub(crate) version: Verified,
    /// Its content.
    pub(crate) manifest: Manifest,
}

/// Why a manifest cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store gave no answer.
    #[error("{0}")]
    Unavailable(register::Error),
    /// What cannot happen.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The partition may hold what this release cannot read (L14).
    #[error("the partition needs format {floor}, this release knows up to {FORMAT}")]
    Newer {
        /// The format floor of the partition.
        floor: u32,
    },
}

impl From<register::Error> for Error {
    fn from(error: register::Error) -> Self {
        match error {
            register::Error::Corrupt(corrupt) => Self::Corrupt(corrupt),
            unavailable @ register::Error::Unavailable { .. } => Self::Unavailable(unavailable),
        }
    }
}

/// Reads the manifest, verified (R2), and compares it with an `earlier` one (J10).
pub(super) async fn read(register: &Register, earlier: Option<&Current>) -> Result<Current, Error> {
    let version = register.read(earlier.map(|earlier| &earlier.version)).await?;
    let manifest = parse(&version)?;
    if let Some(Current { manifest: earlier, .. }) = earlier
        && (manifest.epoch < earlier.epoch || manifest.snapshot.position < earlier.snapshot.position)
    {
        let back = Corrupt::ManifestBack {
            from_epoch: earlier.epoch,
            from: earlier.snapshot.position,
            to_epoch: manifest.epoch,
            to: manifest.snapshot.position,
        };
        return Err(back.raise().into());
    }
    Ok(Current { version, manifest })
}

/// The floor is read first and alone: of a newer format nothing else need be as we know it.
fn parse(version: &Verified) -> Result<Manifest, Error> {
    #[derive(Deserialize)]
    struct Floor {
        format_floor: u32,
    }
    let undecodable = |error| Corrupt::undecodable(&format!("manifest version {}", version.number()), error).raise();
    let floor: Option<Floor> = version.parse().map_err(undecodable)?;
    match floor {
        None => Ok(Manifest::initial()),
        Some(Floor { format_floor: floor }) if floor > FORMAT => Err(Error::Newer { floor }),
        Some(_) => {
            let manifest: Manifest = version.parse().map_err(undecodable)?.unwrap_or_else(Manifest::initial);
            // As all numbers of the journal, so that the next one always exists.
            if manifest.epoch > NUMBER_MAX {
                let name = format!("manifest version {}", version.number());
                let reason = format!("epoch {} is beyond all epochs", manifest.epoch);
                return Err(Corrupt::undecodable(&name, reason).raise().into());
            }
            Ok(manifest)
        }
    }
}
