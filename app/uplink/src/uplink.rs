//! What the station calls: hand over results, alarms and state; read counters; stop.

use crate::client::{self, Link};
use crate::feed::Feed;
use crate::outbox::{Outbox, Outgoing};
use crate::{EmbeddedBroker, UplinkError};
use sightline_configs::station::{Identity, Mqtt};
use sightline_journal::Journal;
use sightline_model::{Alarm, AlarmId, AlarmSeverity, Clock};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;

/// Answers a command: verb and payload in, what was done or why not out.
pub type CommandHandler = Arc<dyn Fn(&str, &[u8]) -> Result<String, String> + Send + Sync>;

/// What the uplink needs to start.
pub struct UplinkSettings {
    /// Topic levels.
    pub identity: Identity,
    /// Broker and window.
    pub mqtt: Mqtt,
    /// Folder that a relative `password_file` starts from.
    pub base: PathBuf,
    /// Identifies this run in `status`.
    pub session: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Answers commands; absent: every command is answered with "not supported".
    pub commands: Option<CommandHandler>,
}

/// Results handed over, sent and acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Results sent, repeats included.
    pub published: u64,
    /// Results the broker has acknowledged, each once.
    pub acknowledged: u64,
    /// Results waiting for their acknowledgement.
    pub pending: u64,
    /// Of those acknowledged or waiting, so many are from earlier runs.
    pub carried: u64,
    /// Results that found no room.
    pub refused: u64,
    /// Connected now.
    pub connected: bool,
    /// Connections made so far.
    pub connections: u64,
}

/// What both sides see, under one short lock.
pub(crate) struct Desk {
    pub(crate) outbox: Outbox,
    /// Retained messages by topic suffix, and whether each has changed since it was sent.
    pub(crate) retained: BTreeMap<String, (Vec<u8>, bool)>,
    pub(crate) kpi: Option<Vec<u8>>,
    pub(crate) alarms: BTreeMap<AlarmId, AlarmSeverity>,
    pub(crate) connections: u64,
    pub(crate) stopping: bool,
}

pub(crate) struct Shared {
    desk: Mutex<Desk>,
    pub(crate) changed: Notify,
}

impl Shared {
    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running uplink.
pub struct Uplink {
    shared: Arc<Shared>,
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
        let broker = match settings.mqtt.broker.as_str() {
            "embedded" => Some(EmbeddedBroker::start(&settings.mqtt.listen)?),
            _ => None,
        };
        let (host, port) = match &broker {
            Some(broker) => (broker.address().ip().to_string(), broker.address().port()),
            None => settings
                .mqtt
                .address()
                .map_err(|found| UplinkError::Address { found })?,
        };
        let desk = Desk {
            outbox: Outbox::new(settings.mqtt.outbox),
            retained: BTreeMap::new(),
            kpi: None,
            alarms: BTreeMap::new(),
            connections: 0,
            stopping: false,
        };
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            changed: Notify::new(),
        });
        let link = Link::new(settings, host, port)?;
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("sl-uplink".into())
            .spawn(move || client::run(link, &theirs))
            .map_err(|source| UplinkError::Thread {
                name: "sl-uplink",
                source,
            })?;
        Ok(Self {
            shared,
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
        let mut uplink = Self::start(settings)?;
        uplink.feed = Some(Feed::start(journal, uplink.shared.clone())?);
        Ok(uplink)
    }

    /// Hands a result over. Takes a short lock, never waits for the network.
    ///
    /// # Errors
    /// The outbox is full; the result was not taken.
    pub fn submit(&self, seq: u64, json: impl Into<bytes::Bytes>) -> Result<(), UplinkError> {
        let mut desk = self.shared.desk();
        let pushed = desk.outbox.push(Outgoing {
            seq,
            json: json.into(),
        });
        let pending = desk.outbox.pending();
        drop(desk);
        self.shared.changed.notify_one();
        pushed.map_err(|_| UplinkError::OutboxFull { pending })
    }

    /// Raises or clears an alarm.
    pub fn alarm(&self, alarm: &Alarm) {
        let mut desk = self.shared.desk();
        if alarm.active {
            desk.alarms.insert(alarm.id.clone(), alarm.severity);
        } else {
            desk.alarms.remove(&alarm.id);
        }
        desk.retained.insert(
            format!("alarm/{}", alarm.id.0),
            (crate::payload::alarm_json(alarm), true),
        );
        drop(desk);
        self.shared.changed.notify_one();
    }

    /// Says something retained, such as `recipe/active`.
    pub fn retain(&self, suffix: &str, json: Vec<u8>) {
        self.shared
            .desk()
            .retained
            .insert(suffix.to_string(), (json, true));
        self.shared.changed.notify_one();
    }

    /// The latest key figures; sent at the configured interval.
    pub fn kpi(&self, json: Vec<u8>) {
        self.shared.desk().kpi = Some(json);
    }

    /// Counters as they are now.
    pub fn counters(&self) -> Counters {
        let stored = self.feed.as_ref().map(Feed::stored);
        let desk = self.shared.desk();
        let in_memory = (desk.outbox.pending() as u64, 0);
        let (pending, carried) = stored.map_or(in_memory, |s| {
            (s.total.saturating_sub(desk.outbox.acknowledged), s.carried)
        });
        Counters {
            published: desk.outbox.published,
            acknowledged: desk.outbox.acknowledged,
            pending,
            carried,
            refused: desk.outbox.refused,
            connected: desk.outbox.connected,
            connections: desk.connections,
        }
    }

    /// Waits up to `patience` for the acknowledgements of everything submitted; not for a broker that is away if a
    /// journal keeps the results.
    pub fn settle(&self, patience: Duration) {
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        let waits = |c: Counters| c.pending > 0 && (c.connected || self.feed.is_none());
        while waited < patience && waits(self.counters()) {
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
        self.shared.desk().stopping = true;
        self.shared.changed.notify_one();
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
