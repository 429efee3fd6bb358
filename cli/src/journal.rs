//! The journal without a node: shown, checked, copied, and restored.

use crate::args::{Journal, Place};
use crate::config::{checked, layers};
use crate::failure::{Failure, Result};
use crate::output::{Column, Format, Output, member};
use callboard::backup::{Copied, NameSpace, Verified};
use callboard::port::store::Store;
use callboard::{Code, Error, ErrorKind, Settings};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const PARTITIONS: &[Column] = &[
    ("PARTITION", |it| member(it, "partition")),
    ("POSITION", |it| member(it, "position")),
    ("EVENTS", |it| member(it, "events")),
    ("RUNS", |it| member(it, "runs")),
    ("PAGES", |it| member(it, "pages")),
    ("HASH", |it| member(it, "hash")),
];

pub(crate) async fn journal(command: &Journal, output: Output) -> Result<()> {
    match command {
        Journal::Cat { place, partition } => {
            let lines = name_space(&settings(place)?).await?.events(*partition).await.map_err(failure)?;
            match String::from_utf8_lossy(&lines).trim_end() {
                "" => Ok(()),
                lines => output.line(lines),
            }
        }
        Journal::Verify { place } => verify(&name_space(&settings(place)?).await?, output).await,
        Journal::Copy { place, to, at, every } => {
            let settings = settings(place)?;
            let until = positions(at)?;
            let target = folder(to).await?;
            let copied = copy(&settings, &target, &until).await?;
            show(&copied, output)?;
            let Some(every) = every else { return Ok(()) };
            loop {
                tokio::time::sleep(*every).await;
                match copy(&settings, &target, &until).await {
                    Ok(copied) => show(&copied, output)?,
                    // The copy is the one before; what keeps it from growing may pass.
                    Err(failure) => eprintln!("{failure}"),
                }
            }
        }
        Journal::Restore { place, from } => {
            let settings = settings(place)?;
            let copy = settings_of_copy(&settings, from)?;
            let restored = name_space(&copy).await?.restore(&settings).await.map_err(failure)?;
            output.show(&json!(restored).to_string(), &[])
        }
    }
}

async fn verify(name_space: &NameSpace, output: Output) -> Result<()> {
    let verified = name_space.verify().await.map_err(failure)?;
    if output.format == Format::Table {
        output.show(&json!({ "items": verified.partitions }).to_string(), PARTITIONS)?;
    } else {
        output.show(&json!(verified).to_string(), &[])?;
    }
    let Verified { id, generation, objects, bytes, documents, .. } = &verified;
    eprintln!("name space {id}, generation {generation}: {objects} objects, {bytes} bytes, {documents} documents");
    verified.ok().map_err(|error| {
        let next = "keep a copy of the store as it is, and restore the last good copy: callboard journal restore DIR";
        Failure::of(Code::Corrupt, &error).next(next)
    })
}

async fn copy(settings: &Settings, target: &Arc<dyn Store>, until: &BTreeMap<u16, String>) -> Result<Copied> {
    // It is opened anew each time: a bucket may be restored meanwhile, and that is another one.
    name_space(settings).await?.copy_to(target.clone(), until).await.map_err(failure)
}

fn show(copied: &Copied, output: Output) -> Result<()> {
    if output.format != Format::Table {
        return output.show(&json!(copied).to_string(), &[]);
    }
    let partitions = (0..copied.positions.len())
        .map(|n| json!({ "partition": n, "position": copied.positions[n], "hash": copied.hashes[n] }));
    let page = json!({ "items": partitions.collect::<Vec<_>>() });
    output.show(&page.to_string(), &[PARTITIONS[0], PARTITIONS[1], PARTITIONS[5]])?;
    eprintln!("{} objects, {} bytes, in {} ms", copied.objects, copied.bytes, copied.took_ms);
    Ok(())
}

/// The settings that say where the name space is.
fn settings(place: &Place) -> Result<Settings> {
    let mut layers = layers(&place.said);
    if let Some(folder) = &place.data {
        layers = layers.flag("--data", "store.url", format!("file://{}", folder.display()));
    }
    checked(layers.read())
}

/// The same for a copy of it in a folder.
fn settings_of_copy(settings: &Settings, folder: &Path) -> Result<Settings> {
    let mut copy = settings.clone();
    copy.store = callboard::StoreSettings::Folder(folder.to_owned());
    Ok(copy)
}

async fn name_space(settings: &Settings) -> Result<NameSpace> {
    NameSpace::open(settings).await.map_err(failure)
}

async fn folder(root: &Path) -> Result<Arc<dyn Store>> {
    crate::node::folder(root.to_owned()).await.map_err(|failure| failure.next("choose another folder for the copy"))
}

/// What was said of positions, by partition.
fn positions(at: &[String]) -> Result<BTreeMap<u16, String>> {
    let read = |said: &String| {
        let (partition, position) = said.split_once('=')?;
        Some((partition.parse().ok()?, position.to_owned()))
    };
    let wrong = |said: &String| {
        Failure::new(Code::Usage, format!("{said:?} is no position PARTITION=EPOCH/SLOT, such as 3=1/204"))
    };
    at.iter().map(|said| read(said).ok_or_else(|| wrong(said))).collect()
}

/// An error of the library; where there is nothing, where to look.
fn failure(error: Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::Invalid => Code::Usage,
        kind => Code::of(kind),
    };
    let failure = Failure::of(code, &error);
    match code {
        Code::NotFound => failure.next("callboard config show"),
        Code::Conflict | Code::Usage => failure.next("callboard help journal"),
        _ => failure,
    }
}
