//! A certificate for a test, and the authority that signed it.

use super::{Error, program};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// For one call of `openssl`.
const LIMIT: Duration = Duration::from_secs(30);
/// Of the authority: it may sign, and a server's certificate may not.
const AUTHORITY: &str = "[req]\ndistinguished_name = name\nx509_extensions = authority\nprompt = no\n[name]\nCN = Callboard test authority\n\
    [authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n";
/// Of the server.
const SERVER: &str =
    "basicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:localhost, IP:127.0.0.1\n";

/// A certificate of `localhost` and 127.0.0.1, signed by an authority that nobody knows yet.
#[derive(Debug, Clone)]
pub struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Makes one by `openssl`, valid for two days, in the folder.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without `openssl`, [`Error::Refused`] with its words.
    pub async fn make(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        for (name, text) in [("ca.conf", AUTHORITY), ("server.conf", SERVER)] {
            std::fs::write(folder.join(name), text).map_err(Error::file(folder.join(name)))?;
        }
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        let calls = [
            format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -config ca.conf"),
            format!("req -new {key} -keyout key.pem -out request.pem -subj /CN=localhost -config ca.conf"),
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.conf -out cert.pem"
                .to_owned(),
        ];
        for call in calls {
            let mut command: Command = program::command("openssl")?;
            command.args(call.split(' ')).current_dir(folder);
            program::run(command, LIMIT).await?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The authority's certificate, which clients are to trust (PEM).
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's certificate (PEM).
    #[must_use]
    pub fn cert(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// The server's key (PEM).
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }
}
