//! What a person must know of the way to the broker, by alarm id: raised and cleared here, made alarms by the station.

use crate::mqtt::{Kind, Taken, TlsFiles, Trouble, Validity};
use sightline_model::{AlarmSeverity, UtcMicros};
use std::collections::BTreeMap;

/// One alarm condition of the uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The alarm's id.
    pub id: String,
    /// How much it matters.
    pub severity: AlarmSeverity,
    /// What was expected, what was found, what to do; `None` when it is over.
    pub raised: Option<String>,
}

/// Certificates are to be renewed so many days before they end, and how much that matters then.
const EXPIRY: [(i64, AlarmSeverity); 3] = [
    (3, AlarmSeverity::Urgent),
    (14, AlarmSeverity::High),
    (30, AlarmSeverity::Low),
];
/// The id of the alarm that results reach nobody.
const NOBODY: &str = "mqtt-nobody";
const DAY_US: i64 = 86_400_000_000;

/// Which face of the uplink a condition belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Mqtt,
    Sparkplug,
}

impl Face {
    fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Sparkplug => "sparkplug",
        }
    }
}

/// Every condition that was ever raised.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    raised: BTreeMap<String, Condition>,
    /// The certificates as they were read last.
    certificates: Vec<Validity>,
}

impl Conditions {
    pub(crate) fn raise(&mut self, id: String, severity: AlarmSeverity, message: String) {
        let raised = Some(message);
        self.raised.insert(
            id.clone(),
            Condition {
                id,
                severity,
                raised,
            },
        );
    }

    pub(crate) fn clear(&mut self, id: &str) {
        if let Some(condition) = self.raised.get_mut(id) {
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
        let (face, what) = (face.name(), &trouble.what);
        let (suffix, message) = match trouble.kind {
            // An absent broker is no alarm by itself: results wait for it, and `connected` says so.
            Kind::Away | Kind::Version => return,
            Kind::Tls => (
                "tls",
                format!("expected a connection with certificates both sides accept: {what}"),
            ),
            Kind::NotAuthorised => (
                "refused",
                format!(
                    "expected the broker to let this station in: {what}; correct user name, password file or client id, or the broker's list"
                ),
            ),
            Kind::Quota | Kind::TooLarge | Kind::Refused => (
                "refused",
                format!(
                    "expected the broker to keep the connection: {what}; see the broker's limits and log"
                ),
            ),
        };
        self.raise(format!("{face}-{suffix}"), AlarmSeverity::High, message);
    }

    /// The connection stands.
    pub(crate) fn connected(&mut self, face: Face) {
        for suffix in ["tls", "refused"] {
            self.clear(&format!("{}-{suffix}", face.name()));
        }
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
            AlarmSeverity::High,
            format!(
                "expected the broker to take {topic}: {reason}; {todo}; results wait until then"
            ),
        );
    }

    /// The broker took a message.
    pub(crate) fn taken(&mut self, topic: &str) {
        if !self.raised.is_empty() {
            self.clear(&not_taken(topic));
        }
    }

    /// Whether anybody has subscribed to results.
    pub(crate) fn heard(&mut self, topic: &str, taken: Taken) {
        let stands = self.raised.get(NOBODY).is_some_and(|c| c.raised.is_some());
        match taken {
            Taken::ForSomebody if stands => self.clear(NOBODY),
            Taken::ForNobody if !stands => self.raise(
                NOBODY.into(),
                AlarmSeverity::Low,
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
            for (limit, severity) in EXPIRY {
                let id = format!("mqtt-certificate.{}.{limit}-days", validity.field);
                if due == Some(&(limit, severity)) {
                    let (end, path) = (validity.not_after.to_rfc3339(), validity.path.display());
                    let left = if days < 0 {
                        "it has expired".into()
                    } else {
                        format!("{days} days are left")
                    };
                    self.raise(
                        id,
                        severity,
                        format!(
                            "{path} holds until {end}: {left}; put a renewed one in its place, it is taken without a restart"
                        ),
                    );
                } else {
                    self.clear(&id);
                }
            }
        }
    }
}

fn not_taken(topic: &str) -> String {
    let last = topic.rsplit('/').next().unwrap_or_default();
    let of_alarm = topic.contains("/alarm/");
    format!("mqtt-not-taken.{}", if of_alarm { "alarm" } else { last })
}
