use super::*;

fn of(line: &str) -> Result<Arguments, Stop> {
    parse(line.split_whitespace().map(OsString::from))
}

#[track_caller]
fn check_wrong(line: &str, expected: &str) {
    assert_eq!(of(line), Err(Stop::Wrong(expected.to_string())), "{line}");
}

#[test]
fn a_path_is_enough() {
    let arguments = of("src").expect("arguments");
    assert_eq!(arguments.path, PathBuf::from("src"));
    assert_eq!((arguments.out, arguments.data), (PathBuf::from("code-review.md"), PathBuf::from(".callboard")));
    assert_eq!((arguments.fresh, arguments.delay, arguments.tell), (false, Duration::ZERO, false));
}

#[test]
fn flags_stand_anywhere() {
    let arguments = of("--out a.md --fresh src --data state --delay-ms 20 --tell").expect("arguments");
    assert_eq!((arguments.out, arguments.data), (PathBuf::from("a.md"), PathBuf::from("state")));
    assert_eq!((arguments.fresh, arguments.delay, arguments.tell), (true, Duration::from_millis(20), true));
}

#[test]
fn mistakes_are_named() {
    check_wrong("", "a PATH is missing");
    check_wrong("a b", "more than one PATH");
    check_wrong("a --out", "--out wants a value");
    check_wrong("a --delay-ms soon", "--delay-ms wants a number");
    check_wrong("a --quick", "unknown flag --quick");
    assert_eq!(of("a --help"), Err(Stop::Help));
}
