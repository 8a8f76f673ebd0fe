//! What can go wrong when the uplink or the embedded broker is started, or when a result is handed over.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// The broker's address is not one.
    #[error("mqtt.broker: {found}")]
    Address {
        /// What was expected and found.
        found: String,
    },
    /// The password file cannot be read.
    #[error("mqtt.password_file: expected a readable file at {path}; write it, or remove the field", path = path.display())]
    Password {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::TlsError),
    /// The embedded broker's port is taken or not ours to open.
    #[error(
        "mqtt.listen: expected a free address, found {listen} in use or not allowed ({source}); stop the other program, or write another port"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The embedded broker did not come up.
    #[error(
        "the embedded broker did not come up within {waited_ms} ms; see the log, or use an outside broker"
    )]
    Broker {
        /// How long was waited.
        waited_ms: u64,
    },
    /// A thread could not be started.
    #[error("the thread `{name}` could not be started: {source}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The outbox is full: the broker has been away for too long.
    #[error(
        "expected room in the outbox, found {pending} results waiting for the broker; bring the broker back"
    )]
    OutboxFull {
        /// Results waiting.
        pending: usize,
    },
}
