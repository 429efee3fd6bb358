//! The durable examples, in which everybody dies at every place in turn: what they come to stays the same.

#[expect(dead_code, unreachable_pub, reason = "a program, which is run as one by other tests")]
#[path = "../../../examples/jury.rs"]
mod jury;
#[expect(dead_code, unreachable_pub, reason = "a program, which is run as one by other tests")]
#[path = "../../../examples/release.rs"]
mod release;
#[expect(dead_code, unreachable_pub, reason = "a program, which is run as one by other tests")]
#[path = "../../../examples/word_count.rs"]
mod word_count;

use super::test_kit::every_place;
use callboard::test::TestRuntime;
use callboard_agents::code::Analyzer;
use callboard_agents::code::files::rust_files;
use std::fs;

#[track_caller]
fn has(places: &[String], wanted: &[&str]) {
    for place in wanted {
        assert!(places.iter().any(|seen| seen == place), "{place} is not among {places:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_count_comes_to_the_same_whoever_dies() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..3 {
        fs::write(folder.path().join(format!("{n}.txt")), "alpha bravo alpha").unwrap();
    }
    let agents = || TestRuntime::new().task_fn(word_count::survey).task_fn(word_count::count);
    let places = every_place(agents, async |rt| {
        let found = rt.call(word_count::Survey { folder: folder.path().to_owned() }).await.unwrap();
        assert_eq!((found.files, found.words["alpha"], found.unread.len()), (3, 6, 0), "{:?}", rt.crash_places());
        assert_eq!((rt.attempts::<word_count::Survey>(), rt.attempts::<word_count::Count>()), (1, 3));
    })
    .await;
    has(&places, &["survey before step:list", "survey after step:list", "survey after map:words.count[2]"]);
}

#[tokio::test(start_paused = true)]
async fn a_jury_says_the_same_whoever_dies() {
    let folder = tempfile::tempdir().unwrap();
    let arms: String = (0..30).map(|n| format!("        {n} => {n},\n")).collect();
    fs::write(
        folder.path().join("odd.rs"),
        format!("fn odd(n: u8) -> u8 {{\n    match n {{\n{arms}        _ => 0,\n    }}\n}}\n"),
    )
    .unwrap();
    let agents = || {
        let rt = TestRuntime::new().agent(Analyzer::default).task_fn(jury::review);
        rt.task_fn(jury::assess).task_fn(jury::judge)
    };
    let places = every_place(agents, async |rt| {
        let file = rust_files(folder.path()).unwrap().files.remove(0);
        let verdict = rt.call(jury::Review { root: folder.path().to_owned(), file }).await.unwrap();
        assert_eq!((verdict.care, verdict.votes, verdict.cast), (jury::Care::Much, 1, 3), "{:?}", rt.crash_places());
        assert_eq!(rt.attempts::<jury::Judge>(), 1);
    })
    .await;
    has(
        &places,
        &["review after call:code.analyze", "review after vote:care.assess[1]", "review after vote:care.assess/judge"],
    );
}

#[tokio::test(start_paused = true)]
async fn a_release_is_published_once_whoever_dies() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("releases.txt");
    fs::create_dir(folder.path().join("crate")).unwrap();
    fs::write(folder.path().join("crate/Cargo.toml"), "name = \"nice\"\nversion = \"1.2.3\"\n").unwrap();
    fs::write(folder.path().join("crate/lib.rs"), "//! A crate.\n").unwrap();
    let agents = || TestRuntime::new().task_fn(release::release).task_fn(release::build).task_fn(release::check);
    let places = every_place(agents, async |rt| {
        let _from_before = fs::remove_file(&list);
        let ask = release::Release { folder: folder.path().join("crate"), list: list.clone() };
        let task = rt.submit(ask).await.unwrap();
        task.approve().await.unwrap();
        assert_eq!(task.output().await.unwrap(), "nice 1.2.3 is released", "{:?}", rt.crash_places());
        let lines = fs::read_to_string(&list).unwrap().lines().count();
        assert_eq!(lines, 1, "published once: {:?}", rt.crash_places());
    })
    .await;
    has(&places, &["release during effect:publish", "release before effect:publish", "release after effect:publish"]);
}
