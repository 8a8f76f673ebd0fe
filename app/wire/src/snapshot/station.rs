//! Who the station is, and the box it runs on.

use crate::ask::UserFacts;
use serde::{Deserialize, Serialize};

/// Who the station is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StationFacts {
    /// Its name.
    pub name: String,
    /// Area, line and cell, as in the MQTT topics.
    pub place: String,
    /// Version of the program.
    pub version: String,
    /// The simulated line.
    pub simulated: bool,
    /// SHA-256 of the configuration, hex.
    pub configuration_hash: String,
    /// Who may log in.
    pub users: Vec<UserFacts>,
    /// What happened is kept: there is history, audit trail, review.
    pub has_journal: bool,
    /// Reviewed parts and what support needs can be written.
    pub can_export: bool,
    /// There is a model store, and an inbox or a place for sticks that it can be filled from.
    pub can_install: bool,
}

/// The box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemFacts {
    /// Operating system.
    pub os: String,
    /// Processor cores.
    pub cores: u32,
    /// Processor time of the station, share of one core.
    pub cpu: f32,
    /// Memory of the station, bytes.
    pub memory: u64,
    /// Memory of the box: free and in all, bytes.
    pub box_memory: (u64, u64),
    /// Disk under the station: free and in all, bytes.
    pub disk: (u64, u64),
    /// Temperatures: sensor and degrees Celsius.
    pub temperatures: Vec<(String, f32)>,
    /// Whether the clock is synchronised, where that is known.
    pub clock_synchronised: Option<bool>,
    /// Consoles connected.
    pub consoles: u32,
    /// Pictures of rejected parts that outlive the station; absent: they end with it.
    pub pictures: Option<PictureFacts>,
}

/// The pictures of rejected parts on the station's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFacts {
    /// Parts with pictures.
    pub parts: u32,
    /// Bytes they take, and the most they may take: then the oldest go.
    pub bytes: (u64, u64),
    /// Parts whose pictures were left out since the start: the disk did not keep up, or refused.
    pub left_out: u64,
}
