use super::*;
use crate::command::{Argument, CommandSettings, OwnFolder};
use crate::file::FileSettings;
use callboard::{Callboard, Error, Workflow, payload, task};
use std::path::Path;
use std::time::Duration;

#[payload]
struct Said {
    text: String,
}

#[task(output = Said, capability = "echo")]
struct Say {
    text: String,
}

#[task(output = Said, capability = "shell.say")]
struct SayInShell {
    text: String,
}

#[task(output = Content, capability = "notes.read")]
struct ReadNote {
    path: String,
}

#[payload]
struct Content {
    text: String,
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn refused(error: &Error, expected: &str) {
    let message = format!("{error:#}");
    assert!(!error.is_retryable() && message.contains(expected), "{message}");
}

#[tokio::test]
async fn inputs_and_outputs_are_checked_on_a_board() {
    let text = |pattern: &str| json(&format!(r#"{{"properties":{{"text":{{"pattern":"{pattern}"}}}}}}"#));
    let capability = Capability::new("echo").input_schema(text("^[a-z]*$")).output_schema(text("^.{0,3}$"));
    let echo = ReadyMade::new(Echo).offering(capability).unwrap();
    let board = Callboard::dev().ephemeral().add(echo.pool()).start().await.unwrap();
    assert_eq!(board.call(Say { text: "abc".into() }).await.unwrap().text, "abc");
    refused(&board.call(Say { text: "ABC".into() }).await.unwrap_err(), "the input does not fit its schema: at /text");
    refused(
        &board.call(Say { text: "abcd".into() }).await.unwrap_err(),
        "the output does not fit its schema: at /text",
    );
    let found = board.agents().find("echo").await.unwrap();
    assert_eq!((&*found[0].id, &*found[0].kind), ("echo", "echo"));
    assert!(found[0].capability("echo").unwrap().input_schema.is_some());
    board.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_program_learns_on_which_task_it_works() {
    let script = r#"printf '{"text":"%s %s %s"}' "$CALLBOARD_RUN" "$CALLBOARD_TASK" "$CALLBOARD_ATTEMPT""#;
    let arguments = ["-c", script].map(|argument| Argument::Fixed(argument.to_owned()));
    let settings = CommandSettings { arguments: arguments.into(), ..CommandSettings::of("sh") };
    let shell = ReadyMade::new(Command::new(settings).unwrap()).offering(Capability::new("shell.say")).unwrap();
    let board = Callboard::dev().ephemeral().add(shell.pool()).start().await.unwrap();
    let said = board.call(SayInShell { text: String::new() }).key("k").await.unwrap().text;
    assert_eq!(said, format!("{} shell.say 1", board.run_id_of_key("k")));
    board.shutdown().await.unwrap();
}

#[tokio::test]
async fn files_are_read_under_a_capability_of_any_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "note").unwrap();
    let file = ReadyMade::new(File::new(FileSettings::of(folder.path())).unwrap());
    assert_eq!(file.clone().offering(Capability::new("notes.burn")).unwrap_err().key, "name");
    let file = file.offering(Capability::new("notes.read")).unwrap();
    assert!(file.clone().offering(Capability::new("notes.read")).is_err());
    let board = Callboard::dev().ephemeral().add(file.pool().instances(2)).start().await.unwrap();
    assert_eq!(board.call(ReadNote { path: "a".into() }).await.unwrap().text, "note");
    refused(&board.call(ReadNote { path: "../a".into() }).await.unwrap_err(), "is refused");
    board.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_cancelled_run_takes_its_program_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo $$ > id.part; mv id.part id; wait";
    let arguments = ["-c", script].map(|argument| Argument::Fixed(argument.to_owned()));
    let place = OwnFolder::Fixed(folder.path().to_path_buf());
    let settings = CommandSettings { arguments: arguments.into(), folder: place, ..CommandSettings::of("sh") };
    let shell = ReadyMade::new(Command::new(settings).unwrap()).offering(Capability::new("shell.say")).unwrap();
    let board = Callboard::dev().ephemeral().add(shell.pool()).start().await.unwrap();
    let workflow = Workflow::new("long");
    workflow.task("say", SayInShell { text: String::new() });
    let run = board.start(workflow).await.unwrap();
    let id = loop {
        match std::fs::read_to_string(folder.path().join("id")) {
            Ok(id) => break id,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    run.cancel("not needed any more").await.unwrap();
    while Path::new("/proc").join(id.trim()).exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    board.shutdown().await.unwrap();
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    use crate::http::HttpSettings;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[task(output = Page, capability = "page.get")]
    struct Get {
        url: String,
    }
    #[payload]
    struct Page {
        status: u16,
        body: Said,
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async {
        let json = "content-type: application/json\r\ncontent-length: 13\r\n\r\n{\"text\":\"hi\"}";
        for answer in ["503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n", &format!("200 OK\r\n{json}")] {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
        }
    };
    let settings = HttpSettings { private_hosts: vec![url.parse().unwrap()], ..HttpSettings::of([]) };
    let http = ReadyMade::new(Http::new(settings).unwrap()).offering(Capability::new("page.get")).unwrap();
    let board = Callboard::dev().ephemeral().add(http.pool()).start().await.unwrap();
    let retry = callboard::Retry::exponential(1).base(Duration::from_millis(1));
    let call = async { board.call(Get { url: url.clone() }).retry(retry).await };
    let (page, ()) = tokio::join!(call, serve);
    let page = page.unwrap();
    assert_eq!((page.status, &*page.body.text), (200, "hi"));
    board.shutdown().await.unwrap();
}
