//! Results, alarms and state to the MES over MQTT 5.
//!
//! What lives here: the outbox between the inspection and the broker, the client's loop, and the broker for plants
//! that have none. `client.rs` is the only file that names the MQTT client, `embedded.rs` the only one that names
//! the broker. Nothing here can slow the inspection: [`Uplink::submit`] takes a short lock and returns.
//! Delivered means the broker sent a PUBACK with a good reason code; only then does a result leave the outbox.
//! Where to start: [`uplink`] (what the station calls), then `client.rs` (what the thread does).

mod client;
pub mod embedded;
mod error;
mod feed;
mod outbox;
mod payload;
pub mod uplink;

pub use embedded::EmbeddedBroker;
pub use error::UplinkError;
pub use outbox::Outgoing;
pub use payload::StationState;
pub use uplink::{CommandHandler, Counters, Uplink, UplinkSettings};
