//! What the station calls: hand over results, alarms and state; read counters; stop.

use crate::conditions::Condition;
use crate::journal_feed::Feed;
use crate::mqtt::Message;
use crate::outbox::Outgoing;
use crate::resend::{self, Resend};
use crate::settings::{Counters, UplinkSettings};
use crate::shared::Shared;
use crate::{EmbeddedBroker, UplinkError, sparkplug, thread};
use sightline_domain::{Alarm, AlarmKind, AlarmState, Clock, InspectionResult};
use sightline_journal::Journal;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the end waits for answers and copies; a topic that is refused may hold them for good.
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// The running uplink.
pub struct Uplink {
    shared: Arc<Shared>,
    root: String,
    clock: Arc<dyn Clock>,
    sparkplug: Option<Arc<sparkplug::Face>>,
    thread: Option<JoinHandle<()>>,
    feed: Option<Feed>,
    broker: Option<EmbeddedBroker>,
}

impl Uplink {
    /// Starts the uplink, and the embedded broker if that is what the configuration says. The broker may be absent:
    /// results wait.
    ///
    /// # Errors
    /// A wrong address, an unreadable password file, a port in use.
    pub fn start(settings: UplinkSettings) -> Result<Self, UplinkError> {
        let shared = Arc::new(Shared::new(settings.mqtt.outbox));
        let broker = match settings.mqtt.broker.as_str() {
            "embedded" => {
                let (mqtt, told) = (&settings.mqtt, Some(shared.clone()));
                Some(EmbeddedBroker::start_telling(mqtt, &settings.base, told)?)
            }
            _ => None,
        };
        let (host, port) = match &broker {
            Some(broker) => (broker.address().ip().to_string(), broker.address().port()),
            None => settings
                .mqtt
                .address()
                .map_err(|found| UplinkError::Address { found })?,
        };
        let root = settings.identity.topic_root();
        let clock = settings.clock.clone();
        let link = thread::link(settings, host, port)?;
        let sparkplug = link.sparkplug.clone();
        link.look_at_certificates(&shared);
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("sl-uplink".into())
            .spawn(move || {
                sightline_threads::deliver();
                thread::run(&link, &theirs);
            })
            .map_err(|source| UplinkError::Thread {
                name: "sl-uplink",
                source,
            })?;
        Ok(Self {
            shared,
            root,
            clock,
            sparkplug,
            thread: Some(thread),
            feed: None,
            broker,
        })
    }

    /// The same, sending what is committed to `journal` instead of what is submitted here, and retiring it there.
    ///
    /// # Errors
    /// As [`Uplink::start`]; the journal cannot be read.
    pub fn start_over(settings: UplinkSettings, journal: Journal) -> Result<Self, UplinkError> {
        let inspecting = settings.inspecting.clone();
        let mut uplink = Self::start(settings)?;
        uplink.feed = Some(Feed::start(journal, uplink.shared.clone(), inspecting)?);
        Ok(uplink)
    }

    /// Hands a result over. Takes a short lock, never waits for the network.
    ///
    /// # Errors
    /// The outbox is full; the result was not taken.
    pub fn submit(&self, seq: u64, json: impl Into<bytes::Bytes>) -> Result<(), UplinkError> {
        let mut state = self.shared.state();
        let pushed = state.outbox.push(Outgoing {
            seq,
            json: json.into(),
        });
        let pending = state.outbox.pending();
        drop(state);
        self.shared.changed.notify_one();
        pushed.map_err(|_| UplinkError::OutboxFull { pending })
    }

    /// Tells an alarm's state; `status` follows from what is active.
    pub fn alarm(&self, alarm: &Alarm, state: AlarmState) {
        let mut shared = self.shared.state();
        if alarm.active {
            shared
                .alarms
                .insert(alarm.id.clone(), alarm.id.kind().severity());
        } else {
            shared.alarms.remove(&alarm.id);
        }
        shared.retained.insert(
            format!("alarm/{}", alarm.id),
            (crate::payload::AlarmMessage::json(alarm, state), true),
        );
        drop(shared);
        self.shared.changed.notify_one();
    }

    /// Says something retained, such as `recipe/active`.
    pub fn retain(&self, suffix: &str, json: Vec<u8>) {
        self.shared
            .state()
            .retained
            .insert(suffix.to_string(), (json, true));
        self.shared.changed.notify_one();
    }

    /// Tells a result to the Sparkplug face, if there is one. Takes a short lock, never waits.
    pub fn observe(&self, result: &InspectionResult) {
        let Some(face) = &self.sparkplug else {
            return;
        };
        let at_ms = (self.clock.utc().0.max(0) / 1_000) as u64;
        let lost = face.observe(result, at_ms);
        if lost > 0 {
            let message = format!(
                "expected room for results while the Sparkplug host is away, found none: {lost} are lost to it; they are in the JSON results"
            );
            let full = AlarmKind::SparkplugBufferFull;
            self.shared.state().conditions.raise(full, message);
        }
    }

    /// Says something once, such as a copy of the audit trail; it is kept until the broker has it. Beyond a bound the oldest
    /// go, with an alarm.
    pub fn say(&self, suffix: &str, json: Vec<u8>) {
        let topic = format!("{}/{suffix}", self.root);
        self.shared.say(Message::new(topic, json), false);
    }

    /// Sends the stored results `first` to `last` again, marked as replayed, at a bounded rate. What was asked for before and
    /// is not sent yet is given up. Returns how many go each second at most; `None` without a journal.
    pub fn resend(&self, first: u64, last: u64) -> Option<usize> {
        self.feed.as_ref()?;
        let topic = format!("{}/result", self.root);
        self.shared.state().resend = Some(Resend::new(first.max(1), last, topic));
        Some(resend::PER_SECOND)
    }

    /// What a person must know of the way to the broker, over or not. To be made alarms by the station.
    pub fn conditions(&self) -> Vec<Condition> {
        self.shared.state().conditions.all()
    }

    /// The certificates in use and how long they hold, as they were read for the last connection.
    pub fn certificates(&self) -> Vec<crate::Validity> {
        self.shared.state().conditions.validities()
    }

    /// The latest key figures; sent at the configured interval.
    pub fn kpi(&self, json: Vec<u8>) {
        self.shared.state().kpi = Some(json);
    }

    /// Counters as they are now.
    pub fn counters(&self) -> Counters {
        let stored = self.feed.as_ref().map(Feed::stored);
        let state = self.shared.state();
        let in_memory = (state.outbox.pending() as u64, 0);
        let (pending, carried) = stored.map_or(in_memory, |s| {
            (s.total.saturating_sub(state.outbox.acknowledged), s.carried)
        });
        Counters {
            published: state.outbox.published,
            acknowledged: state.outbox.acknowledged,
            pending,
            carried,
            refused: state.outbox.refused,
            connected: state.outbox.connected,
            connections: state.connections,
            full: self.feed.is_none() && state.outbox.room() == 0,
        }
    }

    /// Waits up to `patience` for the acknowledgements of everything submitted; not for a broker that is away if a
    /// journal keeps the results.
    pub fn settle(&self, patience: Duration) {
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        let said = || self.shared.state().said.pending() > 0;
        let results = |c: Counters| c.pending > 0 && (c.connected || self.feed.is_none());
        let copies = |c: Counters, waited| c.connected && waited < SAID_WITHIN && said();
        while waited < patience {
            let now = self.counters();
            if !results(now) && !copies(now, waited) {
                return;
            }
            std::thread::sleep(step);
            waited += step;
        }
    }

    /// Settles, says `offline`, and ends. Returns the last counters. Dropping it says `offline` too.
    pub fn stop(mut self, patience: Duration) -> Counters {
        self.settle(patience);
        let counters = self.counters();
        self.end();
        counters
    }

    fn end(&mut self) {
        self.shared.state().stopping = true;
        self.shared.changed.notify_one();
        if let Some(face) = &self.sparkplug {
            face.changed.notify_one();
        }
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the uplink thread panicked; results after that were not sent");
        }
        self.feed = None;
        self.broker = None;
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.end();
    }
}
