//! Redis: one server, Sentinel, Cluster.

mod cluster;
mod resp;
mod sentinel;

pub use cluster::RedisCluster;
pub use resp::Reply;
pub use sentinel::Sentinel;

use super::process::Process;
use super::{Certificate, Error, port, program};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// From start to answer; measured: 0.1 s.
const READY: Duration = Duration::from_secs(20);
/// For one command.
const ANSWER: Duration = Duration::from_secs(5);
/// For a clean end, which writes what is not on the disk yet.
const STOP: Duration = Duration::from_secs(10);
const SERVER: &str = "redis-server";

/// How a [`Redis`] differs from the plain one.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// What clients must say first; nothing without.
    pub password: Option<String>,
    /// With this, a second port speaks TLS.
    pub certificate: Option<Certificate>,
    /// More words of the command line, such as `["--cluster-enabled", "yes"]`.
    pub more: Vec<String>,
}

/// A Redis server of our own.
///
/// It writes every command to its append-only file and flushes it once a second, so what was said before a kill is
/// there again after [`start_again`](Self::start_again): a killed process loses nothing that the system has.
#[derive(Debug)]
pub struct Redis {
    folder: PathBuf,
    options: RedisOptions,
    port: u16,
    tls_port: Option<u16>,
    process: Option<Process>,
}

impl Redis {
    /// Starts one with its data and its log in the folder, and returns when it answers.
    ///
    /// # Errors
    ///
    /// Words about what is missing or wrong, and which log to read.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        Self::start_with(folder, RedisOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_with(folder: &Path, options: RedisOptions) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        port::retry(async || {
            let tls_port = options.certificate.as_ref().map(|_| port::free());
            let (folder, options) = (folder.to_owned(), options.clone());
            let mut redis = Self { folder, options, port: port::free(), tls_port, process: None };
            redis.start_again().await?;
            Ok(redis)
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
        let mut command = program::command(SERVER)?;
        command.args(self.words());
        let process = self.process.insert(Process::spawn("redis", command, &self.folder.join("log"))?);
        let (port, options, id) = (self.port, &self.options, process.id());
        let answers = process.answers(READY, async || serves(port, options, id).await).await;
        if answers.is_err() {
            self.process = None;
        }
        answers
    }

    fn words(&self) -> Vec<String> {
        let folder = self.folder.display();
        let mut words =
            format!("--port {} --bind 127.0.0.1 --daemonize no --appendonly yes --appendfsync everysec", self.port);
        if let Some(port) = self.tls_port {
            words.push_str(&format!(" --tls-port {port} --tls-auth-clients no"));
        }
        let mut words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        words.extend(["--dir".into(), folder.to_string(), "--save".into(), String::new()]);
        if let Some(certificate) = &self.options.certificate {
            let files = [("cert", certificate.cert()), ("key", certificate.key()), ("ca-cert", certificate.ca())];
            words.extend(files.map(|(of, path)| [format!("--tls-{of}-file"), path.display().to_string()]).concat());
        }
        if let Some(password) = &self.options.password {
            words.extend(["--requirepass", password, "--masterauth", password].map(str::to_owned));
        }
        words.extend(self.options.more.iter().cloned());
        words
    }

    /// Where it is, such as `redis://127.0.0.1:20817`, with the password in it if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("redis", self.port)
    }

    /// The same with TLS, `rediss://localhost:...`; the certificate's [`ca`](Certificate::ca) is to be trusted.
    ///
    /// It is nothing without a certificate in the options.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.tls_port.map(|port| self.url_of("rediss", port).replace("127.0.0.1", "localhost"))
    }

    fn url_of(&self, scheme: &str, port: u16) -> String {
        match &self.options.password {
            Some(password) => format!("{scheme}://:{password}@127.0.0.1:{port}"),
            None => format!("{scheme}://127.0.0.1:{port}"),
        }
    }

    /// The port without TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id, or nothing when it was killed or stopped.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Leaves it running when we end, and gives its process ids.
    pub(super) fn detach(mut self) -> Vec<u32> {
        self.process.take().map(Process::detach).into_iter().collect()
    }

    /// Where it writes what it does.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Asks one command, such as `["CONFIG", "GET", "maxmemory"]`, over a connection of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's words, [`Error::NoAnswer`] when none came within 5 s.
    pub async fn ask(&self, command: &[&str]) -> Result<Reply, Error> {
        match ask(self.port, &self.options, command).await? {
            Reply::Error(said) => Err(Error::Refused { asked: command.join(" "), said }),
            reply => Ok(reply),
        }
    }

    /// Sets an option of the running server, such as `maxmemory-policy`.
    ///
    /// # Errors
    ///
    /// As of [`ask`](Self::ask).
    pub async fn config_set(&self, option: &str, value: &str) -> Result<(), Error> {
        self.ask(&["CONFIG", "SET", option, value]).await.map(drop)
    }

    /// Removes all keys, and the scripts that it knows by their digests.
    ///
    /// # Errors
    ///
    /// As of [`ask`](Self::ask).
    pub async fn flush(&self) -> Result<(), Error> {
        self.ask(&["FLUSHALL"]).await?;
        self.ask(&["SCRIPT", "FLUSH"]).await.map(drop)
    }

    /// Removes the keys that are chosen, as a server does that has no room for all.
    ///
    /// # Errors
    ///
    /// As of [`ask`](Self::ask).
    pub async fn evict(&self, mut is_chosen: impl FnMut(&str) -> bool) -> Result<(), Error> {
        let Reply::List(keys) = self.ask(&["KEYS", "*"]).await? else { return Ok(()) };
        let chosen: Vec<&str> = keys.iter().filter_map(Reply::text).filter(|key| is_chosen(key)).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        self.ask(&[&["DEL"], &chosen[..]].concat()).await.map(drop)
    }

    /// The keys that stay until somebody removes them.
    ///
    /// # Errors
    ///
    /// As of [`ask`](Self::ask).
    pub async fn keys_for_ever(&self) -> Result<Vec<String>, Error> {
        let Reply::List(keys) = self.ask(&["KEYS", "*"]).await? else { return Ok(Vec::new()) };
        let mut stay = Vec::new();
        for key in keys.iter().filter_map(Reply::text) {
            if self.ask(&["PTTL", key]).await? == Reply::Number(-1) {
                stay.push(key.to_owned());
            }
        }
        Ok(stay)
    }

    /// Everything is gone: the same as [`flush`](Self::flush), under the name that all servers have.
    ///
    /// # Errors
    ///
    /// As of [`ask`](Self::ask).
    pub async fn wipe(&self) -> Result<(), Error> {
        self.flush().await
    }

    /// Ends every connection of a client.
    ///
    /// # Errors
    ///
    /// As of [`ask`](Self::ask).
    pub async fn close_connections(&self) -> Result<(), Error> {
        self.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await.map(drop)
    }

    /// Kills it (SIGKILL). Nothing happens when it is not running.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Ends it cleanly (SIGTERM), within 10 s or by force.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(STOP).await;
        }
    }

    /// Stops it in its tracks (SIGSTOP): connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.process.iter().for_each(Process::pause);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.process.iter().for_each(Process::resume);
    }
}

/// Whether the process of this id serves at the port: whoever else may listen there is another one, and one that still
/// reads its data answers only this question.
async fn serves(port: u16, options: &RedisOptions, id: u32) -> Result<(), String> {
    let info = ask(port, options, &["INFO"]).await.map_err(|error| error.to_string())?.to_string();
    match (info.contains(&format!("\r\nprocess_id:{id}\r\n")), info.contains("\r\nloading:1\r\n")) {
        (true, false) => Ok(()),
        (true, true) => Err("it is reading its data".to_owned()),
        (false, _) => Err("another process answers".to_owned()),
    }
}

async fn ask(port: u16, options: &RedisOptions, command: &[&str]) -> Result<Reply, Error> {
    let asked = || format!("{} at port {port}", command.join(" "));
    let words = |command: &[&str]| command.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let login = options.password.iter().map(|password| words(&["AUTH", password]));
    let commands: Vec<_> = login.chain([words(command)]).collect();
    match tokio::time::timeout(ANSWER, resp::ask(port, &commands)).await {
        Ok(Ok(mut replies)) => Ok(replies.pop().unwrap_or(Reply::Nothing)),
        Ok(Err(source)) => Err(Error::NoAnswer { asked: asked(), source }),
        Err(late) => Err(Error::NoAnswer { asked: asked(), source: late.into() }),
    }
}
