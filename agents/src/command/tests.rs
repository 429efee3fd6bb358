use super::*;
use callboard::ErrorClass;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// A command that runs a text with the shell: here only, because the tests are the operator.
fn shell(text: &str) -> CommandSettings {
    let arguments = ["-c", text].map(|argument| Argument::Fixed(argument.to_owned()));
    CommandSettings { arguments: arguments.into(), ..CommandSettings::of("sh") }
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

async fn run(settings: CommandSettings, input: &str) -> Result<Json> {
    Command::new(settings).unwrap().run(&json(input)).await
}

/// What came out, as text: the output, or the class of the error and its message.
async fn told(settings: CommandSettings, input: &str) -> String {
    match run(settings, input).await {
        Ok(output) => output.as_str().to_owned(),
        Err(error) if error.class() == ErrorClass::Terminal => format!("terminal: {error:#}"),
        Err(error) => format!("retryable: {error:#}"),
    }
}

#[tokio::test]
async fn a_program_gets_json_and_gives_json() {
    assert_eq!(told(CommandSettings::of("cat"), r#"{"a":[1,"ü"]}"#).await, r#"{"a":[1,"ü"]}"#);
    assert_eq!(told(shell("echo; echo '[1,'; echo 2]"), "null").await, "[1, 2]");
}

#[tokio::test]
async fn an_input_larger_than_a_pipe_goes_through_whether_it_is_read_or_not() {
    let long = format!("\"{}\"", "x".repeat(500_000));
    assert_eq!(told(CommandSettings::of("cat"), &long).await, long);
    assert_eq!(told(shell("echo 1"), &long).await, "1");
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_terminal_and_says_what_was_seen() {
    let program = program::find(Path::new("sh")).unwrap();
    let check = async |text: &str, expected: &str| {
        assert_eq!(told(shell(text), "null").await, format!("terminal: {} {expected}", program.display()));
    };
    check("true", "printed nothing, where one JSON value was expected").await;
    check("printf '\\377'", "printed 1 bytes that are not UTF-8").await;
    let seen = told(shell("echo hello"), "null").await;
    assert!(seen.starts_with("terminal: ") && seen.ends_with(r#": "hello\n""#), "{seen}");
    let seen = told(shell("echo 1 2"), "null").await;
    assert!(seen.starts_with("terminal: ") && seen.contains("trailing characters"), "{seen}");
}

#[tokio::test]
async fn the_exit_code_says_whether_another_attempt_helps() {
    for (code, class) in [(1, "retryable"), (64, "terminal"), (75, "retryable"), (78, "terminal"), (79, "retryable")] {
        let seen = told(shell(&format!("echo 1; echo broken >&2; exit {code}")), "null").await;
        assert!(seen.starts_with(class) && seen.ends_with(&format!("exit code {code}: broken")), "{seen}");
    }
    let own = CommandSettings { terminal_codes: [3].into(), ..shell("exit 3") };
    let seen = told(own, "null").await;
    assert!(seen.starts_with("terminal") && seen.ends_with("said nothing on standard error"), "{seen}");
    let seen = told(shell("kill -9 $$"), "null").await;
    assert!(seen.starts_with("retryable") && seen.contains("by signal 9"), "{seen}");
}

#[tokio::test]
async fn of_standard_error_the_end_is_kept() {
    let settings = CommandSettings { stderr_bytes_max: 5, ..shell("echo 123456789 >&2; exit 1") };
    assert!(told(settings, "null").await.ends_with("exit code 1: 6789"));
}

#[tokio::test]
async fn printing_too_much_ends_the_program() {
    let settings = CommandSettings { stdout_bytes_max: 100, ..shell("yes") };
    let seen = told(settings, "null").await;
    assert!(seen.starts_with("terminal: ") && seen.ends_with("printed more than stdout_max, 100 bytes"), "{seen}");
    let exactly = CommandSettings { stdout_bytes_max: 2, ..shell("echo 1") };
    assert_eq!(told(exactly, "null").await, "1");
}

#[tokio::test]
async fn the_environment_is_empty_but_for_what_the_settings_name() {
    let mut settings = CommandSettings::of("env");
    settings.environment.insert("CITY".to_owned(), "Ulm".to_owned());
    settings.pass_environment = vec!["HOME".to_owned(), "THERE_IS_NO_SUCH_VARIABLE".to_owned()];
    let Err(error) = run(settings, "null").await else { panic!("env prints no JSON") };
    let home = std::env::var("HOME").unwrap();
    for expected in ["PATH=/usr/local/bin:/usr/bin:/bin", "CITY=Ulm", &format!("HOME={home}")] {
        assert!(error.message().contains(expected), "{error}");
    }
    assert_eq!(error.message().matches("\\n").count(), 3, "{error}");
}

#[tokio::test]
async fn a_program_works_in_a_new_folder_or_in_the_one_that_is_named() {
    let own = run(shell("test -z \"$(ls -A)\" && touch trace && printf '\"%s\"' \"$PWD\""), "null").await.unwrap();
    let own: String = serde_json::from_str(own.as_str()).unwrap();
    assert!(!Path::new(&own).exists(), "{own} is still there");

    let folder = tempfile::tempdir().unwrap();
    let fixed =
        CommandSettings { folder: OwnFolder::Fixed(folder.path().to_path_buf()), ..shell("touch trace; echo 1") };
    run(fixed, "null").await.unwrap();
    assert!(folder.path().join("trace").exists());
}

/// Prints its arguments as a JSON list of strings.
fn arguments(of_input: Argument) -> CommandSettings {
    let script = r#"printf '['; for a in "$@"; do printf '%s"%s"' "$c" "$a"; c=,; done; echo ']'"#;
    let mut settings = shell(script);
    settings.arguments.push(Argument::Fixed("arg0".to_owned()));
    settings.arguments.push(of_input);
    settings
}

fn of_input(prefix: &str, one_of: &[&str]) -> Argument {
    let one_of = one_of.iter().map(|value| (*value).to_owned()).collect();
    Argument::Input { pointer: "/x".to_owned(), prefix: prefix.to_owned(), one_of }
}

#[tokio::test]
async fn a_part_of_the_input_is_one_argument_and_never_an_option() {
    let check = async |argument: Argument, input: &str, expected: &str| {
        let seen = told(arguments(argument), input).await;
        let seen = seen.strip_prefix("terminal: the input at /x cannot be an argument: ").unwrap_or(&seen);
        assert_eq!(seen, expected, "{input}");
    };
    check(of_input("", &[]), r#"{"x":"a b; rm *"}"#, r#"["a b; rm *"]"#).await;
    check(of_input("", &[]), r#"{"x":12}"#, r#"["12"]"#).await;
    check(of_input("", &[]), r#"{"x":true}"#, r#"["true"]"#).await;
    check(of_input("", &[]), r#"{"x":"--delete"}"#, r#""--delete" would be an option"#).await;
    check(of_input("", &[]), r#"{"x":-1}"#, r#""-1" would be an option"#).await;
    check(of_input("--n=", &[]), r#"{"x":-1}"#, r#"["--n=-1"]"#).await;
    check(of_input("", &["a", "b"]), r#"{"x":"b"}"#, r#"["b"]"#).await;
    check(of_input("", &["a", "b"]), r#"{"x":"c"}"#, r#""c" is none of ["a", "b"]"#).await;
    check(of_input("", &[]), r#"{"x":[1]}"#, "it is no string, number or boolean").await;
    check(of_input("", &[]), r#"{"y":1}"#, "there is nothing").await;
    check(of_input("", &[]), r#"{"x":"\u0000"}"#, "it contains a NUL").await;
    let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(4097));
    check(of_input("", &[]), &long, "it has 4097 bytes, more than 4096").await;
}

#[test]
fn every_fault_of_the_settings_is_told() {
    let mut settings = CommandSettings::of("no-such-program-here");
    settings.timeout = Duration::ZERO;
    settings.stdout_bytes_max = 0;
    settings.stderr_bytes_max = 1 << 20;
    settings.folder = OwnFolder::Fixed("here".into());
    settings.environment.insert("A=B".to_owned(), "\0".to_owned());
    settings.pass_environment = vec![String::new()];
    settings.terminal_codes = [256].into();
    settings.arguments = vec![Argument::Fixed("\0".to_owned()), of_input("", &["-x"])];
    let faults = Command::new(settings).unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    let expected = [
        "timeout",
        "stdout_max",
        "stderr_max",
        "terminal_codes",
        "environment",
        "environment",
        "pass_environment",
        "folder",
        "folder",
        "arguments[0]",
        "arguments[1].one_of",
        "program",
    ];
    assert_eq!(keys, expected, "{faults:?}");
}

#[test]
fn a_program_is_absolute_or_found_in_the_fixed_path() {
    assert!(Command::new(CommandSettings::of("sh")).unwrap().program().is_absolute());
    for wrong in ["./sh", "bin/sh", "..", "", "/", "/etc/passwd", "/no/such"] {
        assert_eq!(Command::new(CommandSettings::of(wrong)).unwrap_err()[0].key, "program", "{wrong:?}");
    }
}

/// Starts a second process in its group, writes both ids into the folder, and prints and ends as `then` says.
fn two_processes(folder: &Path, then: &str) -> CommandSettings {
    let text = format!("sleep 1000 & echo $$ $! > ids.part; mv ids.part ids; {then}");
    CommandSettings { folder: OwnFolder::Fixed(folder.to_path_buf()), ..shell(&text) }
}

/// Waits for the ids of both processes.
async fn ids(folder: &Path) -> Vec<String> {
    loop {
        if let Ok(ids) = fs::read_to_string(folder.join("ids")) {
            return ids.split_whitespace().map(str::to_owned).collect();
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until there is no such process, not even a zombie. The second one is a child of whoever adopts it, which need
/// not be in a hurry: of that one a zombie is enough.
async fn are_gone(ids: &[String]) {
    let state = |id: &String| fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    while !state(&ids[0]).is_empty() || !(state(&ids[1]).is_empty() || state(&ids[1]).contains(") Z")) {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_dropped_future_leaves_no_process_and_no_zombie() {
    let folder = tempfile::tempdir().unwrap();
    let command = Command::new(two_processes(folder.path(), "wait")).unwrap();
    let null = Json::null();
    let ids = tokio::select! {
        output = command.run(&null) => panic!("it waits for ever: {output:?}"),
        ids = ids(folder.path()) => ids,
    };
    are_gone(&ids).await;
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let late = async {
        let ids = ids(folder.path()).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
        ids
    };
    let (seen, ids) = tokio::join!(told(two_processes(folder.path(), "wait"), "null"), late);
    assert!(seen.starts_with("retryable: ") && seen.ends_with("was killed after timeout, 30s"), "{seen}");
    are_gone(&ids).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_goes_with_it_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The second process keeps standard output open: nobody waits for it.
    assert_eq!(told(two_processes(folder.path(), "echo 1"), "null").await, "1");
    are_gone(&ids(folder.path()).await).await;
}
