//! The uplink's settings as tests want them: a small plant, defaults for the rest.

use sightline_configs::station::{Identity, Mqtt};
use sightline_domain::SystemClock;
use sightline_uplink::{Uplink, UplinkSettings};
use std::sync::Arc;

/// Where the station of [`settings`] publishes.
pub const ROOT: &str = "acme/north/smt/l1/aoi/vision/s1";

/// The topic levels: enterprise, site, area, line, cell, station.
pub fn identity(levels: [&str; 6]) -> Identity {
    let [enterprise, site, area, line, cell, name] = levels.map(str::to_string);
    Identity {
        enterprise,
        site,
        area,
        line,
        cell,
        name,
    }
}

/// An uplink to `mqtt` below [`ROOT`].
pub fn settings(mqtt: Mqtt) -> UplinkSettings {
    let identity = identity(["acme", "north", "smt", "l1", "aoi", "s1"]);
    let clock = Arc::new(SystemClock::default());
    UplinkSettings {
        session: "boot-1".into(),
        ..UplinkSettings::new(identity, mqtt, clock)
    }
}

/// What a person is told under this alarm's id, while it stands.
pub fn raised(uplink: &Uplink, id: &str) -> Option<String> {
    let conditions = uplink.conditions();
    conditions
        .into_iter()
        .find(|c| c.id.to_string() == id)?
        .raised
}

/// How many alarms stand whose id begins so.
pub fn standing(uplink: &Uplink, prefix: &str) -> Vec<String> {
    let conditions = uplink.conditions().into_iter();
    let stand = conditions.filter(|c| c.raised.is_some());
    let ids = stand.map(|c| c.id.to_string());
    ids.filter(|id| id.starts_with(prefix)).collect()
}

/// The shortest result that an outbox knows how to mark as replayed.
pub fn result(seq: u64) -> String {
    format!("{{\"seq\":{seq},\"replayed\":false}}")
}
