//! What the station calls: hand over results, alarms and state; read counters; stop.

use crate::client::{self, Link};
use crate::commands::{Command, Reply};
use crate::conditions::{Condition, Conditions};
use crate::feed::Feed;
use crate::mqtt::{Dial, Login, Message, TlsFiles};
use crate::outbox::{Outbox, Outgoing};
use crate::sparkplug;
use crate::{EmbeddedBroker, UplinkError};
use sightline_configs::station::{Identity, Mqtt, Sparkplug};
use sightline_journal::Journal;
use sightline_model::{Alarm, AlarmId, AlarmSeverity, AlarmState, Clock, InspectionResult};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;

/// Takes a command and the way back for its answer. Called on the uplink's thread: it must be quick, and may answer later.
pub type CommandHandler = Arc<dyn Fn(Command, Reply) + Send + Sync>;

/// Answers and copies of the audit trail that may wait for the broker; the oldest go when there are more.
const SAID: usize = 1_024;

/// How long the uplink waits for a broker that does not do what brokers do.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without an acknowledgement of the oldest result for so long, the connection is given up and made anew.
    pub acknowledgement: Duration,
    /// Results wait so long after the broker refused one ...
    pub hold_first: Duration,
    /// ... doubled each time up to this.
    pub hold_longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            acknowledgement: Duration::from_secs(20),
            hold_first: Duration::from_secs(1),
            hold_longest: Duration::from_secs(60),
        }
    }
}

/// What the uplink needs to start.
pub struct UplinkSettings {
    /// Topic levels.
    pub identity: Identity,
    /// Broker and window.
    pub mqtt: Mqtt,
    /// The Sparkplug face, if there is to be one.
    pub sparkplug: Option<Sparkplug>,
    /// Folder that a relative `password_file` starts from.
    pub base: PathBuf,
    /// Identifies this run in `status`.
    pub session: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Answers commands; absent: every command is refused.
    pub commands: Option<CommandHandler>,
    /// How long it waits for the broker.
    pub patience: Patience,
    /// Parts under inspection now: a backlog gives way to them. Counted by whoever inspects; 0 where nobody does.
    pub inspecting: Arc<AtomicUsize>,
}

impl UplinkSettings {
    /// For a station that speaks JSON alone, takes no commands and inspects nothing; the rest as usual.
    pub fn new(identity: Identity, mqtt: Mqtt, clock: Arc<dyn Clock>) -> Self {
        Self {
            identity,
            mqtt,
            sparkplug: None,
            base: PathBuf::new(),
            session: String::new(),
            clock,
            commands: None,
            patience: Patience::default(),
            inspecting: Arc::default(),
        }
    }
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
    /// Messages that are sent once: answers, copies of the audit trail.
    pub(crate) said: VecDeque<Message>,
    pub(crate) conditions: Conditions,
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

    /// Puts a message beside the results; the oldest go when nobody takes them.
    pub(crate) fn say(&self, message: Message) {
        let mut desk = self.desk();
        if desk.said.len() >= SAID {
            desk.said.pop_front();
        }
        desk.said.push_back(message);
        drop(desk);
        self.changed.notify_one();
    }

    /// Waits, unless the desk says stop before. True: it does.
    pub(crate) async fn stopped_within(&self, wait: Duration) -> bool {
        let end = tokio::time::Instant::now() + wait;
        loop {
            if self.desk().stopping {
                return true;
            }
            let changed = tokio::time::timeout_at(end, self.changed.notified());
            if changed.await.is_err() {
                return self.desk().stopping;
            }
        }
    }
}

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
            said: VecDeque::new(),
            conditions: Conditions::default(),
            alarms: BTreeMap::new(),
            connections: 0,
            stopping: false,
        };
        let root = settings.identity.topic_root();
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            changed: Notify::new(),
        });
        let clock = settings.clock.clone();
        let link = link(settings, host, port)?;
        let sparkplug = link.sparkplug.clone();
        link.look_at_certificates(&shared);
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("sl-uplink".into())
            .spawn(move || {
                sightline_threads::deliver();
                run(&link, &theirs)
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

    /// Tells an alarm's state; `status` follows from what is active.
    pub fn alarm(&self, alarm: &Alarm, state: AlarmState) {
        let mut desk = self.shared.desk();
        if alarm.active {
            desk.alarms.insert(alarm.id.clone(), alarm.severity);
        } else {
            desk.alarms.remove(&alarm.id);
        }
        desk.retained.insert(
            format!("alarm/{}", alarm.id.0),
            (crate::payload::AlarmMessage::json(alarm, state), true),
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
            let id = "sparkplug-buffer-full".into();
            self.shared
                .desk()
                .conditions
                .raise(id, AlarmSeverity::Low, message);
        }
    }

    /// Says something once, such as a copy of the audit trail; it waits for the broker, the oldest go first.
    pub fn say(&self, suffix: &str, json: Vec<u8>) {
        let topic = format!("{}/{suffix}", self.root);
        self.shared.say(Message::new(topic, json));
    }

    /// What a person must know of the way to the broker, over or not. To be made alarms by the station.
    pub fn conditions(&self) -> Vec<Condition> {
        self.shared.desk().conditions.all()
    }

    /// The certificates in use and how long they hold, as they were read for the last connection.
    pub fn certificates(&self) -> Vec<crate::Validity> {
        self.shared.desk().conditions.validities()
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

/// What outlives a connection. Files are read once here, so that a wrong one is told at start.
fn link(settings: UplinkSettings, host: String, port: u16) -> Result<Link, UplinkError> {
    let UplinkSettings {
        identity,
        mqtt,
        sparkplug,
        base,
        session,
        clock,
        commands,
        patience,
        inspecting,
    } = settings;
    let login = mqtt.username.map(|username| Login {
        username,
        password_file: mqtt.password_file.map(|file| base.join(file)),
    });
    login.as_ref().map(Login::password).transpose()?;
    let tls = mqtt.tls.map(|tls| TlsFiles {
        ca: base.join(tls.ca_file),
        own: tls
            .cert_file
            .zip(tls.key_file)
            .map(|(cert, key)| (base.join(cert), base.join(key))),
    });
    tls.as_ref().map(TlsFiles::read).transpose()?;
    let client_id = mqtt
        .client_id
        .unwrap_or_else(|| format!("sightline-{}", identity.name));
    let dial = |client_id: String| Dial {
        client_id,
        host: host.clone(),
        port,
        login: login.clone(),
        tls: tls.clone(),
        window: mqtt.window,
    };
    let face = sparkplug.map(|s| {
        let names = sparkplug::Names {
            group: s.group,
            node: s.node.unwrap_or_else(|| identity.cell.clone()),
            device: identity.name.clone(),
            primary_host: s.primary_host,
        };
        let dial = dial(format!("{client_id}-sparkplug"));
        Arc::new(sparkplug::Face::new(dial, names, s.aliases, s.buffer))
    });
    Ok(Link {
        dial: dial(client_id),
        sparkplug: face,
        root: identity.topic_root(),
        session,
        window: mqtt.window.into(),
        kpi_every: Duration::from_secs_f64(mqtt.kpi_s),
        since: clock.utc(),
        clock,
        commands,
        patience,
        inspecting,
    })
}

/// The thread's body: everything that speaks to brokers, until the desk says stop.
fn run(link: &Link, shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(async {
            let json = client::attend(link, shared);
            match &link.sparkplug {
                Some(face) => {
                    tokio::join!(json, sparkplug::attend(face, link, shared));
                }
                None => json.await,
            }
        }),
        Err(error) => {
            tracing::error!(%error, "the uplink has no runtime; results stay in the outbox");
        }
    }
}
