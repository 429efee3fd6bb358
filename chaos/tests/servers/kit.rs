//! A folder for the servers of a test, and what is left of them.

use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Far longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Waits until no process has the folder in its command, its environment or as its place.
pub(crate) async fn nothing_is_left(folder: &Path) {
    let gone = async {
        while !processes(folder).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, gone).await.is_err() {
        panic!("left: {:?}", processes(folder));
    }
}

/// The ids of those that belong to the folder.
pub(crate) fn processes(folder: &Path) -> Vec<u32> {
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| belongs(*id, folder)).collect()
}

fn belongs(id: u32, folder: &Path) -> bool {
    let of = Path::new("/proc").join(id.to_string());
    let says = |file: &str| {
        let bytes = std::fs::read(of.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(folder.to_str().unwrap())
    };
    let there = std::fs::read_link(of.join("cwd")).is_ok_and(|place| place.starts_with(folder));
    id != std::process::id() && (there || says("cmdline") || says("environ"))
}
