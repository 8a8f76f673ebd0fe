//! What a person must know of the way to the broker, by alarm id: raised and cleared here, made alarms by the station.

use crate::mqtt::{Kind, Taken, TlsFiles, Trouble, Validity};
use sightline_model::{AlarmId, AlarmKind, UtcMicros};
use std::collections::BTreeMap;

/// One alarm condition of the uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which alarm.
    pub id: AlarmId,
    /// What was expected, what was found, what to do; `None` when it is over.
    pub raised: Option<String>,
}

/// Certificates are to be renewed so many days before they end.
const EXPIRY: [(i64, AlarmKind); 3] = [
    (3, AlarmKind::CertificateLast),
    (14, AlarmKind::CertificateSoon),
    (30, AlarmKind::CertificateAhead),
];
const DAY_US: i64 = 86_400_000_000;

/// Which face of the uplink a condition belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Mqtt,
    Sparkplug,
}

impl Face {
    fn tls(self) -> AlarmKind {
        match self {
            Self::Mqtt => AlarmKind::MqttTls,
            Self::Sparkplug => AlarmKind::SparkplugTls,
        }
    }

    fn refused(self) -> AlarmKind {
        match self {
            Self::Mqtt => AlarmKind::MqttRefused,
            Self::Sparkplug => AlarmKind::SparkplugRefused,
        }
    }
}

/// Every condition that was ever raised.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    raised: BTreeMap<AlarmId, Condition>,
    /// The certificates as they were read last.
    certificates: Vec<Validity>,
}

impl Conditions {
    pub(crate) fn raise(&mut self, id: impl Into<AlarmId>, message: String) {
        let (id, raised) = (id.into(), Some(message));
        let condition = Condition {
            id: id.clone(),
            raised,
        };
        self.raised.insert(id, condition);
    }

    pub(crate) fn clear(&mut self, id: impl Into<AlarmId>) {
        if let Some(condition) = self.raised.get_mut(&id.into()) {
            condition.raised = None;
        }
    }

    pub(crate) fn all(&self) -> Vec<Condition> {
        self.raised.values().cloned().collect()
    }

    pub(crate) fn validities(&self) -> Vec<Validity> {
        self.certificates.clone()
    }

    /// The connection could not be made, or was ended by the broker.
    pub(crate) fn connection(&mut self, face: Face, trouble: &Trouble) {
        let what = &trouble.what;
        let (kind, message) = match trouble.kind {
            // An absent broker is no alarm by itself: results wait for it, and `connected` says so.
            Kind::Away | Kind::Version => return,
            Kind::Tls => (
                face.tls(),
                format!("expected a connection with certificates both sides accept: {what}"),
            ),
            Kind::NotAuthorised => (
                face.refused(),
                format!(
                    "expected the broker to let this station in: {what}; correct user name, password file or client id, or the broker's list"
                ),
            ),
            Kind::Quota | Kind::TooLarge | Kind::Refused => (
                face.refused(),
                format!(
                    "expected the broker to keep the connection: {what}; see the broker's limits and log"
                ),
            ),
        };
        self.raise(kind, message);
    }

    /// The connection stands.
    pub(crate) fn connected(&mut self, face: Face) {
        self.clear(face.tls());
        self.clear(face.refused());
    }

    /// The broker did not take a message.
    pub(crate) fn message(&mut self, topic: &str, kind: Kind, reason: &str) {
        let todo = match kind {
            Kind::NotAuthorised => "give this station the right to publish there",
            Kind::Quota => "raise the broker's quota or clear what fills it",
            Kind::TooLarge => "raise the broker's largest packet size",
            _ => "see the broker's log",
        };
        self.raise(
            not_taken(topic),
            format!(
                "expected the broker to take {topic}: {reason}; {todo}; results wait until then"
            ),
        );
    }

    /// The broker took a message.
    pub(crate) fn taken(&mut self, topic: &str) {
        if !self.raised.is_empty() {
            self.clear(not_taken(topic));
        }
    }

    /// Whether anybody has subscribed to results.
    pub(crate) fn heard(&mut self, topic: &str, taken: Taken) {
        let nobody = AlarmKind::MqttNobody;
        let stands = self.raised.get(&nobody.into());
        let stands = stands.is_some_and(|c| c.raised.is_some());
        match taken {
            Taken::ForSomebody if stands => self.clear(nobody),
            Taken::ForNobody if !stands => self.raise(
                nobody,
                format!(
                    "expected somebody to subscribe to {topic}, found nobody: the broker takes results and throws them away; see to the MES and its session (docs/mes.md); where there is a journal, `sightline journal export` has them"
                ),
            ),
            _ => {}
        }
    }

    /// Days left of every certificate, as one condition a file and threshold.
    pub(crate) fn certificates(&mut self, files: &TlsFiles, now: UtcMicros) {
        // What cannot be read is told by the attempt to connect.
        self.certificates = files.validities().unwrap_or_default();
        for validity in self.certificates.clone() {
            let days = (validity.not_after.0 - now.0).div_euclid(DAY_US);
            let due = EXPIRY.iter().find(|(limit, _)| days < *limit);
            for (limit, kind) in EXPIRY {
                let id = kind.of(validity.field);
                if due == Some(&(limit, kind)) {
                    let (end, path) = (validity.not_after.to_rfc3339(), validity.path.display());
                    let left = if days < 0 {
                        "it has expired".into()
                    } else {
                        format!("{days} days are left")
                    };
                    self.raise(
                        id,
                        format!(
                            "{path} holds until {end}: {left}; put a renewed one in its place, it is taken without a restart"
                        ),
                    );
                } else {
                    self.clear(id);
                }
            }
        }
    }
}

fn not_taken(topic: &str) -> AlarmId {
    let last = topic.rsplit('/').next().unwrap_or_default();
    let of_alarm = topic.contains("/alarm/");
    AlarmKind::MqttNotTaken.of(if of_alarm { "alarm" } else { last })
}
