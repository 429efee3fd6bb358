//! The storage below the gateway: one monitor and one disk of Ceph, made from nothing.

use super::super::{Error, program};
use super::{Key, RadosGwOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// For one step; each takes seconds.
const LIMIT: Duration = Duration::from_secs(90);
/// Where Debian puts the code that runs inside the disk's process, behind the name of the architecture.
const LIBRARIES: &str = "/usr/lib";

/// The folder of one Ceph, and the ports of its parts. The disk takes the first free one behind 6800 by itself.
#[derive(Debug, Clone)]
pub(super) struct Ceph {
    /// Everything that can be thrown away together.
    pub(super) data: PathBuf,
    /// Of the monitor.
    pub(super) monitor: u16,
    /// Of the gateway, for clients.
    pub(super) gateway: u16,
    /// Of the gateway, with TLS.
    pub(super) tls: u16,
}

impl Ceph {
    /// One of the programs, with our configuration.
    pub(super) fn command(&self, name: &str, words: &str) -> Result<Command, Error> {
        let mut command = program::command(name)?;
        command.env("HOME", &self.data).arg("-c").arg(self.of("ceph.conf")).args(words.split(' '));
        Ok(command)
    }

    /// Runs one of them to its end.
    pub(super) async fn run(&self, name: &str, words: &str) -> Result<String, Error> {
        program::run(self.command(name, words)?, LIMIT).await
    }

    fn of(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// Keys, the monitor's map and the monitor's data; the monitor can be started then.
    pub(super) async fn make_monitor(&self, options: &RadosGwOptions) -> Result<(), Error> {
        for folder in ["monitor", "disk"] {
            std::fs::create_dir_all(self.of(folder)).map_err(Error::file(self.of(folder)))?;
        }
        let id = uuid()?;
        let file = self.of("ceph.conf");
        std::fs::write(&file, self.file(&id, options)).map_err(Error::file(&file))?;
        let (monitor, admin) = (self.of("monitor.keyring"), self.of("admin.keyring"));
        let (monitor, admin) = (monitor.display(), admin.display());
        let keys = [
            (format!("-C {monitor} --gen-key -n mon."), vec!["mon", "allow *"]),
            (
                format!("-C {admin} --gen-key -n client.admin"),
                vec!["mon", "allow *", "osd", "allow *", "mgr", "allow *"],
            ),
            (
                format!("{admin} --gen-key -n osd.0"),
                vec!["mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"],
            ),
            (format!("{monitor} --import-keyring {admin}"), vec![]),
        ];
        for (words, may) in keys {
            let mut command = program::command("ceph-authtool")?;
            command.args(words.split(' '));
            for pair in may.chunks(2) {
                command.arg("--cap").args(pair);
            }
            program::run(command, LIMIT).await?;
        }
        let map = self.of("map");
        let mut command = program::command("monmaptool")?;
        command.args(["--create", "--fsid", &id, "--addv", "a", &format!("[v2:127.0.0.1:{}]", self.monitor)]).arg(&map);
        program::run(command, LIMIT).await?;
        self.run("ceph-mon", &format!("--mkfs -i a --monmap {} --keyring {monitor}", map.display())).await.map(drop)
    }

    /// The disk's data, which the running monitor must know of; the disk can be started then.
    pub(super) async fn make_disk(&self) -> Result<(), Error> {
        let id = uuid()?;
        self.run("ceph", &format!("--connect-timeout 60 osd create {id} 0")).await?;
        self.run("ceph-osd", &format!("-i 0 --mkfs --osd-uuid {id}")).await.map(drop)
    }

    /// A user of the gateway, which must be running or have run.
    pub(super) async fn make_user(&self, key: &Key) -> Result<(), Error> {
        let Key { id, secret } = key;
        let words = format!("user create --uid=test --display-name=test --access-key={id} --secret-key={secret}");
        self.run("radosgw-admin", &words).await.map(drop)
    }

    /// `ceph.conf`.
    ///
    /// Without authentication the gateway hangs. One copy of everything and one placement group a pool is enough, and
    /// nothing is moved between groups. Rules about how long an object lives are kept and not carried out: the gateway would
    /// wait for the one that was killed, also when it is to end. The monitor agrees with itself at once instead of gathering for a second, which
    /// halves the start; so do waits of 10 ms instead of 250 each time the disk is closed. The monitor would end on a machine
    /// whose disk is 95 % full, however much is free. A gateway tells the others of each change of a bucket, and one that was killed is waited for: for two
    /// seconds, not thirty.
    fn file(&self, id: &str, options: &RadosGwOptions) -> String {
        let data = self.data.display();
        let classes = classes();
        let tls = options.certificate.as_ref().map(|certificate| {
            let (cert, key) = (certificate.cert(), certificate.key());
            let files = format!("ssl_certificate={} ssl_private_key={}", cert.display(), key.display());
            format!(" ssl_endpoint=127.0.0.1:{} {files}", self.tls)
        });
        let more = options.more.join("\n");
        format!(
            "[global]\nfsid = {id}\nmon initial members = a\nmon host = v2:127.0.0.1:{}\n\
            auth cluster required = cephx\nauth service required = cephx\nauth client required = cephx\n\
            osd pool default size = 1\nosd pool default min size = 1\nosd pool default pg num = 8\n\
            osd pool default pg autoscale mode = off\nmon allow pool size one = true\nosd crush chooseleaf type = 0\n\
            paxos propose interval = 0.02\npaxos min wait = 0.01\nosd client watch timeout = 2\nbdev aio poll ms = 10\n\
            mon data avail warn = 0\nmon data avail crit = 0\n\
            public addr = 127.0.0.1\ncluster addr = 127.0.0.1\nms bind msgr1 = false\n\
            osd objectstore = bluestore\nbluestore block size = 10737418240\nosd memory target = 939524096\n\
            osd class dir = {}\nmon data = {data}/monitor\nosd data = {data}/disk\nkeyring = {data}/admin.keyring\n\
            run dir = {data}\nadmin socket =\nlog file =\nlog to stderr = true\n\
            [client.admin]\nrgw enable lc threads = false\nrgw frontends = beast endpoint=127.0.0.1:{}{} tcp_nodelay=1\n{more}\n",
            self.monitor,
            classes.display(),
            self.gateway,
            tls.unwrap_or_default(),
        )
    }
}

/// An absolute path, because the default of some versions is relative to wherever the disk was started.
fn classes() -> PathBuf {
    let places = std::fs::read_dir(program::outside(LIBRARIES)).into_iter().flatten();
    let mut places = places.filter_map(|place| Some(place.ok()?.path().join("rados-classes")));
    let place = places.find(|place| place.is_dir()).map(|place| program::inside(&place));
    place.unwrap_or_else(|| Path::new(LIBRARIES).join("rados-classes"))
}

fn uuid() -> Result<String, Error> {
    let file = "/proc/sys/kernel/random/uuid";
    std::fs::read_to_string(file).map(|id| id.trim().to_owned()).map_err(Error::file(file))
}
