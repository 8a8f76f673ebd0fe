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
        "mqtt.embedded: expected mosquitto to start, found that it ended: {said}; correct that, or use an outside broker"
    )]
    Broker {
        /// Its exit status and what it said.
        said: String,
    },
    /// What the embedded broker needs is not installed.
    #[error(
        "mqtt.broker = \"embedded\": expected the program `{program}`, found it neither where distributions put it nor along PATH; install it (Debian, Ubuntu: apt-get install {package}), or write the address of another broker"
    )]
    BrokerMissing {
        /// The program.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// A file for the embedded broker cannot be used.
    #[error("mqtt.embedded.{field}: expected a readable file or folder at {path}: {source}; write it, or correct the field", path = path.display())]
    BrokerFile {
        /// Which field of the configuration.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The embedded broker's configuration cannot be written.
    #[error(
        "the embedded broker: cannot write its configuration into a temporary folder: {source}; see TMPDIR and the disk"
    )]
    BrokerFolder {
        /// Why not.
        source: std::io::Error,
    },
    /// The journal cannot be read.
    #[error("the outbox: {0}")]
    Journal(#[from] sightline_journal::JournalError),
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
