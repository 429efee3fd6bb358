//! radosgw, the S3 server of Ceph, on a Ceph of one monitor and one disk.

mod ceph;
mod s3;

pub use s3::Response;

use super::process::Process;
use super::{Certificate, Error, port};
use ceph::Ceph;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// From start to answer; measured: 7 s from nothing, 2 s after a kill of everything, 0.6 s for the gateway alone.
const READY: Duration = Duration::from_secs(120);
/// For one request.
const ANSWER: Duration = Duration::from_secs(30);
/// For a clean end.
const STOP: Duration = Duration::from_secs(20);
const SERVER: &str = "radosgw";

/// How a [`RadosGw`] differs from the plain one.
#[derive(Debug, Clone, Default)]
pub struct RadosGwOptions {
    /// With this, a second port speaks TLS.
    pub certificate: Option<Certificate>,
    /// More lines for the gateway in `ceph.conf`.
    pub more: Vec<String>,
}

/// With what a client of S3 shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The access key.
    pub id: String,
    /// The secret key.
    pub secret: String,
}

impl Default for Key {
    fn default() -> Self {
        Self { id: "callboard".to_owned(), secret: "callboard-secret".to_owned() }
    }
}

/// Whether a bucket keeps what is overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// From now on.
    Enabled,
    /// No more; what was kept stays.
    Suspended,
}

/// An S3 server of our own: the gateway of Ceph, and the Ceph behind it.
#[derive(Debug)]
pub struct RadosGw {
    folder: PathBuf,
    ceph: Ceph,
    options: RadosGwOptions,
    key: Key,
    monitor: Option<Process>,
    disk: Option<Process>,
    gateway: Option<Process>,
}

impl RadosGw {
    /// The only region it knows.
    pub const REGION: &'static str = "default";

    /// Starts one with its data and its logs in the folder, and returns when it answers, some ten seconds later.
    ///
    /// # Errors
    ///
    /// Words about what is missing or wrong, and which log to read.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        Self::start_with(folder, RadosGwOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_with(folder: &Path, options: RadosGwOptions) -> Result<Self, Error> {
        port::retry(async || {
            let data = folder.join("ceph");
            let ceph = Ceph { data, monitor: port::free(), gateway: port::free(), tls: port::free() };
            let (folder, options, key) = (folder.to_owned(), options.clone(), Key::default());
            let mut server = Self { folder, ceph, options, key, monitor: None, disk: None, gateway: None };
            server.start_anew().await?;
            Ok(server)
        })
        .await
    }

    /// From nothing, whatever was there before.
    async fn start_anew(&mut self) -> Result<(), Error> {
        self.kill();
        let data = &self.ceph.data;
        if data.exists() {
            std::fs::remove_dir_all(data).map_err(Error::file(data))?;
        }
        self.ceph.make_monitor(&self.options).await?;
        self.start_monitor()?;
        let made = self.ceph.make_disk().await;
        self.below(made)?;
        self.start_disk().await?;
        self.start_gateway_process()?;
        // The gateway's first start makes the pools that the user is in.
        self.answers(&[401, 403]).await?;
        self.ceph.make_user(&self.key).await?;
        self.answers(&[200]).await
    }

    /// Starts everything again that was killed or stopped, on the same ports and with its data.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_again(&mut self) -> Result<(), Error> {
        self.kill();
        self.start_monitor()?;
        self.start_disk().await?;
        self.start_gateway().await
    }

    /// Starts the gateway again, the Ceph behind it being there.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_gateway(&mut self) -> Result<(), Error> {
        self.start_gateway_process()?;
        self.answers(&[200]).await
    }

    fn start_monitor(&mut self) -> Result<(), Error> {
        self.monitor = Some(self.spawn("ceph-mon", "-f -i a", "monitor.log")?);
        Ok(())
    }

    /// Returns when the disk serves: a gateway that is there earlier calls one in vain and tries again ten seconds later.
    async fn start_disk(&mut self) -> Result<(), Error> {
        let disk = self.spawn("ceph-osd", "-f -i 0", "disk.log")?;
        let booted = self.disk.insert(disk).says(READY, "booting -> active").await;
        self.below(booted)
    }

    fn start_gateway_process(&mut self) -> Result<(), Error> {
        self.gateway = Some(self.spawn("radosgw", "-f -n client.admin", "log")?);
        Ok(())
    }

    fn spawn(&self, name: &'static str, words: &str, log: &str) -> Result<Process, Error> {
        Process::spawn(name, self.ceph.command(name, words)?, &self.folder.join(log))
    }

    /// Waits until the list of buckets is answered with one of these.
    async fn answers(&mut self, wanted: &[u16]) -> Result<(), Error> {
        let (port, key) = (self.ceph.gateway, &self.key);
        let probe = async || match s3::send(port, key, "GET", "/", "").await {
            Ok(response) if wanted.contains(&response.status) => Ok(()),
            Ok(Response { status, body }) => Err(format!("{status}: {body}")),
            Err(error) => Err(error.to_string()),
        };
        let Some(gateway) = &mut self.gateway else { return Err(Error::Stopped { server: SERVER }) };
        let answers = gateway.answers(READY, probe).await;
        self.below(answers)
    }

    /// Whoever asks a Ceph that has ended waits in vain: its end is the better reason.
    fn below(&mut self, done: Result<(), Error>) -> Result<(), Error> {
        if done.is_ok() {
            return done;
        }
        let ended = [&mut self.monitor, &mut self.disk].into_iter().flatten().filter_map(Process::ended).next();
        self.kill();
        ended.map_or(done, Err)
    }

    /// Where clients find it, such as `http://127.0.0.1:20817`; buckets are in the path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ceph.gateway)
    }

    /// The same with TLS, `https://localhost:...`; the certificate's [`ca`](Certificate::ca) is to be trusted.
    ///
    /// It is nothing without a certificate in the options.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.options.certificate.as_ref().map(|_| format!("https://localhost:{}", self.ceph.tls))
    }

    /// The port without TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ceph.gateway
    }

    /// Who may do everything.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The process id of the gateway, or nothing when it was killed or stopped.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.gateway.as_ref().map(Process::id)
    }

    /// Leaves it running when we end, and gives its process ids.
    pub(super) fn detach(mut self) -> Vec<u32> {
        let all = [self.gateway.take(), self.disk.take(), self.monitor.take()];
        all.into_iter().flatten().map(Process::detach).collect()
    }

    /// Where the gateway writes what it does; `monitor.log` and `disk.log` are beside it.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Sends one signed request, such as `("GET", "/bucket?versioning", "")`.
    ///
    /// # Errors
    ///
    /// [`Error::NoAnswer`] when none came within 30 s; every answer of the server is one.
    pub async fn send(&self, method: &str, path: &str, body: &str) -> Result<Response, Error> {
        let no_answer = |source| Error::NoAnswer { asked: format!("{method} {path}"), source };
        let sent = s3::send(self.ceph.gateway, &self.key, method, path, body);
        match tokio::time::timeout(ANSWER, sent).await {
            Ok(sent) => sent.map_err(no_answer),
            Err(late) => Err(no_answer(late.into())),
        }
    }

    async fn tell(&self, method: &str, path: &str, body: &str) -> Result<(), Error> {
        let Response { status, body } = self.send(method, path, body).await?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        Err(Error::Refused { asked: format!("{method} {path}"), said: format!("{status}: {body}") })
    }

    /// Makes a bucket, or finds that it is there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's words: a name has at least three characters.
    pub async fn make_bucket(&self, name: &str) -> Result<(), Error> {
        self.tell("PUT", &format!("/{name}"), "").await
    }

    /// Has a bucket keep what is overwritten, or no more.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's words.
    pub async fn set_versioning(&self, bucket: &str, versioning: Versioning) -> Result<(), Error> {
        let body = format!("<VersioningConfiguration><Status>{versioning:?}</Status></VersioningConfiguration>");
        self.tell("PUT", &format!("/{bucket}?versioning"), &body).await
    }

    /// Removes all buckets with all that is in them, over the server's head.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the words of `radosgw-admin`.
    pub async fn wipe(&self) -> Result<(), Error> {
        let list = self.ceph.run("radosgw-admin", "bucket list").await?;
        let buckets: Vec<String> = serde_json::from_str(&list).map_err(|error| Error::Refused {
            asked: "radosgw-admin bucket list".to_owned(),
            said: error.to_string(),
        })?;
        for bucket in buckets {
            self.ceph.run("radosgw-admin", &format!("bucket rm --bucket={bucket} --purge-objects --bypass-gc")).await?;
        }
        Ok(())
    }

    /// Kills all of it (SIGKILL). Nothing happens to what is not running.
    pub fn kill(&mut self) {
        for part in [&mut self.gateway, &mut self.disk, &mut self.monitor] {
            if let Some(mut process) = part.take() {
                process.kill();
            }
        }
    }

    /// Kills the gateway alone (SIGKILL); see [`start_gateway`](Self::start_gateway).
    pub fn kill_gateway(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.kill();
        }
    }

    /// Ends all of it cleanly (SIGTERM), each part within 20 s or by force.
    pub async fn stop(&mut self) {
        for part in [&mut self.gateway, &mut self.disk, &mut self.monitor] {
            if let Some(mut process) = part.take() {
                process.stop(STOP).await;
            }
        }
    }

    /// Stops the gateway in its tracks (SIGSTOP): connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.gateway.iter().for_each(Process::pause);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.gateway.iter().for_each(Process::resume);
    }
}
