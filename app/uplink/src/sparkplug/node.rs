//! The edge node as Sparkplug B 3.0 defines it: births, data and deaths in order, `bdSeq`, `seq`, rebirth, and the
//! primary host whose presence is waited for. No network, no clock: what is to be published comes out as messages.

use super::metrics::{Part, device, metric};
use crate::mqtt::{Message, Qos};
use srad_types::payload::{DataType, Metric, Payload, metric::Value};
use srad_types::payload::{Message as _, StateBirthDeathCertificate};

/// The metric that asks for a rebirth.
const REBIRTH: &str = "Node Control/Rebirth";

/// Topic levels.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub group: String,
    pub node: String,
    pub device: String,
    pub primary_host: Option<String>,
}

impl Names {
    fn topic(&self, kind: &str) -> String {
        format!("spBv1.0/{}/{kind}/{}", self.group, self.node)
    }

    fn device_topic(&self, kind: &str) -> String {
        format!("{}/{}", self.topic(kind), self.device)
    }

    fn state_topic(&self) -> Option<String> {
        let host = self.primary_host.as_ref()?;
        Some(format!("spBv1.0/STATE/{host}"))
    }
}

/// What a message from the broker asks of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Nothing.
    Nothing,
    /// Send births.
    Birth,
    /// The primary host is gone: say death, and begin again.
    Die,
}

/// The state of the node, across connections.
#[derive(Debug)]
pub(crate) struct Node {
    names: Names,
    aliases: bool,
    /// Of the connection that stands or comes, 0 to 255.
    bd_seq: u8,
    /// Of the next message, 0 to 255.
    seq: u8,
    born: bool,
    host_online: bool,
    /// Time stamp of the last accepted STATE, ms.
    host_at_ms: Option<u64>,
}

impl Node {
    /// The first connection takes `bd_seq`.
    pub(crate) fn new(names: Names, aliases: bool, bd_seq: u8) -> Self {
        Self {
            names,
            aliases,
            bd_seq: bd_seq.wrapping_sub(1),
            seq: 0,
            born: false,
            host_online: false,
            host_at_ms: None,
        }
    }

    /// A new connection begins; returns its last will.
    pub(crate) fn connect(&mut self, now_ms: u64) -> Message {
        self.bd_seq = self.bd_seq.wrapping_add(1);
        self.born = false;
        self.host_online = false;
        self.death(now_ms)
    }

    /// NDEATH, for the will and for leaving on purpose.
    pub(crate) fn death(&self, now_ms: u64) -> Message {
        let payload = Payload {
            timestamp: Some(now_ms),
            metrics: vec![self.bd_seq_metric(now_ms)],
            seq: None,
            uuid: None,
            body: None,
        };
        // The will is the only message of QoS 1 (tck-id-message-flow-edge-node-birth-publish-will-message-qos).
        Message {
            qos: Qos::AtLeastOnce,
            ..message(self.names.topic("NDEATH"), &payload)
        }
    }

    /// `bdSeq` of the connection that stands or comes.
    pub(crate) fn bd_seq(&self) -> u8 {
        self.bd_seq
    }

    /// What to subscribe before anything is published: the kind of message and its topic.
    pub(crate) fn subscriptions(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("NCMD", self.names.topic("NCMD")),
            ("DCMD", self.names.device_topic("DCMD")),
        ];
        all.extend(self.names.state_topic().map(|topic| ("STATE", topic)));
        all
    }

    /// What is published to.
    pub(crate) fn topics(&self) -> Vec<String> {
        let node = ["NBIRTH", "NDEATH"].map(|kind| self.names.topic(kind));
        let device = ["DBIRTH", "DDATA"].map(|kind| self.names.device_topic(kind));
        node.into_iter().chain(device).collect()
    }

    /// Births may be sent: there is no primary host, or it is there.
    pub(crate) fn may_be_born(&self) -> bool {
        self.names.primary_host.is_none() || self.host_online
    }

    pub(crate) fn is_born(&self) -> bool {
        self.born
    }

    /// NBIRTH and DBIRTH, also for a rebirth: `bdSeq` stays, `seq` begins at 0. `newest` is what is current.
    pub(crate) fn births(&mut self, now_ms: u64, newest: Option<&Part>) -> [Message; 2] {
        self.seq = 0;
        self.born = true;
        let node = vec![
            self.bd_seq_metric(now_ms),
            at(
                metric(REBIRTH, DataType::Boolean, Some(Value::BooleanValue(false))),
                now_ms,
            ),
            at(
                metric(
                    "Properties/Version",
                    DataType::String,
                    Some(Value::StringValue(env!("CARGO_PKG_VERSION").into())),
                ),
                now_ms,
            ),
        ];
        let nbirth = self.payload(now_ms, node);
        let mut metrics: Vec<_> = device(newest).into_iter().map(|m| at(m, now_ms)).collect();
        if self.aliases {
            for (alias, metric) in (1..).zip(&mut metrics) {
                metric.set_alias(alias);
            }
        }
        let dbirth = self.payload(now_ms, metrics);
        [
            message(self.names.topic("NBIRTH"), &nbirth),
            message(self.names.device_topic("DBIRTH"), &dbirth),
        ]
    }

    /// DDATA for a part; `late` marks it as history.
    pub(crate) fn data(&mut self, now_ms: u64, part: Part, late: bool) -> Message {
        let mut metrics = device(Some(&part));
        for (alias, metric) in (1..).zip(&mut metrics) {
            metric.timestamp = Some(part.at_ms);
            if late {
                metric.is_historical = Some(true);
            }
            if self.aliases {
                // After the birth the alias alone stands for name and type.
                metric.name = None;
                metric.set_alias(alias);
            }
        }
        let payload = self.payload(now_ms, metrics);
        message(self.names.device_topic("DDATA"), &payload)
    }

    /// A message from the broker.
    pub(crate) fn received(&mut self, topic: &str, payload: &[u8]) -> Ask {
        if self.names.state_topic().is_some_and(|t| t == topic) {
            return self.host_state(payload);
        }
        if topic != self.names.topic("NCMD") {
            return Ask::Nothing;
        }
        let Ok(command) = Payload::decode(payload) else {
            tracing::warn!("a Sparkplug command could not be read");
            return Ask::Nothing;
        };
        let rebirth = |m: &Metric| {
            m.name.as_deref() == Some(REBIRTH) && m.value == Some(Value::BooleanValue(true))
        };
        if self.born && command.metrics.iter().any(rebirth) {
            Ask::Birth
        } else {
            Ask::Nothing
        }
    }

    fn host_state(&mut self, payload: &[u8]) -> Ask {
        let Ok(state) = StateBirthDeathCertificate::try_from(payload) else {
            tracing::warn!("a Sparkplug host's STATE could not be read");
            return Ask::Nothing;
        };
        if self.host_at_ms.is_some_and(|last| state.timestamp < last) {
            return Ask::Nothing;
        }
        self.host_at_ms = Some(state.timestamp);
        let was = std::mem::replace(&mut self.host_online, state.online);
        match (was, state.online) {
            (false, true) => Ask::Birth,
            (true, false) => Ask::Die,
            _ => Ask::Nothing,
        }
    }

    fn bd_seq_metric(&self, now_ms: u64) -> Metric {
        let value = Value::LongValue(self.bd_seq.into());
        at(metric("bdSeq", DataType::Int64, Some(value)), now_ms)
    }

    fn payload(&mut self, now_ms: u64, metrics: Vec<Metric>) -> Payload {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        Payload {
            timestamp: Some(now_ms),
            metrics,
            seq: Some(seq.into()),
            uuid: None,
            body: None,
        }
    }
}

fn at(mut metric: Metric, now_ms: u64) -> Metric {
    metric.set_timestamp(now_ms);
    metric
}

fn message(topic: String, payload: &Payload) -> Message {
    Message {
        qos: Qos::AtMostOnce,
        ..Message::new(topic, payload.encode_to_vec())
    }
}
