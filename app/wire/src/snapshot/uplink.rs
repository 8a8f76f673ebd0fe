//! The way to the MES.

use serde::{Deserialize, Serialize};
use sightline_domain::UtcMicros;

/// A certificate in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Which field of the configuration names it.
    pub field: String,
    /// The file.
    pub path: String,
    /// Days until its end; negative when it has ended.
    pub days_left: i32,
}

/// The way to the MES.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UplinkFacts {
    /// Where the broker is.
    pub broker: String,
    /// The root of all topics.
    pub topic_root: String,
    /// Connected now.
    pub connected: bool,
    /// Connections made.
    pub connections: u64,
    /// Results sent, repeats included.
    pub published: u64,
    /// Results acknowledged.
    pub acknowledged: u64,
    /// When the last one was seen to be acknowledged; absent: none since the start.
    pub last_acknowledged: Option<UtcMicros>,
    /// Results waiting for their acknowledgement.
    pub pending: u64,
    /// Results that found no room.
    pub refused: u64,
    /// Certificates, as they were read for the last connection.
    pub certificates: Vec<CertificateFacts>,
}
