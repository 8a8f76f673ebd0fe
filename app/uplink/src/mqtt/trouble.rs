//! Why a connection or a message did not go through, sorted by what a person has to do about it.

use std::fmt;

/// What kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The network or the broker is away; waiting helps.
    Away,
    /// Closed by the other side without a word.
    Closed,
    /// The broker says that it does not speak this protocol version.
    Version,
    /// User name, password or rights.
    NotAuthorised,
    /// Another client has connected with the same client id.
    TakenOver,
    /// The broker's limits.
    Quota,
    /// More bytes than the broker takes in a packet.
    TooLarge,
    /// Certificates.
    Tls,
    /// Anything else the broker says no to.
    Refused,
}

/// Why a connection ended or was never made.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub kind: Kind,
    pub what: String,
}

impl Trouble {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The connection is gone or going; the message is to be sent again on the next.
    Gone,
    /// The connection's own queue is full; later it goes.
    Busy,
    /// The broker, or the protocol, says no to this message.
    Said { kind: Kind, reason: String },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the connection is gone"),
            Self::Busy => f.write_str("the connection's queue is full"),
            Self::Said { reason, .. } => f.write_str(reason),
        }
    }
}
