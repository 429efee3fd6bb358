//! As much of Redis's protocol as a question and its answer need.

use std::fmt;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What Redis answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status such as `OK`, or a string.
    Text(String),
    /// A number.
    Number(i64),
    /// No such thing.
    Nothing,
    /// Several of them.
    List(Vec<Reply>),
    /// A refusal.
    Error(String),
}

impl Reply {
    /// The value behind this name in a list of names and values, or nothing.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let Self::List(list) = self else { return None };
        list.chunks(2).find(|pair| pair[0].text() == Some(name)).and_then(|pair| pair.get(1)?.text())
    }

    /// The text of a text, or nothing.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Error(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Nothing => f.write_str("nothing"),
            Self::List(list) => f.debug_list().entries(list.iter().map(ToString::to_string)).finish(),
        }
    }
}

/// Asks several things over one connection; the answers are in the order of the questions.
pub(super) async fn ask(port: u16, commands: &[Vec<String>]) -> io::Result<Vec<Reply>> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    let mut replies = Vec::new();
    for command in commands {
        stream.write_all(&encode(command)).await?;
        replies.push(read(&mut stream).await?);
    }
    Ok(replies)
}

/// A command on the wire: a list of strings with their lengths.
fn encode(command: &[String]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// Reads one reply.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or_else(|| strange(line))?;
    let number = || rest.parse::<i64>().map_err(|_| strange(line));
    match kind {
        "+" => Ok(Reply::Text(rest.to_owned())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        ":" => Ok(Reply::Number(number()?)),
        "$" => match usize::try_from(number()?) {
            Ok(bytes) => string(stream, bytes).await,
            Err(_) => Ok(Reply::Nothing),
        },
        "*" => {
            let mut list = Vec::new();
            for _ in 0..number()? {
                list.push(Box::pin(read(stream)).await?);
            }
            Ok(Reply::List(list))
        }
        _ => Err(strange(line)),
    }
}

/// A string of so many bytes, and the end of its line.
async fn string(stream: &mut BufReader<TcpStream>, bytes: usize) -> io::Result<Reply> {
    let mut text = vec![0; bytes + 2];
    stream.read_exact(&mut text).await?;
    text.truncate(bytes);
    Ok(Reply::Text(String::from_utf8_lossy(&text).into_owned()))
}

fn strange(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an answer of Redis: {line:?}"))
}
