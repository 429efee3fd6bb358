//! Where RabbitMQ and Erlang are, and the environment that they run in.

use super::super::{Error, program};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where Debian puts the versions of RabbitMQ.
const VERSIONS: &str = "/usr/lib/rabbitmq/lib";
/// Two threads are enough, nothing listens outside, and the name server is our own.
const ARGUMENTS: &str = "+S 2 -kernel inet_dist_use_interface {127,0,0,1} -start_epmd false";

/// The ports of one server beside that for clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    /// AMQP for clients.
    pub(super) amqp: u16,
    /// AMQP over TLS.
    pub(super) tls: u16,
    /// Erlang's own protocol, over which the server is asked and told.
    pub(super) erlang: u16,
    /// Erlang's name server.
    pub(super) names: u16,
}

/// The server itself.
///
/// The versioned folder is called directly: the command in `/usr/sbin` changes user and drops its environment.
pub(super) fn server(folder: &Path, ports: Ports, node: &str) -> Result<Command, Error> {
    let version = version().ok_or_else(|| Error::Missing { program: "rabbitmq-server".to_owned() })?;
    let scripts = without_plugins(&version, &folder.join("rabbitmq"))?.join("sbin");
    let mut command = program::bare(&scripts.join("rabbitmq-server"));
    let of = |name: &str| folder.join(name);
    command
        .env("PATH", format!("{}:{}", scripts.display(), program::search_path()))
        .env("HOME", folder)
        .env("RABBITMQ_NODENAME", node)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_CONFIG_FILE", of("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", of("advanced.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", of("plugins"))
        .env("RABBITMQ_MNESIA_BASE", of("data"))
        .env("RABBITMQ_LOG_BASE", of("logs"))
        .env("RABBITMQ_LOGS", "-") // to our log
        .env("RABBITMQ_DIST_PORT", ports.erlang.to_string())
        .env("ERL_EPMD_PORT", ports.names.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_CRASH_DUMP_SECONDS", "0")
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ARGUMENTS)
        // The script becomes Erlang itself: the process that we have started is the server.
        .env("RUNNING_UNDER_SYSTEMD", "true");
    Ok(command)
}

/// Erlang's name server, without which no node starts, in the foreground.
pub(super) fn names(folder: &Path, port: u16) -> Result<Command, Error> {
    let mut command = program::command("epmd")?;
    command.env("HOME", folder).args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
    Ok(command)
}

/// Erlang's own client: it evaluates what it reads, on the node at this port, in some ten milliseconds.
pub(super) fn call(folder: &Path, cookie: &str, ports: Ports) -> Result<Command, Error> {
    let mut command = program::command("erl_call")?;
    // Two clients of one name shut each other out, and its own random names are the same within a second.
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let name = format!("c{}n{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
    command.env("HOME", folder).args(["-h", &name, "-address", &ports.erlang.to_string(), "-c", cookie, "-e"]);
    Ok(command)
}

/// The newest version that is there, as this machine has it.
fn version() -> Option<PathBuf> {
    let versions = std::fs::read_dir(program::outside(VERSIONS)).ok()?;
    let versions = versions.filter_map(|version| Some(version.ok()?.path()));
    versions.filter(|version| version.join("sbin/rabbitmq-server").is_file()).max()
}

/// The same version in a folder of its own, without the plugins that a server may be given.
///
/// At its start it looks into each module of each plugin that is there, enabled or not. Without them that takes half of
/// the processor's time.
fn without_plugins(version: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let apps = folder.join("plugins");
    std::fs::create_dir_all(&apps).map_err(Error::file(&apps))?;
    link(&version.join("sbin"), &folder.join("sbin"))?;
    link(&version.join("escript"), &folder.join("escript"))?;
    let all = version.join("plugins");
    for app in std::fs::read_dir(&all).map_err(Error::file(&all))? {
        let app = app.map_err(Error::file(&all))?;
        let name = app.file_name().to_string_lossy().into_owned();
        if !name.starts_with("rabbitmq_") || name.starts_with("rabbitmq_prelaunch") {
            link(&app.path(), &apps.join(name))?;
        }
    }
    Ok(folder.to_owned())
}

/// Makes a link if there is none from an earlier start.
fn link(to: &Path, at: &Path) -> Result<(), Error> {
    match std::os::unix::fs::symlink(program::inside(to), at) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::file(at)(error)),
        _ => Ok(()),
    }
}
