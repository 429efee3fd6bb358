mod processes;

use std::fs;
use std::future::Future;
use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use rustix::io::Errno;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

/// Calls that go to a hook first and sync nothing.
struct Double<H>(H);

enum Call<'a> {
    Write(&'a mut File, &'a [u8]),
    SyncFile,
    SyncDirectory(&'a str),
    SyncFileSystem,
}

impl<H: Fn(Call<'_>) -> io::Result<()> + Send + Sync + 'static> Syscalls for Double<H> {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        (self.0)(Call::Write(file, bytes))?;
        file.write_all(bytes)
    }

    fn sync_file(&self, _: &File) -> io::Result<()> {
        (self.0)(Call::SyncFile)
    }

    fn sync_directory(&self, _: &File, path: &str) -> io::Result<()> {
        (self.0)(Call::SyncDirectory(path))
    }

    fn sync_file_system(&self, _: &File) -> io::Result<()> {
        (self.0)(Call::SyncFileSystem)
    }
}

fn open_on(root: &TempDir, hook: impl Fn(Call<'_>) -> io::Result<()> + Send + Sync + 'static) -> FolderStore {
    FolderStore::open_on(root.path().to_owned(), Double(hook)).unwrap()
}

async fn create(store: &FolderStore, name: &str) -> Result<Create, Error> {
    store.create(name, Bytes::from(name.to_owned())).await
}

fn temp_count(root: &Path) -> usize {
    fs::read_dir(root.join("tmp")).unwrap().count()
}

fn words(answer: &Result<impl Sized, Error>) -> String {
    answer.as_ref().err().map(ToString::to_string).unwrap_or_default()
}

/// A hook that lets the test hold the fsync of one directory.
fn held_sync(path: &'static str) -> (impl Fn(Call<'_>) -> io::Result<()>, Receiver<()>, Sender<io::Result<()>>) {
    let (arrived, arrivals) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let held = Mutex::new((arrived, released));
    let hook = move |call: Call<'_>| match call {
        Call::SyncDirectory(at) if at == path => {
            let (arrived, released) = &*held.lock().unwrap();
            arrived.send(()).unwrap();
            released.recv().unwrap()
        }
        _ => Ok(()),
    };
    (hook, arrivals, release)
}

/// Runs everything that looks at `a/x` while the fsync of `a` is held; answers what they saw when it ended
/// like `outcome`.
async fn look_during_sync(outcome: io::Result<()>) -> (Result<Create, Error>, Vec<Result<bool, Error>>) {
    let root = tempfile::tempdir().unwrap();
    let (hook, arrivals, release) = held_sync("a");
    let store = open_on(&root, hook);
    let mut creates = JoinSet::new();
    spawn(&mut creates, &store, |store| async move { create(&store, "a/x").await });
    let arrivals = tokio::task::spawn_blocking(move || arrivals.recv().map(|()| arrivals)).await.unwrap().unwrap();
    assert!(root.path().join("objects/a/x").exists(), "the name is in the directory, but not durably");

    let mut looks = JoinSet::new();
    spawn(&mut looks, &store, |store| async move { Ok(store.get("a/x").await?.is_some()) });
    spawn(&mut looks, &store, |store| async move { Ok(store.list("a/", "").await? == ["a/x"]) });
    spawn(&mut looks, &store, |store| async move { Ok(store.list("", "").await?.contains(&"a/x".to_owned())) });
    spawn(&mut looks, &store, |store| async move { Ok(create(&store, "a/x").await? == Create::Exists) });
    tokio::task::yield_now().await;
    // Reads of other directories go on; they were begun later, so those that look had the time to see.
    for round in 0..20 {
        store.get(&format!("b/{round}")).await.unwrap();
    }
    assert!(looks.try_join_next().is_none(), "somebody saw a name that was not durable");
    release.send(outcome).unwrap();
    let created = creates.join_next().await.unwrap().unwrap();
    drop(arrivals);
    (created, looks.join_all().await)
}

fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    set: &mut JoinSet<T>,
    store: &FolderStore,
    work: impl FnOnce(FolderStore) -> F,
) {
    set.spawn(work(store.clone()));
}

#[tokio::test]
async fn reader_never_sees_an_unsynced_name() {
    let (created, seen) = look_during_sync(Ok(())).await;
    assert_eq!(created.unwrap(), Create::Created);
    assert!(seen.iter().all(|seen| matches!(seen, Ok(true))), "{seen:?}");

    let (created, seen) = look_during_sync(Err(Errno::IO.into())).await;
    assert!(matches!(created, Err(Error::Unclear { .. })), "{created:?}");
    let refused = |seen: &Result<bool, Error>| matches!(seen, Err(Error::Refused { .. }));
    assert!(seen.iter().all(refused), "a name whose fsync failed is not shown: {seen:?}");
}

#[tokio::test]
async fn directories_do_not_wait_for_each_other() {
    let root = tempfile::tempdir().unwrap();
    let (hook, arrivals, release) = held_sync("p/1/log");
    let store = open_on(&root, hook);
    let mut creates = JoinSet::new();
    spawn(&mut creates, &store, |store| async move { create(&store, "p/1/log/1").await });
    tokio::task::spawn_blocking(move || arrivals.recv().map(|()| arrivals)).await.unwrap().unwrap();

    assert_eq!(create(&store, "p/2/log/1").await.unwrap(), Create::Created);
    assert_eq!(create(&store, "p/1/manifest/1").await.unwrap(), Create::Created);
    assert_eq!(store.list("p/1/manifest/", "").await.unwrap(), ["p/1/manifest/1"]);
    store.delete("p/2/log/1").await.unwrap();
    assert_eq!(store.list("p/2/", "").await.unwrap(), Vec::<String>::new());

    release.send(Ok(())).unwrap();
    assert_eq!(creates.join_next().await.unwrap().unwrap().unwrap(), Create::Created);
}

#[tokio::test]
async fn a_directory_that_is_not_durable_is_not_built_upon() {
    let root = tempfile::tempdir().unwrap();
    let (hook, arrivals, release) = held_sync("");
    let store = open_on(&root, hook);
    let mut creates = JoinSet::new();
    spawn(&mut creates, &store, |store| async move { create(&store, "a/1").await });
    let _arrivals = tokio::task::spawn_blocking(move || arrivals.recv().map(|()| arrivals)).await.unwrap().unwrap();
    assert!(root.path().join("objects/a").exists());
    spawn(&mut creates, &store, |store| async move { create(&store, "a/2").await });
    // Blocking work that is begun later and ends shows that the second create had its time.
    for _ in 0..20 {
        tokio::task::spawn_blocking(|| fs::metadata("/").map(|_| ())).await.unwrap().unwrap();
    }
    assert!(creates.try_join_next().is_none(), "an object was called durable in a directory that is not");
    release.send(Ok(())).unwrap();
    assert!(creates.join_all().await.iter().all(|told| matches!(told, Ok(Create::Created))));
}

#[tokio::test]
async fn a_delete_is_durable_when_it_is_answered() {
    let root = tempfile::tempdir().unwrap();
    let synced = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&synced);
    let store = open_on(&root, move |call| {
        if let Call::SyncDirectory(path) = call {
            noted.lock().unwrap().push(path.to_owned());
        }
        Ok(())
    });
    assert_eq!(create(&store, "a/b/1").await.unwrap(), Create::Created);
    assert_eq!(std::mem::take(&mut *synced.lock().unwrap()), ["", "a", "a/b"]);
    store.delete("a/b/1").await.unwrap();
    assert_eq!(std::mem::take(&mut *synced.lock().unwrap()), ["a/b"]);
    store.delete("a/b/1").await.unwrap();
    assert!(synced.lock().unwrap().is_empty(), "nothing changed, so nothing is synced");
}

/// Fails the one fsync `fails` chooses, then looks at everything else.
async fn check_poisoned(what: &str, fails: impl Fn(&Call<'_>) -> bool + Send + Sync + 'static) {
    let root = tempfile::tempdir().unwrap();
    let syncs = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&syncs);
    let store = open_on(&root, move |call| {
        let mut syncs = counted.lock().unwrap();
        *syncs += usize::from(!matches!(call, Call::Write(..)));
        if *syncs > 3 && fails(&call) { Err(Errno::IO.into()) } else { Ok(()) }
    });
    assert_eq!(create(&store, "a/1").await.unwrap(), Create::Created);
    assert_eq!(*syncs.lock().unwrap(), 3, "a new directory costs one fsync, an object two");
    let unclear = create(&store, "a/2").await;
    assert!(matches!(unclear, Err(Error::Unclear { .. })), "{unclear:?}");
    let syncs_then = *syncs.lock().unwrap();

    let reason = format!(
        "{what} failed: Input/output error (os error 5); nothing more is written until the process is restarted and the disk is checked"
    );
    let refused = format!("the store refused: {reason}");
    assert_eq!(words(&unclear), format!("the store's answer is unclear: {reason}"));
    assert_eq!(words(&create(&store, "a/2").await), refused);
    assert_eq!(words(&store.get("a/1").await), refused);
    assert_eq!(words(&store.list("a/", "").await), refused);
    assert_eq!(words(&store.delete("a/1").await), refused);
    assert_eq!(*syncs.lock().unwrap(), syncs_then, "a failed fsync is never tried again");
    assert_eq!(temp_count(root.path()), 0);

    drop(store);
    let store = open_on(&root, |_| Ok(()));
    assert!(store.get("a/1").await.unwrap().is_some(), "a restart, after somebody looked at the disk, goes on");
}

#[tokio::test]
async fn fsync_error_poisons() {
    check_poisoned("fsync of a temp file", |call| matches!(call, Call::SyncFile)).await;
    check_poisoned("fsync of directory objects/a", |call| matches!(call, Call::SyncDirectory(_))).await;
}

/// Fails one call with `errno`: nothing is visible, and the store goes on.
async fn check_refused(errno: Errno, word: &str, fails: impl Fn(&Call<'_>) -> bool + Send + Sync + 'static) {
    let root = tempfile::tempdir().unwrap();
    let failing = Mutex::new(true);
    let store = open_on(&root, move |call| {
        let fail = fails(&call) && std::mem::take(&mut *failing.lock().unwrap());
        if fail { Err(errno.into()) } else { Ok(()) }
    });
    let refused = create(&store, "a/1").await;
    assert!(matches!(&refused, Err(Error::Refused { reason }) if reason.starts_with(word)), "{refused:?}");
    assert_eq!(temp_count(root.path()), 0);
    assert_eq!(store.get("a/1").await.unwrap(), None);
    assert_eq!(create(&store, "a/1").await.unwrap(), Create::Created);
}

#[tokio::test]
async fn a_temp_file_that_cannot_be_written_is_refused() {
    let write = |call: &Call<'_>| matches!(call, Call::Write(..));
    check_refused(Errno::NOSPC, "disk full: writing a temp file", write).await;
    check_refused(Errno::DQUOT, "disk full: writing a temp file", write).await;
    check_refused(Errno::IO, "failed: writing a temp file", write).await;
    let sync = |call: &Call<'_>| matches!(call, Call::SyncFile);
    check_refused(Errno::NOSPC, "disk full: fsync of a temp file", sync).await;
}

#[tokio::test]
async fn a_taken_name_costs_no_write() {
    let root = tempfile::tempdir().unwrap();
    let store = open_on(&root, |call| match call {
        Call::Write(_, b"again") => Err(Errno::IO.into()),
        _ => Ok(()),
    });
    assert_eq!(create(&store, "a").await.unwrap(), Create::Created);
    assert_eq!(store.create("a", "again".into()).await.unwrap(), Create::Exists);
}

#[tokio::test]
async fn a_dropped_create_is_carried_on() {
    let root = tempfile::tempdir().unwrap();
    let (hook, arrivals, release) = held_sync("");
    let store = open_on(&root, hook);
    let mut dropped = store.create("x", "whole".into());
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(dropped);
    arrivals.recv().unwrap();
    release.send(Ok(())).unwrap();
    assert_eq!(store.get("x").await.unwrap(), Some("whole".into()));
}

#[tokio::test]
async fn an_object_is_no_folder_and_a_folder_no_object() {
    let root = tempfile::tempdir().unwrap();
    let store = open_on(&root, |_| Ok(()));
    assert_eq!(create(&store, "a/b").await.unwrap(), Create::Created);
    assert!(words(&create(&store, "a").await).contains("is a folder of other objects"));
    assert!(words(&create(&store, "a/b/c").await).contains("Not a directory"));
    assert_eq!(store.get("a").await.unwrap(), None);
    assert_eq!(store.get("a/b/c").await.unwrap(), None);
    store.delete("a").await.unwrap();
    store.delete("a/b/c").await.unwrap();
    assert_eq!(store.list("", "").await.unwrap(), ["a/b"]);
    let long = create(&store, &format!("a/{}", "x".repeat(256))).await;
    assert!(words(&long).contains("segment of 256 bytes"), "{long:?}");
}

#[tokio::test]
async fn what_is_not_ours_is_not_listed() {
    let root = tempfile::tempdir().unwrap();
    let store = open_on(&root, |_| Ok(()));
    assert_eq!(create(&store, "a/b").await.unwrap(), Create::Created);
    fs::write(root.path().join("objects/a/b~"), "an editor was here").unwrap();
    fs::create_dir(root.path().join("objects/a/lost+found")).unwrap();
    std::os::unix::fs::symlink("b", root.path().join("objects/a/c")).unwrap();
    assert_eq!(store.list("", "").await.unwrap(), ["a/b"]);
    assert_eq!(store.list("a/", "").await.unwrap(), ["a/b"]);
}

#[tokio::test]
async fn many_directories_do_not_use_up_the_handles() {
    let root = tempfile::tempdir().unwrap();
    let store = open_on(&root, |_| Ok(()));
    for number in 0..600 {
        assert_eq!(create(&store, &format!("d/{number}/x/1")).await.unwrap(), Create::Created);
    }
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let open = open.filter(|path| path.starts_with(root.path())).count();
    assert!(open < 300, "{open} handles are open");
    assert_eq!(create(&store, "d/0/x/1").await.unwrap(), Create::Exists);
    assert_eq!(store.list("d/", "").await.unwrap().len(), 600);
}

#[tokio::test]
async fn objects_outlive_the_store() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("made/on/the/way");
    let store = FolderStore::open(&deep).unwrap();
    assert_eq!(create(&store, "a/b/c").await.unwrap(), Create::Created);
    assert_eq!(fs::read(deep.join("objects/a/b/c")).unwrap(), b"a/b/c");
    drop(store);
    fs::write(deep.join("tmp/17"), "torn").unwrap();
    let store = FolderStore::open(&deep).unwrap();
    assert_eq!(store.list("", "").await.unwrap(), ["a/b/c"]);
    assert_eq!(temp_count(&deep), 0, "leftovers go");
}

/// Such as a child process that has inherited the file and not come to its own program yet.
#[test]
fn a_holder_without_a_name_is_given_a_moment() {
    let root = tempfile::tempdir().unwrap();
    let lock = fs::File::create(root.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let opened = std::thread::scope(|scope| {
        let opening = scope.spawn(|| FolderStore::open(root.path()).map(drop));
        drop(lock);
        opening.join().unwrap()
    });
    assert!(opened.is_ok(), "{opened:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let error = FolderStore::open(file.join("store")).err().unwrap();
    assert!(error.to_string().starts_with("the store folder cannot be opened: cannot make "), "{error}");
}

#[test]
fn times_are_civil() {
    let at = |seconds| lock::utc(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
    assert_eq!(at(0), "1970-01-01T00:00:00Z");
    assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
    assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
    assert_eq!(at(1_795_170_980), "2026-11-20T10:36:20Z");
    assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
}

/// Opens a folder whose lock file says `text`; answers whether the file system was synced.
fn check_opened_after(text: &str) -> bool {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("lock"), text).unwrap();
    let synced = Arc::new(Mutex::new(false));
    let noted = Arc::clone(&synced);
    let store = open_on(&root, move |call| {
        *noted.lock().unwrap() |= matches!(call, Call::SyncFileSystem);
        Ok(())
    });
    assert_ne!(fs::read_to_string(root.path().join("lock")).unwrap(), text);
    drop(store);
    assert_eq!(fs::read_to_string(root.path().join("lock")).unwrap(), "", "a holder that leaves wipes its name");
    *synced.lock().unwrap()
}

#[test]
fn what_a_killed_process_left_is_synced_before_it_is_shown() {
    assert!(check_opened_after("process 1 on host gone"));
    assert!(!check_opened_after(""));
}

#[tokio::test]
async fn what_another_has_open_is_read_and_not_changed() {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::open(root.path()).unwrap();
    assert_eq!(create(&store, "a/x").await.unwrap(), Create::Created);
    let reader = FolderStore::open_to_read(root.path()).unwrap();
    assert_eq!(create(&store, "a/y").await.unwrap(), Create::Created);
    assert_eq!(reader.list("", "").await.unwrap(), ["a/x", "a/y"]);
    assert!(reader.get("a/y").await.unwrap().is_some());
    for refused in [create(&reader, "a/z").await.map(drop), reader.delete("a/x").await] {
        assert!(matches!(refused, Err(Error::Refused { reason }) if reason.contains("to be read")));
    }
    drop(reader);
    assert!(matches!(FolderStore::open(root.path()), Err(OpenError::Held { .. })), "it is the first one's still");
    let error = FolderStore::open_to_read(root.path().join("nowhere")).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(!root.path().join("nowhere").exists());
}
