//! A cluster that is nobody's but the test's: three nodes on real servers, each with a file that has its process id, and a script
//! that kills one of them and starts it again.

use callboard_chaos::servers::{RabbitMq, RadosGw, Redis};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Far longer than any of it takes.
const LOOKS: usize = 1_200;

/// The cluster; it ends when it is dropped.
pub(crate) struct Theirs {
    pub(crate) folder: TempDir,
    pub(crate) addresses: Vec<String>,
    _servers: (RabbitMq, Redis, RadosGw),
}

impl Theirs {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (broker, redis, store) = (of("rabbitmq"), of("redis"), of("radosgw"));
        let broker = RabbitMq::start(&broker).await.unwrap();
        let (redis, store) = (Redis::start(&redis).await.unwrap(), RadosGw::start(&store).await.unwrap());
        store.make_bucket("theirs").await.unwrap();
        let ports: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = ports.iter().map(|port| port.local_addr().unwrap().to_string()).collect();
        drop(ports);
        let theirs = Self { folder, addresses, _servers: (broker, redis, store) };
        std::fs::write(theirs.path("tokens"), format!("suite:operator:{TOKEN}\n")).unwrap();
        for node in 1..=3 {
            theirs.script(node);
            Command::new(theirs.path(&format!("start-{node}"))).status().unwrap();
        }
        for (n, address) in theirs.addresses.iter().enumerate() {
            let is_ready = || answers(address, "/readyz").split(' ').nth(1) == Some("200");
            let log = || std::fs::read_to_string(theirs.path(&format!("node-{}.log", n + 1))).unwrap_or_default();
            assert!(until(is_ready).await, "{address} is not ready: {}{}", answers(address, "/readyz"), log());
        }
        theirs
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the programs that start a node, and that kill it and start it again.
    fn script(&self, node: usize) {
        let (folder, (broker, redis, store)) = (self.folder.path().display(), &self._servers);
        let exe = env!("CARGO_BIN_EXE_callboard-chaos");
        let variables = [
            ("CALLBOARD_NAMESPACE", "theirs".to_owned()),
            ("CALLBOARD_BUS__URL", broker.url()),
            ("CALLBOARD_DIRECTORY__URL", redis.url()),
            ("CALLBOARD_STORE__URL", "s3://theirs/nodes".to_owned()),
            ("CALLBOARD_STORE__ENDPOINT", store.url()),
            ("CALLBOARD_PARTITIONS", "6".to_owned()),
            ("CALLBOARD_TENURE_MIN", "1s".to_owned()),
            ("CALLBOARD_RETRY__BASE", "300ms".to_owned()),
            ("CALLBOARD_RETRY__CAP", "2s".to_owned()),
            ("CALLBOARD_HTTP__LISTEN", self.addresses[node - 1].clone()),
            ("CALLBOARD_HTTP__TOKENS_FILE", format!("{folder}/tokens")),
            ("AWS_REGION", RadosGw::REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", store.key().id.clone()),
            ("AWS_SECRET_ACCESS_KEY", store.key().secret.clone()),
            ("CHAOS_LEDGER", format!("{folder}/ledger.jsonl")),
            ("CHAOS_NODE", node.to_string()),
            ("CHAOS_INSTANCES", "8".to_owned()),
        ];
        let variables: Vec<String> =
            variables.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        let start = format!(
            "#!/bin/sh\n{}{exe} node >{folder}/node-{node}.log 2>&1 </dev/null &\necho $! >{folder}/node-{node}.pid\n",
            variables.concat()
        );
        program(&self.path(&format!("start-{node}")), &start);
        let restart = format!(
            "#!/bin/sh\nkill -9 $(cat {folder}/node-{node}.pid)\n{folder}/start-{node}\n\
             until grep -q 'the node is ready' {folder}/node-{node}.log; do sleep 0.1; done\necho node {node} is back\n"
        );
        program(&self.path(&format!("restart-{node}")), &restart);
    }

    /// What the nodes want to be shown.
    pub(crate) const TOKEN: &str = TOKEN;

    /// The process id of a node.
    pub(crate) fn id(&self, node: usize) -> String {
        std::fs::read_to_string(self.path(&format!("node-{node}.pid"))).unwrap().trim().to_owned()
    }
}

const TOKEN: &str = "an-operator-of-the-suite";

impl Drop for Theirs {
    fn drop(&mut self) {
        for node in 1..=3 {
            let _gone = Command::new("kill").args(["-9", &self.id(node)]).stderr(Stdio::null()).status();
        }
    }
}

fn program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_permissions(PermissionsExt::from_mode(0o755)).unwrap();
}

/// What is answered, with its head; nothing if nobody answers.
fn answers(address: &str, path: &str) -> String {
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    });
    asked.unwrap_or_default()
}

/// Waits until it is so; false if it never is.
pub(crate) async fn until(is_so: impl Fn() -> bool) -> bool {
    for _ in 0..LOOKS {
        if is_so() {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}
