//! RabbitMQ.

mod cluster;
mod cookie;
mod install;
mod options;

pub use cluster::RabbitMqCluster;
pub use options::RabbitMqOptions;

use super::process::Process;
use super::{Error, port};
use install::Ports;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// From start to answer; measured: 8 to 26 s, by load.
const READY: Duration = Duration::from_secs(120);
/// For a question to the running server.
const ANSWER: Duration = Duration::from_secs(20);
/// For a clean end; measured: 2 s.
const STOP: Duration = Duration::from_secs(40);
/// What it writes when it takes connections.
const STARTED: &str = "Server startup complete";
/// With what a client of AMQP 0-9-1 begins.
const HELLO: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
/// With what the server's answer begins: a frame of a method.
const METHOD: u8 = 1;

/// Why a server takes no more publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// It uses more memory than it should.
    Memory,
    /// Its disk is nearly full.
    Disk,
}

/// A RabbitMQ server of our own.
#[derive(Debug)]
pub struct RabbitMq {
    folder: PathBuf,
    options: RabbitMqOptions,
    ports: Ports,
    cookie: String,
    member: Member,
    processes: Option<Processes>,
}

/// Which broker of its cluster one is.
#[derive(Clone, Copy, Debug)]
enum Member {
    /// The only one.
    Alone,
    /// One of several, from 1. The name server is that of all.
    OfSeveral(usize),
}

impl Member {
    /// What Erlang calls it; known only to the name server of the same folder.
    fn node(self) -> String {
        match self {
            Self::Alone => "callboard@localhost".to_owned(),
            Self::OfSeveral(number) => format!("callboard{number}@localhost"),
        }
    }
}

/// The server, and the name server of Erlang beside it if it is its own.
#[derive(Debug)]
struct Processes {
    server: Process,
    names: Option<Process>,
}

impl RabbitMq {
    /// Starts one with its data and its log in the folder, and returns when it answers, some ten seconds later.
    ///
    /// # Errors
    ///
    /// Words about what is missing or wrong, and which log to read.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        Self::start_with(folder, RabbitMqOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_with(folder: &Path, options: RabbitMqOptions) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let cookie = cookie::made(folder)?;
        port::retry(async || {
            let ports = Ports { amqp: port::free(), tls: port::free(), erlang: port::free(), names: port::free() };
            let (folder, options, cookie) = (folder.to_owned(), options.clone(), cookie.clone());
            let mut rabbit = Self { folder, options, ports, cookie, member: Member::Alone, processes: None };
            rabbit.start_again().await?;
            Ok(rabbit)
        })
        .await
    }

    /// Starts the killed or stopped server again, on the same port and with its data.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_again(&mut self) -> Result<(), Error> {
        self.kill();
        let files = [
            ("rabbitmq.conf", self.options.file(self.ports)),
            ("advanced.config", self.options.advanced()),
            ("plugins", "[].\n".to_owned()),
        ];
        for (name, text) in files {
            std::fs::write(self.folder.join(name), text).map_err(Error::file(self.folder.join(name)))?;
        }
        let names = || {
            let command = install::names(&self.folder, self.ports.names)?;
            Process::spawn("epmd", command, &self.folder.join("names.log"))
        };
        let names = matches!(self.member, Member::Alone).then(names).transpose()?;
        let command = install::server(&self.folder, self.ports, &self.member.node())?;
        let server = Process::spawn("rabbitmq", command, &self.log())?;
        let mut processes = Processes { server, names };
        // It is asked only then: each question is a program of its own.
        processes.server.says(READY, STARTED).await?;
        processes.server.answers(READY, async || self.greets().await).await?;
        self.processes = Some(processes);
        Ok(())
    }

    /// Whether a client would be greeted, by this server and no other.
    async fn greets(&self) -> Result<(), String> {
        match self.call("rabbit:is_running()").await {
            Ok(running) if running == "true" => {}
            Ok(other) => return Err(format!("running: {other}")),
            Err(error) => return Err(error.to_string()),
        }
        let words = |error: std::io::Error| format!("port {}: {error}", self.ports.amqp);
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.amqp)).await.map_err(words)?;
        stream.write_all(HELLO).await.map_err(words)?;
        match stream.read_u8().await.map_err(words)? {
            METHOD => Ok(()),
            other => Err(format!("port {} speaks something else: {other}", self.ports.amqp)),
        }
    }

    /// Where clients find it, such as `amqp://guest:guest@127.0.0.1:20817`.
    #[must_use]
    pub fn url(&self) -> String {
        self.options.url("amqp", "127.0.0.1", self.ports.amqp)
    }

    /// The same with TLS, `amqps://...@localhost:...`; the certificate's [`ca`](super::Certificate::ca) is to be trusted.
    ///
    /// It is nothing without a certificate in the options.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.options.certificate.as_ref().map(|_| self.options.url("amqps", "localhost", self.ports.tls))
    }

    /// The port without TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The process id, or nothing when it was killed or stopped.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.processes.as_ref().map(|processes| processes.server.id())
    }

    /// Leaves it running when we end, and gives its process ids.
    pub(super) fn detach(mut self) -> Vec<u32> {
        let processes = self.processes.take().into_iter();
        processes.flat_map(|Processes { server, names }| iter::once(server).chain(names)).map(Process::detach).collect()
    }

    /// Where it writes what it does.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Evaluates Erlang on the server, such as `rabbit_vhost:list_names()`, and gives the last value as text.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's words, [`Error::NoAnswer`] when none came within 20 s, [`Error::Stopped`].
    pub async fn evaluate(&self, erlang: &str) -> Result<String, Error> {
        match &self.processes {
            Some(_) => self.call(erlang).await,
            None => Err(Error::Stopped { server: "rabbitmq" }),
        }
    }

    async fn call(&self, erlang: &str) -> Result<String, Error> {
        let mut command = tokio::process::Command::from(install::call(&self.folder, &self.cookie, self.ports)?);
        command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let asked = || format!("`{erlang}`");
        let no_answer = |source| Error::NoAnswer { asked: asked(), source };
        let talk = async {
            let mut child = command.spawn()?;
            if let Some(mut input) = child.stdin.take() {
                let form = format!("lists:flatten(io_lib:format(\"~0tp\", [begin {erlang} end])).\n");
                input.write_all(form.as_bytes()).await?;
            }
            child.wait_with_output().await
        };
        let output = match tokio::time::timeout(ANSWER, talk).await {
            Ok(output) => output.map_err(no_answer)?,
            Err(late) => return Err(no_answer(late.into())),
        };
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match said.strip_prefix("{ok, \"").and_then(|said| said.strip_suffix("\"}")) {
            Some(value) => Ok(value.to_owned()),
            None => {
                let said = format!("{said} {}", String::from_utf8_lossy(&output.stderr).trim()).trim().to_owned();
                Err(Error::Refused { asked: asked(), said })
            }
        }
    }

    /// The same for what must have come to `ok`.
    async fn tell(&self, erlang: &str) -> Result<(), Error> {
        match self.evaluate(erlang).await?.as_str() {
            "ok" => Ok(()),
            said => Err(Error::Refused { asked: format!("`{erlang}`"), said: said.to_owned() }),
        }
    }

    /// Deletes the virtual host with all that is in it and makes it anew; its connections are closed.
    ///
    /// # Errors
    ///
    /// As of [`evaluate`](Self::evaluate).
    pub async fn wipe(&self) -> Result<(), Error> {
        let RabbitMqOptions { vhost, user, .. } = &self.options;
        self.tell(&format!(
            r#"rabbit_vhost:delete(<<"{vhost}">>, <<"test">>), ok = rabbit_vhost:add(<<"{vhost}">>, <<"test">>),
            rabbit_auth_backend_internal:set_permissions(
                <<"{user}">>, <<"{vhost}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)"#
        ))
        .await
    }

    /// Takes no publishes from now on, as when memory or disk ran out: connections that publish are blocked.
    ///
    /// # Errors
    ///
    /// As of [`evaluate`](Self::evaluate).
    pub async fn raise(&self, alarm: Alarm) -> Result<(), Error> {
        self.tell(&format!("rabbit_alarm:set_alarm({{{}, []}})", alarm.term())).await
    }

    /// Ends the alarm.
    ///
    /// # Errors
    ///
    /// As of [`evaluate`](Self::evaluate).
    pub async fn clear(&self, alarm: Alarm) -> Result<(), Error> {
        self.tell(&format!("rabbit_alarm:clear_alarm({})", alarm.term())).await
    }

    /// Closes every connection, with words to the client.
    ///
    /// # Errors
    ///
    /// As of [`evaluate`](Self::evaluate).
    pub async fn close_connections(&self) -> Result<(), Error> {
        let close = r#"rabbit_networking:close_connections(rabbit_networking:connections(), "closed by a test")"#;
        self.tell(close).await
    }

    /// Sets how long a delivery may go without an ack, for channels that are opened from now on.
    ///
    /// # Errors
    ///
    /// As of [`evaluate`](Self::evaluate).
    pub async fn set_consumer_timeout(&self, timeout: Duration) -> Result<(), Error> {
        let millis = timeout.as_millis();
        self.tell(&format!("application:set_env(rabbit, consumer_timeout, {millis})")).await
    }

    /// Kills it (SIGKILL). Nothing happens when it is not running.
    pub fn kill(&mut self) {
        if let Some(mut processes) = self.processes.take() {
            processes.server.kill();
            processes.names.iter_mut().for_each(Process::kill);
        }
    }

    /// Ends it cleanly (SIGTERM), within 40 s or by force.
    pub async fn stop(&mut self) {
        if let Some(mut processes) = self.processes.take() {
            processes.server.stop(STOP).await;
            processes.names.iter_mut().for_each(Process::kill);
        }
    }

    /// Stops it in its tracks (SIGSTOP): connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.processes.iter().for_each(|processes| processes.server.pause());
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.processes.iter().for_each(|processes| processes.server.resume());
    }
}

impl Alarm {
    /// As the server calls it.
    fn term(self) -> &'static str {
        match self {
            Self::Memory => "{resource_limit, memory, node()}",
            Self::Disk => "{resource_limit, disk, node()}",
        }
    }
}
