//! How a server differs from the plain one, and its configuration file.

use super::super::Certificate;
use super::install::Ports;
use std::time::Duration;

/// How a [`RabbitMq`](super::RabbitMq) differs from the plain one.
#[derive(Debug, Clone)]
pub struct RabbitMqOptions {
    /// Who connects; `guest` without.
    pub user: String,
    /// The password; `guest` without.
    pub password: String,
    /// The virtual host; `/` without.
    pub vhost: String,
    /// How long a delivery may go without an ack before the server closes its channel; 30 minutes without.
    ///
    /// It is looked at every [`tick`](Self::tick).
    pub consumer_timeout: Option<Duration>,
    /// How often the server looks after its channels; every minute without.
    pub tick: Option<Duration>,
    /// With this, a second port speaks TLS.
    pub certificate: Option<Certificate>,
    /// More lines of `rabbitmq.conf`.
    pub more: Vec<String>,
}

impl Default for RabbitMqOptions {
    fn default() -> Self {
        Self {
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            vhost: "/".to_owned(),
            consumer_timeout: None,
            tick: None,
            certificate: None,
            more: Vec::new(),
        }
    }
}

impl RabbitMqOptions {
    /// The lines of `rabbitmq.conf`.
    pub(super) fn file(&self, ports: Ports) -> String {
        let mut lines = vec![
            format!("listeners.tcp.1 = 127.0.0.1:{}", ports.amqp),
            format!("default_user = {}", self.user),
            format!("default_pass = {}", self.password),
            format!("default_vhost = {}", self.vhost),
            "log.console.level = info".to_owned(),
            // A test's disk may be small; alarms are raised on purpose.
            "disk_free_limit.absolute = 10MB".to_owned(),
            // RabbitMQ 4 has 16 MiB, which is less than what the adapter can send.
            "max_message_size = 134217728".to_owned(),
        ];
        if let Some(timeout) = self.consumer_timeout {
            lines.push(format!("consumer_timeout = {}", timeout.as_millis()));
        }
        if let Some(certificate) = &self.certificate {
            lines.push(format!("listeners.ssl.1 = 127.0.0.1:{}", ports.tls));
            let files = [("cacert", certificate.ca()), ("cert", certificate.cert()), ("key", certificate.key())];
            lines.extend(files.map(|(of, path)| format!("ssl_options.{of}file = {}", path.display())));
            lines.push("ssl_options.verify = verify_none".to_owned());
        }
        lines.extend(self.more.iter().cloned());
        lines.push(String::new());
        lines.join("\n")
    }

    /// The other configuration file, for what `rabbitmq.conf` has no word for.
    pub(super) fn advanced(&self) -> String {
        let tick = self.tick.map(|tick| format!("{{rabbit, [{{channel_tick_interval, {}}}]}}", tick.as_millis()));
        format!("[{}].\n", tick.unwrap_or_default())
    }

    /// Where clients find it: `amqp://guest:guest@127.0.0.1:20817`, with the virtual host behind it if it is not `/`.
    pub(super) fn url(&self, scheme: &str, host: &str, port: u16) -> String {
        let path = if self.vhost == "/" { String::new() } else { format!("/{}", escape(&self.vhost)) };
        format!("{scheme}://{}:{}@{host}:{port}{path}", escape(&self.user), escape(&self.password))
    }
}

/// As a part of a URL.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escaped).collect()
}
