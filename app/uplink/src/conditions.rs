//! What a person must know of the way to the broker, by alarm id: raised and cleared here, made alarms by the station.

use crate::mqtt::{Kind, Taken, TlsFiles, Trouble, Validity};
use crate::refusals::{ANSWERS, is_answer};
use crate::said::Dropped;
use sightline_domain::{AlarmId, AlarmKind, UtcMicros};
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

    fn taken_over(self) -> AlarmKind {
        match self {
            Self::Mqtt => AlarmKind::MqttTakenOver,
            Self::Sparkplug => AlarmKind::SparkplugTakenOver,
        }
    }

    fn unsteady(self) -> AlarmKind {
        match self {
            Self::Mqtt => AlarmKind::MqttUnsteady,
            Self::Sparkplug => AlarmKind::SparkplugUnsteady,
        }
    }

    fn older_protocol(self) -> AlarmKind {
        match self {
            Self::Mqtt => AlarmKind::MqttOlderProtocol,
            Self::Sparkplug => AlarmKind::SparkplugOlderProtocol,
        }
    }

    fn not_subscribed(self) -> AlarmKind {
        match self {
            Self::Mqtt => AlarmKind::MqttNotSubscribed,
            Self::Sparkplug => AlarmKind::SparkplugNotSubscribed,
        }
    }
}

/// Every condition that was ever raised.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    raised: BTreeMap<AlarmId, Condition>,
    /// By face: the broker had let the station in before it said why it ends the connection.
    ended: [bool; 2],
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
    pub(crate) fn connection(
        &mut self,
        face: Face,
        trouble: &Trouble,
        stood: bool,
        client_id: &str,
    ) {
        let what = &trouble.what;
        let (kind, message) = match trouble.kind {
            // An absent broker is no alarm by itself: results wait for it, and `connected` says so.
            Kind::Away | Kind::Closed | Kind::Version => return,
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
            Kind::TakenOver => (
                face.taken_over(),
                format!(
                    "expected to be the only client `{client_id}` at the broker, found the session taken over by another ({what}); give one of the two another mqtt.client_id: the broker's log has the other's address"
                ),
            ),
            Kind::Quota | Kind::TooLarge | Kind::Refused => (
                face.refused(),
                format!(
                    "expected the broker to keep the connection: {what}; see the broker's limits and log"
                ),
            ),
        };
        if kind == face.refused() {
            self.ended[face as usize] = stood;
        }
        self.raise(kind, message);
    }

    /// The broker has closed the connection again and again without a reason, soon after it had taken it.
    pub(crate) fn unsteady(&mut self, face: Face, times: usize, client_id: &str) {
        self.raise(
            face.unsteady(),
            format!(
                "expected the broker to keep the connection, found it closed without a reason soon after it was made, {times} times in a row; look for another client with the id `{client_id}` (the broker's log has its address), or for a limit of the broker"
            ),
        );
    }

    /// The connection has stood for a while.
    pub(crate) fn steady(&mut self, face: Face) {
        self.clear(face.taken_over());
        self.clear(face.unsteady());
        self.clear(face.refused());
    }

    /// The connection stands, in the protocol that was wanted or an older one.
    pub(crate) fn connected(&mut self, face: Face, older: bool) {
        self.clear(face.tls());
        // One that the broker ends again and again stands in between.
        if !self.ended[face as usize] {
            self.clear(face.refused());
        }
        let id = face.older_protocol();
        match older {
            true => self.raise(
                id,
                "expected a broker of MQTT 5, found that it answers that it does not know it: 3.1.1 is spoken, in which commands get no answer and the broker cannot say what it does not take; update the broker, or write mqtt.protocol = \"3.1.1\"".into(),
            ),
            false => self.clear(id),
        }
    }

    /// The broker did not take a message on `topic`; `said` is its reason, `who` this station as the broker knows it.
    pub(crate) fn refused(&mut self, group: &str, topic: &str, said: (Kind, &str), who: &str) {
        let (kind, reason) = said;
        let topic: String = topic.chars().take(200).collect();
        let (parent, _) = topic.rsplit_once('/').unwrap_or((&topic, ""));
        let right = match group {
            "alarm" | "gap" => format!("{parent}/#"),
            _ if is_answer(group) => format!("{parent}/#"),
            _ => topic.clone(),
        };
        let todo = match kind {
            Kind::Quota => "raise the broker's quota or clear what fills it".into(),
            Kind::TooLarge => "raise the broker's largest packet size".into(),
            Kind::NotAuthorised => format!("give {who} the right to write {right}"),
            _ => format!("see whether {who} has the right to write {right}, and the broker's log"),
        };
        let meanwhile = match group {
            "result" => "results wait until then",
            _ => "the rest goes on",
        };
        let id = not_taken(group);
        if self.stands(&id) && is_answer(group) {
            // One missing right, however many ask for answers there.
            return;
        }
        self.raise(
            id,
            format!("expected the broker to take {topic}: {reason}; {todo}; {meanwhile}"),
        );
    }

    /// The broker takes messages of a group again.
    pub(crate) fn taken(&mut self, group: &str) {
        if !self.raised.is_empty() {
            self.clear(not_taken(group));
        }
    }

    /// The broker refused a subscription, or the last one that it had refused stands now.
    pub(crate) fn subscription(
        &mut self,
        face: Face,
        name: &str,
        refused: Option<(&str, &str, &str)>,
    ) {
        let id = face.not_subscribed().of(name);
        let Some((filter, reason, who)) = refused else {
            return self.clear(id);
        };
        let lost = match name {
            "cmd" => "commands do not reach this station",
            "STATE" => "the host's presence is not known, and nothing is sent to it",
            "alarm" | "gap" => "what an earlier run left there stays at the broker",
            _ => "requests for a rebirth are not heard",
        };
        self.raise(
            id,
            format!(
                "expected the broker to take the subscription {filter}: {reason}; give {who} the right to read {filter}; until then {lost}"
            ),
        );
    }

    /// Answers and copies had to go, or everything has been acknowledged.
    pub(crate) fn dropped(&mut self, dropped: Dropped) {
        let Dropped { answers, copies } = dropped;
        if answers + copies == 0 {
            return self.clear(AlarmKind::MqttCopiesDropped);
        }
        self.raise(
            AlarmKind::MqttCopiesDropped,
            format!(
                "expected the broker to take answers, audit copies and reviews, found that too many waited: {copies} copies and {answers} answers were dropped; the audit trail has what was done (`sightline journal audit`)"
            ),
        );
    }

    fn stands(&self, id: &AlarmId) -> bool {
        self.raised.get(id).is_some_and(|c| c.raised.is_some())
    }

    /// Whether anybody has subscribed to results.
    pub(crate) fn heard(&mut self, topic: &str, taken: Taken) {
        let nobody = AlarmKind::MqttNobody;
        let stands = self.stands(&nobody.into());
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

fn not_taken(group: &str) -> AlarmId {
    match group {
        "result" => AlarmKind::MqttResultsNotTaken.into(),
        _ if is_answer(group) => AlarmKind::MqttNotTaken.of(ANSWERS),
        _ => AlarmKind::MqttNotTaken.of(group),
    }
}
