//! The same events as Sparkplug B 3.0: the box is an edge node, the station its device, on a connection of its own.
//!
//! `node.rs` is the edge node as a state machine without network or clock, `metrics.rs` what the device tells,
//! `session.rs` the connection. Delivery is Sparkplug's: QoS 0 and a buffer in memory for the time the host is away. The
//! record of account is the JSON face; a host that needs every part de-duplicates and completes from there.

mod bd_seq;
mod metrics;
mod node;
mod session;
#[cfg(test)]
mod tck;

pub(crate) use bd_seq::BdSeq;
pub(crate) use node::Names;
pub(crate) use session::{Face, attend};
