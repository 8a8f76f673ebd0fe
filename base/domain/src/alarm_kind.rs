//! Every alarm there is: what it is called, how much it matters, what it does to the line, and who ends it.
//!
//! A new alarm is one entry in the table below, its texts in `ui/strings`, and its row in `docs/alarms.md`
//! (`SIGHTLINE_UPDATE_GOLDENS=1 cargo test -p sightline-domain` writes it).

use crate::AlarmSeverity;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What an alarm does to the line while its condition stands.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AlarmEffect {
    /// Parts are inspected as ever.
    None,
    /// Parts are inspected; more of them than need be may be rejected.
    Degraded,
    /// The station is in `Error`: nothing new is begun until it is over.
    Hold,
}

/// What a person has to do with an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmRule {
    /// Ends with its condition; nobody need have seen it.
    Ends,
    /// Ends with its condition, and stays in the list until somebody has seen it.
    Seen,
    /// A single event: it ends when somebody says that he has seen to it.
    SeenTo,
}

struct Spec {
    /// `{}` stands for what the alarm is about.
    pattern: &'static str,
    severity: AlarmSeverity,
    effect: AlarmEffect,
    rule: AlarmRule,
    texts: &'static str,
    stands: &'static str,
}

macro_rules! alarms {
    ($($kind:ident: $pattern:literal, $severity:ident, $effect:ident, $rule:ident, $texts:literal, $stands:literal;)*) => {
        /// What an alarm is about. `docs/alarms.md` is this table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AlarmKind {
            $(#[doc = $stands] $kind,)*
        }

        impl AlarmKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            const fn spec(self) -> Spec {
                match self {
                    $(Self::$kind => Spec {
                        pattern: $pattern,
                        severity: AlarmSeverity::$severity,
                        effect: AlarmEffect::$effect,
                        rule: AlarmRule::$rule,
                        texts: $texts,
                        stands: $stands,
                    },)*
                }
            }
        }
    };
}

alarms! {
    CameraDown: "camera.{}.down", High, Degraded, Seen, "camera_down",
        "no frames come from a camera";
    CameraAmbiguous: "camera.{}.ambiguous", High, Degraded, Seen, "camera_ambiguous",
        "pictures came that may be another part's or older; for 10 s after the last";
    CameraBlurred: "camera.{}.blurred", High, Degraded, Seen, "camera_blurred",
        "pictures are out of focus; until 8 in a row are healthy";
    CameraBright: "camera.{}.bright", High, Degraded, Seen, "camera_bright",
        "pictures are too bright; until 8 in a row are healthy";
    CameraCorrupt: "camera.{}.corrupt", High, Degraded, Seen, "camera_corrupt",
        "pictures are damaged; until 8 in a row are healthy";
    CameraDark: "camera.{}.dark", High, Degraded, Seen, "camera_dark",
        "pictures are too dark; until 8 in a row are healthy";
    CameraDrift: "camera.{}.drift", Low, None, Ends, "camera_drift",
        "pictures come near the edge of their trigger window";
    CameraEnded: "camera.{}.ended", High, Degraded, Seen, "camera_ended",
        "a file or folder is at its end while other cameras go on";
    CameraFlat: "camera.{}.flat", High, Degraded, Seen, "camera_flat",
        "nothing is to be seen on pictures; until 8 in a row are healthy";
    CameraFrozen: "camera.{}.frozen", High, Degraded, Seen, "camera_frozen",
        "the same picture comes again and again; until 8 in a row are healthy";
    CameraLate: "camera.{}.late", Low, None, Ends, "camera_late",
        "pictures arrive more than 200 ms later than the fastest ones";
    CameraSize: "camera.{}.size", High, Degraded, Seen, "camera_size",
        "pictures come in another size than the camera's first, until 8 in a row are healthy, or than the view's, for 10 s after the last";
    CameraUndecodable: "camera.{}.undecodable", High, Degraded, Seen, "camera_undecodable",
        "frames come that cannot be read; until 8 in a row are healthy";
    ConservationGap: "conservation-gap", Urgent, Hold, SeenTo, "conservation_gap",
        "a part has neither a result nor is it on its way";
    EngineFault: "engine.{}.fault", High, Degraded, Seen, "engine_fault",
        "an engine failed and has not worked since";
    EngineHung: "engine.{}.hung", Urgent, Hold, Seen, "engine_hung",
        "an engine does not answer";
    EngineStopped: "engine.{}.stopped", High, Degraded, Seen, "engine_stopped",
        "an engine failed and could not be made anew";
    EngineNone: "engine-none", Urgent, Hold, Seen, "engine_none",
        "no engine is left: every part is rejected";
    EngineStandIn: "engine.stand-in", High, Degraded, Seen, "engine_stand_in",
        "`engine.fallback` inspects instead of the engine that failed";
    EngineNoStandIn: "engine.no-stand-in", Urgent, Hold, Seen, "engine_no_stand_in",
        "no engine is left, and `engine.fallback` does not start";
    EngineLeftBehind: "engine.left-behind", High, Degraded, SeenTo, "engine_left_behind",
        "an engine did not come back from a picture; another works in its place";
    EngineNotBuilt: "engine.not-built", Urgent, Hold, Seen, "engine_not_built",
        "no engine was built for long after the start";
    ModelsTrialFailed: "models.trial-failed", High, Degraded, SeenTo, "models_trial_failed",
        "activated models failed their trial; the last good ones look instead";
    FlowEventsLost: "flow.events-lost", High, None, SeenTo, "flow_events_lost",
        "alarms are lost because nobody takes them";
    FlowDied: "flow.{}.died", Urgent, Hold, Seen, "flow_died",
        "a thread of the line has panicked; until the station is started again";
    FlowStuck: "flow.{}.stuck", High, None, Seen, "flow_stuck",
        "a thread does not end with the station";
    FlowUnpinned: "flow.{}.unpinned", Low, Degraded, Ends, "flow_unpinned",
        "a thread could not be pinned to its core";
    FlowNotRaised: "flow.{}.not-raised", High, Degraded, Seen, "flow_not_raised",
        "a thread did not get its priority";
    FlowRecording: "flow.recording", Low, None, SeenTo, "flow_recording",
        "the recording of `run --record` ended because it could not be written";
    PartsUndecided: "parts.undecided", High, Degraded, Seen, "parts_undecided",
        "part after part is NotDecidable";
    PartsUnfinished: "parts.unfinished", Low, None, SeenTo, "parts_unfinished",
        "the last run was cut off while parts were in flight: a fail-safe gate rejected them, a kick gate let them pass";
    ResultUnwritten: "flow.result-unwritten", Urgent, None, SeenTo, "flow_result_unwritten",
        "a result could not be written as JSON";
    GateBehind: "gate-behind", Urgent, Hold, SeenTo, "gate_behind",
        "a reject was commanded when its part was at the gate already";
    GateEncoderLost: "gate-encoder-lost", Urgent, Hold, Seen, "gate_encoder_lost",
        "the encoder does not answer";
    GateFull: "gate-full", High, Degraded, SeenTo, "gate_full",
        "more parts between trigger and gate than there is room for";
    GateRefused: "gate-refused", Urgent, Hold, SeenTo, "gate_refused",
        "the gate did not take a reject command";
    GateUnconfirmed: "gate-unconfirmed", Urgent, Hold, SeenTo, "gate_unconfirmed",
        "the sensor did not see a reject in time";
    GateUnexpected: "gate-unexpected", High, Degraded, SeenTo, "gate_unexpected",
        "the sensor saw a part that was not rejected";
    GateUnregistered: "gate-unregistered", Urgent, Hold, SeenTo, "gate_unregistered",
        "a verdict came for a part the gate never heard of";
    GateUnsynchronised: "gate-unsynchronised", High, Degraded, SeenTo, "gate_unsynchronised",
        "nobody knows where the parts between trigger and gate are; they are rejected";
    GateUncommanded: "gate-uncommanded", High, Degraded, SeenTo, "gate_uncommanded",
        "the sensor saw a part in the bin before the gate was to be told";
    GateLatePass: "gate-late-pass", Low, Degraded, SeenTo, "gate_late_pass",
        "a pass was commanded too late, so that its part was rejected";
    JournalBehind: "journal-behind", Urgent, None, Seen, "journal_behind",
        "more than half of the journal's queue waits for the disk";
    JournalFull: "journal-full", Urgent, None, Seen, "journal_full",
        "results that the broker never had are removed for want of room";
    JournalGap: "journal-gap", High, None, Seen, "journal_gap",
        "numbers have no result, and nobody has taken note: the MES with `skip`, or a person who acknowledges it";
    JournalLost: "journal-lost", Urgent, None, Seen, "journal_lost",
        "results are lost because the disk takes nothing";
    JournalSetAside: "journal-set-aside", High, None, SeenTo, "journal_set_aside",
        "a damaged journal was set aside and a new one begun";
    JournalStuck: "journal-stuck", Urgent, None, Seen, "journal_stuck",
        "the disk takes no results";
    CertificateLast: "mqtt-certificate.{}.3-days", Urgent, None, Seen, "mqtt_certificate",
        "a certificate ends within 3 days, or has ended";
    CertificateSoon: "mqtt-certificate.{}.14-days", High, None, Seen, "mqtt_certificate",
        "a certificate ends within 14 days";
    CertificateAhead: "mqtt-certificate.{}.30-days", Low, None, Ends, "mqtt_certificate",
        "a certificate ends within 30 days";
    ChallengeDue: "challenge-due", Low, None, Ends, "challenge_due",
        "challenge parts are to be shown; parts are inspected as ever for a while";
    ChallengeFailed: "challenge-failed", Urgent, Degraded, Seen, "challenge_failed",
        "a challenge part did not show what it must, and not all have since";
    ChallengeOverdue: "challenge-overdue", High, Degraded, Seen, "challenge_overdue",
        "challenge parts were not shown in time, or not yet after a change";
    ModelAlike: "model.alike", High, None, Seen, "model_alike",
        "the findings of part after part have the same score or the same box";
    ModelFindsNothing: "model.finds-nothing", High, None, Seen, "model_finds_nothing",
        "nothing is found any more where findings were usual";
    ModelsOpen: "models.commissioning", High, None, Ends, "models_open",
        "models inspect that are not proved, or are taken that nobody trusted has signed (`models.allow_unproved`, `allow_unsigned`)";
    MqttNobody: "mqtt-nobody", Low, None, Ends, "mqtt_nobody",
        "nobody has subscribed to results";
    MqttResultsNotTaken: "mqtt-not-taken.result", High, None, Seen, "mqtt_not_taken",
        "the broker does not take results";
    MqttNotTaken: "mqtt-not-taken.{}", Low, None, Ends, "mqtt_topic_not_taken",
        "the broker does not take messages of another topic; the rest goes on";
    MqttNotSubscribed: "mqtt-not-subscribed.{}", High, None, Seen, "mqtt_not_subscribed",
        "the broker does not take a subscription, e.g. that for commands";
    MqttTakenOver: "mqtt-taken-over", High, None, Seen, "mqtt_taken_over",
        "another client uses this station's client id";
    MqttUnsteady: "mqtt-unsteady", High, None, Seen, "mqtt_taken_over",
        "the broker closes the connection again and again without a reason";
    MqttOlderProtocol: "mqtt-older-protocol", Low, None, Ends, "mqtt_older_protocol",
        "the broker knows MQTT 3.1.1 only";
    MqttCopiesDropped: "mqtt-copies-dropped", Low, None, Ends, "mqtt_copies_dropped",
        "answers, audit copies or reviews were dropped while the broker took none";
    MqttEmbeddedBroker: "mqtt-embedded-broker", High, None, Seen, "mqtt_embedded_broker",
        "the embedded broker has ended and is started again";
    MqttRefused: "mqtt-refused", High, None, Seen, "mqtt_refused",
        "the broker does not let this station in, or ends the connection";
    MqttTls: "mqtt-tls", High, None, Seen, "mqtt_tls",
        "certificates are not accepted on one of both sides";
    MqttUnacknowledged: "mqtt-no-acknowledgement", High, None, Seen, "mqtt_no_acknowledgement",
        "the broker takes results and acknowledges none";
    OutboxFull: "outbox-full", Urgent, None, Seen, "outbox_full",
        "without a journal: more results wait for the broker than there is room for";
    RecipeReload: "recipe-reload", High, None, Seen, "recipe_reload",
        "the recipe's file was refused at SIGHUP; the one before inspects";
    SparkplugBufferFull: "sparkplug-buffer-full", Low, None, Ends, "sparkplug_buffer_full",
        "results are lost to a Sparkplug host that is away";
    SparkplugRefused: "sparkplug-refused", High, None, Seen, "sparkplug_refused",
        "the broker does not let the Sparkplug node in, or ends its connection";
    SparkplugNotSubscribed: "sparkplug-not-subscribed.{}", High, None, Seen, "sparkplug_refused",
        "the broker does not take a subscription of the Sparkplug node";
    SparkplugTakenOver: "sparkplug-taken-over", High, None, Seen, "sparkplug_refused",
        "another client uses the Sparkplug node's client id";
    SparkplugUnsteady: "sparkplug-unsteady", High, None, Seen, "sparkplug_refused",
        "the broker closes the Sparkplug connection again and again without a reason";
    SparkplugOlderProtocol: "sparkplug-older-protocol", Low, None, Ends, "mqtt_older_protocol",
        "the Sparkplug connection speaks MQTT 3.1.1";
    SparkplugTls: "sparkplug-tls", High, None, Seen, "sparkplug_tls",
        "certificates are not accepted on the Sparkplug connection";
}

impl AlarmKind {
    /// How much it matters to people.
    pub fn severity(self) -> AlarmSeverity {
        self.spec().severity
    }

    /// What it does to the line.
    pub fn effect(self) -> AlarmEffect {
        self.spec().effect
    }

    /// What a person has to do with it.
    pub fn rule(self) -> AlarmRule {
        self.spec().rule
    }

    /// Key of its texts on consoles.
    pub fn texts(self) -> &'static str {
        self.spec().texts
    }

    /// While what it stands.
    pub fn stands(self) -> &'static str {
        self.spec().stands
    }

    /// Its id with a placeholder for what it is about.
    pub fn pattern(self) -> &'static str {
        self.spec().pattern
    }

    /// The kind's alarm about `subject`. What a topic level cannot hold becomes `-`.
    pub fn of(self, subject: impl fmt::Display) -> AlarmId {
        let odd = |c: char| "+#$/".contains(c) || c.is_whitespace() || c.is_control();
        let subject = subject.to_string().replace(odd, "-");
        AlarmId {
            kind: self,
            subject: Some(subject.into()),
        }
    }
}

/// Which alarm: its kind, and what it is about where there can be several of a kind. As text a topic level,
/// e.g. `camera.cam1.down`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlarmId {
    kind: AlarmKind,
    subject: Option<Box<str>>,
}

impl AlarmId {
    /// Its kind.
    pub fn kind(&self) -> AlarmKind {
        self.kind
    }

    /// What it is about: a camera's name, an engine's number, a topic.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }
}

impl From<AlarmKind> for AlarmId {
    fn from(kind: AlarmKind) -> Self {
        Self {
            kind,
            subject: None,
        }
    }
}

impl fmt::Display for AlarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = self.kind.pattern();
        match (pattern.split_once("{}"), &self.subject) {
            (Some((before, after)), Some(subject)) => write!(f, "{before}{subject}{after}"),
            _ => f.write_str(pattern),
        }
    }
}

/// A text that is no alarm's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAlarm(pub String);

impl fmt::Display for UnknownAlarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected an alarm's id as in docs/alarms.md, found `{}`",
            self.0
        )
    }
}

impl std::error::Error for UnknownAlarm {}

impl FromStr for AlarmId {
    type Err = UnknownAlarm;

    fn from_str(text: &str) -> Result<Self, UnknownAlarm> {
        let reads = |kind: &AlarmKind| match kind.pattern().split_once("{}") {
            Some((before, after)) => {
                let subject = text.strip_prefix(before)?.strip_suffix(after)?;
                (!subject.is_empty()).then(|| kind.of(subject))
            }
            None => (text == kind.pattern()).then(|| (*kind).into()),
        };
        let mut all = AlarmKind::ALL.iter();
        all.find_map(reads)
            .ok_or_else(|| UnknownAlarm(text.to_owned()))
    }
}

impl Serialize for AlarmId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    proptest! {
        #[test]
        fn an_id_is_a_topic_level_and_reads_back(
            kind in proptest::sample::select(AlarmKind::ALL),
            subject in "\\PC{1,20}",
        ) {
            let id = match kind.pattern().contains("{}") {
                true => kind.of(subject),
                false => kind.into(),
            };
            let text = id.to_string();
            prop_assert!(!text.contains(['/', '+', '#', '$', ' ']), "{text}");
            prop_assert_eq!(text.parse::<AlarmId>().unwrap(), id);
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "camera..down", "camera.cam1", "gate", "gate-fullx"] {
            let refused = text.parse::<AlarmId>().unwrap_err().to_string();
            assert!(refused.contains(&format!("`{text}`")), "{refused}");
        }
    }

    /// Only what touches inspection may hold the line.
    #[test]
    fn journal_broker_and_certificates_stop_nothing() {
        for kind in AlarmKind::ALL {
            let outside = ["journal", "mqtt", "sparkplug", "outbox"];
            if outside.iter().any(|o| kind.pattern().starts_with(o)) {
                assert_eq!(kind.effect(), AlarmEffect::None, "{kind:?}");
            }
            if kind.effect() == AlarmEffect::Hold {
                assert_eq!(kind.severity(), AlarmSeverity::Urgent, "{kind:?}");
                assert_ne!(kind.rule(), AlarmRule::Ends, "{kind:?}");
            }
        }
    }

    fn table() -> String {
        let mut out = String::from(
            "| id | severity | effect on the line | acknowledgement | stands while |\n|---|---|---|---|---|\n",
        );
        for kind in AlarmKind::ALL {
            let rule = match kind.rule() {
                AlarmRule::Ends => "not needed",
                AlarmRule::Seen => "stays until seen",
                AlarmRule::SeenTo => "ends it",
            };
            let (severity, effect) = (kind.severity(), kind.effect());
            let words = format!("{severity:?} | {effect:?}").to_lowercase();
            let id = kind.pattern().replace("{}", "*");
            out += &format!("| `{id}` | {words} | {rule} | {} |\n", kind.stands());
        }
        out
    }

    #[test]
    fn the_document_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/alarms.md");
        let kept = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = kept.split_once("| id |").unwrap();
        let after = rest.find("\n\n").map_or("", |end| &rest[end + 1..]);
        let made = format!("{before}{}{after}", table());
        if std::env::var_os("SIGHTLINE_UPDATE_GOLDENS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(
            kept == made,
            "docs/alarms.md is not what the type says; run with SIGHTLINE_UPDATE_GOLDENS=1 and look at the difference"
        );
    }
}
