use super::*;

/// What is shown for files `f0`, `f1`, .. from `done` to `total`.
fn shown(screen: Screen, done: usize, total: usize) -> String {
    let mut bytes = Vec::new();
    let mut progress = Progress::new(&mut bytes, screen, done, total);
    for file in done..total {
        progress.advance(&format!("f{file}"), Duration::from_millis(1_500));
    }
    progress.clear();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_log_has_a_line_for_every_tenth() {
    let log = shown(Screen::Plain, 0, 300);
    assert_eq!(log.lines().count(), 10);
    assert_eq!(
        (log.lines().next(), log.lines().last()),
        (Some("30 of 300 files, 1.5 s"), Some("300 of 300 files, 1.5 s"))
    );
    assert_eq!(shown(Screen::Plain, 212, 300).lines().next(), Some("240 of 300 files, 1.5 s"));
    assert_eq!(shown(Screen::Plain, 0, 2), "1 of 2 files, 1.5 s\n2 of 2 files, 1.5 s\n");
    assert!(!log.contains(['\r', '\x1b']));
}

#[test]
fn a_terminal_has_one_line() {
    assert_eq!(shown(Screen::Terminal, 1, 2), "\r\x1b[2K2/2  1.5 s  f1\r\x1b[2K");
}

#[test]
fn a_long_path_is_cut_at_its_start() {
    assert_eq!(ending("src/ü.rs", 8), "src/ü.rs");
    assert_eq!(ending("src/deep/ü.rs", 8), "...ü.rs".replace("...", ".../"));
    assert_eq!(ending("abcdef", 2), "...");
}
