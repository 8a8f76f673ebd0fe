//! One connection to a broker, in our own words: messages, limits, troubles. `v5.rs`, `v4.rs` and `rights.rs` are the only
//! files that name the MQTT client's crates. A connection is made anew for every attempt, with password and certificates read
//! again, so that renewed ones are taken without a restart; what was in flight is the caller's to send again.

pub(crate) mod rights;
mod tls;
mod trouble;
mod v4;
mod v5;

pub use tls::TlsError;
pub(crate) use tls::TlsFiles;
pub use tls::Validity;
pub(crate) use trouble::{Kind, Refusal, Trouble};

use crate::UplinkError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use sightline_configs::station::Protocol;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Largest packet taken from the broker, bytes.
pub(crate) const MAX_INCOMING: u32 = 1 << 20;
/// Longest wait for TCP, TLS and CONNACK together.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const KEEP_ALIVE_S: u16 = 10;
/// Signals that may wait for the session; the connection reads no more until it has taken them.
const SIGNALS: usize = 64;

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Five,
    Three,
}

impl Version {
    /// What a first attempt speaks.
    pub(crate) fn first(wanted: Protocol) -> Self {
        match wanted {
            Protocol::Auto | Protocol::Five => Self::Five,
            Protocol::Three => Self::Three,
        }
    }

    /// A broker that has answered that it does not know MQTT 5 is asked again in 3.1.1, at once; nothing else is a reason.
    pub(crate) fn falls_back(self, wanted: Protocol, trouble: &Trouble, connected: bool) -> bool {
        wanted == Protocol::Auto
            && trouble.kind == Kind::Version
            && self == Self::Five
            && !connected
    }
}

/// Everything needed to connect.
#[derive(Clone)]
pub(crate) struct Dial {
    pub client_id: String,
    pub host: String,
    pub port: u16,
    pub login: Option<Login>,
    pub tls: Option<TlsFiles>,
    /// Publishes that may be unacknowledged or waiting to be written at once.
    pub window: u16,
}

#[derive(Clone)]
pub(crate) struct Login {
    pub username: String,
    pub password_file: Option<PathBuf>,
}

impl Login {
    /// The password as the file has it now, without the line's end.
    pub(crate) fn password(&self) -> Result<Option<String>, UplinkError> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_string())
                .map_err(|source| UplinkError::Password {
                    path: path.clone(),
                    source,
                })
        };
        self.password_file.as_ref().map(read).transpose()
    }
}

/// How sure a message's arrival must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
}

/// A message to the broker. What MQTT 3.1.1 does not know (expiry, correlation) is left out there.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub qos: Qos,
    pub retain: bool,
    pub expires_s: Option<u32>,
    pub correlation: Option<Bytes>,
}

impl Message {
    pub(crate) fn new(topic: String, payload: impl Into<Bytes>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            retain: false,
            expires_s: None,
            correlation: None,
        }
    }

    pub(crate) fn retained(self) -> Self {
        Self {
            retain: true,
            ..self
        }
    }

    /// Bytes on the wire, at most: header, lengths, packet id and properties beside topic and payload.
    pub(crate) fn wire_bytes(&self) -> usize {
        let correlation = self.correlation.as_ref().map_or(0, Bytes::len);
        self.topic.len() + self.payload.len() + correlation + 32
    }
}

/// A message from the broker.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub topic: String,
    pub payload: Bytes,
    pub retain: bool,
    pub expires_s: Option<u32>,
    pub response_topic: Option<String>,
    pub correlation: Option<Bytes>,
}

/// What the broker takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// QoS 1 publishes without their acknowledgement at once.
    pub receive_max: u16,
    /// Bytes of a packet.
    pub max_packet: Option<u32>,
}

/// What a connection tells.
#[derive(Debug)]
pub(crate) enum Signal {
    Connected(Limits),
    Received(Box<Received>),
    /// The last one.
    Ended(Trouble),
}

/// What the broker did with a message that it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It keeps it or passes it on, or does not say (MQTT 3.1.1).
    ForSomebody,
    /// Nobody has subscribed: it threw it away.
    ForNobody,
}

/// Resolves when the broker has the message, or has said why not.
pub(crate) type Notice = BoxFuture<'static, Result<Taken, Refusal>>;

/// Resolves when a subscription stands, or the broker has said why not.
pub(crate) type Standing = BoxFuture<'static, Result<(), Refusal>>;

enum Sender {
    Five(v5::Sender),
    Three(v4::Sender),
}

/// A connection being made or standing. Dropping it cuts it.
pub(crate) struct Connection {
    sender: Sender,
    signals: mpsc::Receiver<Signal>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Begins to connect; the rest is told by signals. Must be called inside a tokio runtime.
    pub(crate) fn open(dial: &Dial, version: Version, will: Message) -> Result<Self, Trouble> {
        let password = dial
            .login
            .as_ref()
            .map(Login::password)
            .transpose()
            .map_err(|error| Trouble::new(Kind::Refused, error.to_string()))?
            .flatten();
        let tls = dial
            .tls
            .as_ref()
            .map(TlsFiles::read)
            .transpose()
            .map_err(|error| Trouble::new(Kind::Tls, error.to_string()))?;
        let (tell, signals) = mpsc::channel(SIGNALS);
        let (sender, task) = match version {
            Version::Five => {
                let (sender, task) = v5::open(dial, password, tls, will, tell);
                (Sender::Five(sender), task)
            }
            Version::Three => {
                let (sender, task) = v4::open(dial, password, tls, will, tell);
                (Sender::Three(sender), task)
            }
        };
        Ok(Self {
            sender,
            signals,
            task,
        })
    }

    /// Whether a broker that has closed the connection, or has given an answer that MQTT 5 does not know, has answered in
    /// the form of 3.1.1 that it does not know 5. The same trouble, or that.
    pub(crate) async fn explain(dial: &Dial, trouble: Trouble) -> Trouble {
        if !matches!(trouble.kind, Kind::Closed | Kind::Refused) {
            return trouble;
        }
        let dial = dial.clone();
        let asked = tokio::task::spawn_blocking(move || rights::refuses_version_5(&dial));
        match asked.await {
            Ok(Ok(true)) => Trouble::new(
                Kind::Version,
                "the broker answers that it does not know MQTT 5",
            ),
            _ => trouble,
        }
    }

    /// The next signal; `None` after the last.
    pub(crate) async fn signal(&mut self) -> Option<Signal> {
        self.signals.recv().await
    }

    /// Hands a message to the connection. The error says why it was not taken.
    pub(crate) fn publish(&self, message: Message) -> Result<Notice, Refusal> {
        match &self.sender {
            Sender::Five(sender) => sender.publish(message),
            Sender::Three(sender) => sender.publish(message),
        }
    }

    /// Subscribes at QoS 1.
    pub(crate) fn subscribe(&self, filter: String) -> Result<Standing, Refusal> {
        match &self.sender {
            Sender::Five(sender) => sender.subscribe(filter),
            Sender::Three(sender) => sender.subscribe(filter),
        }
    }

    /// Says goodbye, so that the will is not published, and gives the last packets `patience` to be written.
    pub(crate) async fn close(mut self, patience: Duration) {
        match &self.sender {
            Sender::Five(sender) => sender.disconnect(),
            Sender::Three(sender) => sender.disconnect(),
        }
        let end = async { while self.signals.recv().await.is_some() {} };
        if tokio::time::timeout(patience, end).await.is_err() {
            tracing::debug!("the broker did not close the connection in time");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A small packet must not wait 40 ms for the broker's delayed acknowledgement of the one before (Nagle).
fn undelayed() -> rumqttc::NetworkOptions {
    let mut options = rumqttc::NetworkOptions::new();
    options.set_tcp_nodelay(true);
    options
}

/// The other side has closed the connection, rather than the network having failed.
fn closed(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Io;
    matches!(
        error.kind(),
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof
    )
}
