//! The delivery campaign: a station, a broker and the network between them are killed at random under load; then every
//! committed number must have reached the subscriber, in order, duplicates only with the same `event_id`.
//!
//! `bin/campaign.rs` runs it, [`produce`] is the station's delivery side alone (journal and uplink, results made as fast
//! as asked), [`proxy`] is the network.

pub mod books;
pub mod produce;
pub mod proxy;
pub mod subscriber;

use std::net::{Ipv4Addr, SocketAddr};

/// Where the station of the campaign publishes: the identity of `configs/demo.toml`.
pub const TOPIC: &str = "sightline/demo/assembly/line1/demo/vision/station1/result";

/// A port of this machine.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
