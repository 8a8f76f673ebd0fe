//! Results, alarms and state to the MES over MQTT 5.
//!
//! What lives here: the outbox between the inspection and the broker, the client's loop, and the broker for plants
//! that have none. the files in `mqtt/` are the only ones that name the MQTT client, `embedded/` the only
//! place that knows how its broker is run. Nothing here can slow the inspection: [`Uplink::submit`] takes a short lock and returns.
//! Delivered means the broker sent a PUBACK with a good reason code; only then does a result leave the outbox.
//! Where to start: [`uplink`] (what the station calls), then `thread.rs` and `client.rs` (what the thread does).

mod backlog;
mod backoff;
mod client;
mod client_id;
mod commands;
mod conditions;
pub mod embedded;
mod error;
mod journal_feed;
#[cfg(test)]
#[path = "../../journal/tests/common/mod.rs"]
mod journal_parts;
mod mqtt;
mod outbox;
pub mod payload;
mod probe;
mod refusals;
mod resend;
mod rounds;
mod said;
mod settings;
mod shared;
mod sparkplug;
mod suspicion;
mod thread;
pub mod uplink;

pub use commands::{Command, Outcome, Reply};
pub use conditions::Condition;
pub use embedded::EmbeddedBroker;
pub use error::UplinkError;
pub use mqtt::{TlsError, Validity};
pub use outbox::Outgoing;
pub use probe::probe;
pub use rounds::Rounds;
pub use settings::{CommandHandler, Counters, Patience, UplinkSettings};
pub use uplink::Uplink;
