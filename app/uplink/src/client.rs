//! The JSON face's loop: one connection at a time, a window of results in flight.

use crate::backlog::{self, Turn};
use crate::backoff::Backoff;
use crate::commands::{self, Reply};
use crate::conditions::Face;
use crate::mqtt::{
    Connection, Dial, Kind, Limits, Message, Notice, Qos, Received, Refusal, Signal, Trouble,
    Version,
};
use crate::payload::{StationState, Status};
use crate::sparkplug;
use crate::uplink::{CommandHandler, Patience, Shared};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use sightline_model::{AlarmSeverity, Clock, UtcMicros};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::time::Instant;

/// Waits between attempts to connect double from here to there.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Time between looks at what changes slowly: certificates, acknowledgements that do not come.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Certificates are looked at anew after so many of them.
const CERTIFICATES_EVERY: u32 = 3_600;
/// How long the last packets get to be written at the end.
const GOODBYE: Duration = Duration::from_millis(500);

/// Everything that outlives a connection, made before the thread starts so that mistakes are reported at start.
pub(crate) struct Link {
    pub dial: Dial,
    pub sparkplug: Option<Arc<sparkplug::Face>>,
    pub root: String,
    pub session: String,
    pub window: usize,
    pub kpi_every: Duration,
    pub clock: Arc<dyn Clock>,
    pub since: UtcMicros,
    pub commands: Option<CommandHandler>,
    pub patience: Patience,
    /// Parts under inspection.
    pub inspecting: Arc<AtomicUsize>,
}

impl Link {
    /// Tells how long the certificates still hold, if that is not long.
    pub(crate) fn look_at_certificates(&self, shared: &Shared) {
        if let Some(files) = &self.dial.tls {
            let now = self.clock.utc();
            shared.desk().conditions.certificates(files, now);
        }
    }

    fn topic(&self, suffix: &str) -> String {
        format!("{}/{suffix}", self.root)
    }

    fn status(&self, state: StationState, since: UtcMicros) -> Message {
        let json = Status::json(state, since, &self.session);
        Message::new(self.topic("status"), json).retained()
    }
}

/// Keeps a connection until the desk says stop.
pub(crate) async fn attend(link: &Link, shared: &Arc<Shared>) {
    let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
    let mut version = Version::Five;
    loop {
        link.look_at_certificates(shared);
        let will = link.status(StationState::Offline, link.since);
        let end = match Connection::open(&link.dial, version, will) {
            Ok(connection) => Session::new(link, shared, connection).serve().await,
            Err(trouble) => End::Trouble {
                trouble,
                connected: false,
            },
        };
        shared.desk().outbox.disconnected();
        let (trouble, connected) = match end {
            End::Stopped => return,
            End::Renewed => {
                tracing::info!("certificates have changed; connecting anew");
                continue;
            }
            End::Trouble { trouble, connected } => (trouble, connected),
        };
        if connected {
            backoff.reset();
        }
        // A broker that does not know MQTT 5 is asked again in 3.1.1, at once; everything else begins with 5.
        if trouble.kind == Kind::Version && version == Version::Five && !connected {
            version = Version::Three;
            continue;
        }
        version = Version::Five;
        shared.desk().conditions.connection(Face::Mqtt, &trouble);
        let wait = backoff.wait();
        tracing::warn!(%trouble, wait_ms = wait.as_millis() as u64, "no MQTT broker; results wait");
        if shared.stopped_within(wait).await {
            return;
        }
    }
}

/// How a connection ended.
enum End {
    Stopped,
    /// Deliberately, because the certificates have changed.
    Renewed,
    Trouble {
        trouble: Trouble,
        connected: bool,
    },
}

/// What a message in flight was.
enum What {
    Result(u64),
    Other(String),
}

type Acknowledgement = (What, Result<(), Refusal>);

struct Session<'a> {
    link: &'a Link,
    shared: &'a Arc<Shared>,
    connection: Connection,
    limits: Option<Limits>,
    in_flight: FuturesUnordered<BoxFuture<'static, Acknowledgement>>,
    results_in_flight: usize,
    /// When the broker last acknowledged the oldest result in flight, or had nothing to acknowledge.
    progress: Instant,
    /// After a refusal nothing is sent until then.
    hold: Option<Instant>,
    holding: Backoff,
    turn: Turn,
    /// A backlog gives way to a part under inspection.
    gives_way: bool,
    /// What `status` said last on this connection.
    state: Option<StationState>,
    result_topic: String,
}

impl<'a> Session<'a> {
    fn new(link: &'a Link, shared: &'a Arc<Shared>, connection: Connection) -> Self {
        Self {
            link,
            shared,
            connection,
            limits: None,
            in_flight: FuturesUnordered::new(),
            results_in_flight: 0,
            progress: Instant::now(),
            hold: None,
            holding: Backoff::new(link.patience.hold_first, link.patience.hold_longest),
            turn: Turn::new(link.inspecting.clone()),
            gives_way: false,
            state: None,
            result_topic: link.topic("result"),
        }
    }

    async fn serve(mut self) -> End {
        let mut kpi = tokio::time::interval(self.link.kpi_every);
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let files = self.link.dial.tls.as_ref();
        let certificates = files.map(|f| f.fingerprint());
        let mut looks = 0_u32;
        loop {
            if self.limits.is_some() {
                self.send_retained();
                self.send_said();
                self.send_results();
            }
            if self.shared.desk().stopping {
                self.say_goodbye().await;
                return End::Stopped;
            }
            tokio::select! {
                signal = self.connection.signal() => match signal {
                    Some(Signal::Connected(limits)) => self.connected(limits),
                    Some(Signal::Received(message)) => self.received(*message),
                    Some(Signal::Ended(trouble)) => return self.ended(trouble),
                    None => return self.ended(Trouble::new(Kind::Away, "the connection's task ended")),
                },
                Some(done) = self.in_flight.next() => self.acknowledged(done),
                () = self.shared.changed.notified() => {}
                () = tokio::time::sleep(backlog::LOOK), if self.gives_way => {}
                _ = kpi.tick() => self.send_kpi(),
                _ = housekeeping.tick() => {
                    looks += 1;
                    if looks.is_multiple_of(CERTIFICATES_EVERY) {
                        self.link.look_at_certificates(self.shared);
                    }
                    if let Some(late) = self.unacknowledged_for() {
                        return self.ended(late);
                    }
                    if let Some(files) = files.filter(|f| Some(f.fingerprint()) != certificates) {
                        // Half-written files are not taken; the standing connection is still good.
                        if files.read().is_ok() {
                            self.connection.close(GOODBYE).await;
                            return End::Renewed;
                        }
                    }
                }
            }
        }
    }

    fn connected(&mut self, limits: Limits) {
        tracing::info!(?limits, "connected to the MQTT broker");
        let mut desk = self.shared.desk();
        desk.outbox.connected = true;
        desk.connections += 1;
        desk.retained
            .values_mut()
            .for_each(|(_, changed)| *changed = true);
        desk.conditions.connected(Face::Mqtt);
        drop(desk);
        self.limits = Some(limits);
        self.progress = Instant::now();
        // `alarm/+`: what an earlier run left behind there is emptied.
        for filter in ["cmd/+", "alarm/+"] {
            if let Err(error) = self.connection.subscribe(self.link.topic(filter)) {
                tracing::warn!(%error, filter, "cannot subscribe on this connection");
            }
        }
    }

    fn ended(&self, trouble: Trouble) -> End {
        End::Trouble {
            trouble,
            connected: self.limits.is_some(),
        }
    }

    /// A broker that takes messages and never acknowledges them is as good as none; so is one that leaves out a single
    /// one, behind which everything later would wait in the outbox.
    fn unacknowledged_for(&mut self) -> Option<Trouble> {
        let waited = self.progress.elapsed();
        let late = self.results_in_flight > 0 && waited > self.link.patience.acknowledgement;
        let id = "mqtt-no-acknowledgement";
        let mut desk = self.shared.desk();
        if !late {
            return None;
        }
        let (n, s) = (self.results_in_flight, waited.as_secs());
        let what = format!(
            "expected acknowledgements, found none for the oldest of {n} results sent for {s} s; see to the broker, results wait"
        );
        desk.conditions
            .raise(id.into(), AlarmSeverity::High, what.clone());
        Some(Trouble::new(Kind::Away, what))
    }

    /// Takes this acknowledgement and those that are there already, under one lock.
    fn acknowledged(&mut self, first: Acknowledgement) {
        let mut refused = None;
        let mut desk = self.shared.desk();
        let mut next = Some(first);
        while let Some((what, result)) = next {
            if let What::Result(_) = what {
                self.results_in_flight -= 1;
            }
            match (what, result) {
                (What::Result(seq), Ok(())) => {
                    let oldest_left = desk.outbox.acknowledge(seq);
                    desk.conditions.taken(&self.result_topic);
                    if oldest_left {
                        desk.conditions.clear("mqtt-no-acknowledgement");
                        self.progress = Instant::now();
                    }
                    self.holding.reset();
                }
                (What::Other(topic), Ok(())) => desk.conditions.taken(&topic),
                // The connection's end follows; everything unacknowledged is handed back then.
                (_, Err(Refusal::Gone | Refusal::Busy)) => {}
                (What::Result(seq), Err(Refusal::Said { kind, reason })) => {
                    let why = format!("result {seq}: {reason}");
                    desk.conditions.message(&self.result_topic, kind, &why);
                    refused = Some(why);
                }
                (What::Other(topic), Err(Refusal::Said { kind, reason })) => {
                    desk.conditions.message(&topic, kind, &reason);
                }
            }
            next = self.in_flight.next().now_or_never().flatten();
        }
        drop(desk);
        if let Some(why) = refused {
            self.hold(&why);
        }
    }

    /// The broker said no to a result: everything unacknowledged is sent again, in order, after a while.
    fn hold(&mut self, why: &str) {
        let wait = self.holding.wait();
        tracing::warn!(
            why,
            wait_ms = wait.as_millis() as u64,
            "the broker did not take a result; it is sent again"
        );
        self.hold = Some(Instant::now() + wait);
        self.in_flight.clear();
        self.results_in_flight = 0;
        let mut desk = self.shared.desk();
        desk.outbox.disconnected();
        desk.outbox.connected = true;
    }

    /// True while results are held back; asks to be looked at again when that ends.
    fn held(&mut self) -> bool {
        match self.hold {
            Some(until) if Instant::now() < until => true,
            Some(_) => {
                self.hold = None;
                self.progress = Instant::now();
                false
            }
            None => false,
        }
    }

    fn send_results(&mut self) {
        self.gives_way = false;
        let window = match self.limits {
            Some(limits) => self.link.window.min(limits.receive_max.into()),
            None => return,
        };
        if self.results_in_flight >= window || self.held() {
            return;
        }
        let mut desk = self.shared.desk();
        let behind = desk.outbox.pending() > backlog::HELPING;
        let window = match behind {
            true => window.min(backlog::HELPING),
            false => window,
        };
        let free = window.saturating_sub(self.results_in_flight);
        self.gives_way = behind && free > 0 && !self.turn.has_come(Instant::now().into_std());
        if self.gives_way {
            return;
        }
        let batch: Vec<_> = std::iter::from_fn(|| desk.outbox.next())
            .take(free)
            .collect();
        drop(desk);
        if self.results_in_flight == 0 {
            self.progress = Instant::now();
        }
        for item in batch {
            let message = Message::new(self.result_topic.clone(), item.json);
            match self.publish(message) {
                Ok(notice) => {
                    self.results_in_flight += 1;
                    let done = async move { (What::Result(item.seq), notice.await) };
                    self.in_flight.push(Box::pin(done));
                }
                Err(Refusal::Said { kind, reason }) => {
                    let why = format!("result {}: {reason}", item.seq);
                    let topic = &self.result_topic;
                    self.shared.desk().conditions.message(topic, kind, &why);
                    return self.hold(&why);
                }
                Err(other) => return self.hold(&other.to_string()),
            }
        }
    }

    /// Hands a message over if the broker can take one of its size.
    fn publish(&self, message: Message) -> Result<Notice, Refusal> {
        let most = self.limits.and_then(|l| l.max_packet).unwrap_or(u32::MAX);
        let bytes = message.wire_bytes();
        if bytes > most as usize {
            return Err(Refusal::Said {
                kind: Kind::TooLarge,
                reason: format!("{bytes} bytes, and the broker takes {most}"),
            });
        }
        self.connection.publish(message)
    }

    /// Publishes something that is no result; a refusal becomes an alarm. False: it is to be tried again.
    fn publish_other(&mut self, message: Message) -> bool {
        let topic = message.topic.clone();
        match self.publish(message) {
            Ok(notice) => {
                let done = async move { (What::Other(topic), notice.await) };
                self.in_flight.push(Box::pin(done));
                true
            }
            Err(Refusal::Said { kind, reason }) => {
                let mut desk = self.shared.desk();
                desk.conditions.message(&topic, kind, &reason);
                true
            }
            Err(Refusal::Busy | Refusal::Gone) => false,
        }
    }

    /// Sends retained messages that changed, and `status` if it follows from the alarms that it changed.
    fn send_retained(&mut self) {
        let mut desk = self.shared.desk();
        if desk.stopping {
            return;
        }
        let changed = desk
            .retained
            .iter_mut()
            .filter(|(_, (_, changed))| *changed);
        let messages: Vec<(String, Bytes)> = changed
            .map(|(suffix, (json, changed))| {
                *changed = false;
                (suffix.clone(), Bytes::copy_from_slice(json))
            })
            .collect();
        let worst = desk.alarms.values().max().copied();
        // A cleared alarm has been emptied on the broker by now; it need not be remembered.
        desk.retained
            .retain(|suffix, (json, _)| !(suffix.starts_with("alarm/") && json.is_empty()));
        drop(desk);
        for (suffix, json) in messages {
            let message = Message::new(self.link.topic(&suffix), json.clone()).retained();
            if !self.publish_other(message) {
                let mut desk = self.shared.desk();
                desk.retained
                    .entry(suffix)
                    .or_insert((json.to_vec(), true))
                    .1 = true;
            }
        }
        let state = if worst >= Some(AlarmSeverity::High) {
            StationState::Degraded
        } else {
            StationState::Online
        };
        if self.state != Some(state) {
            let since = if self.state.is_some() {
                self.link.clock.utc()
            } else {
                self.link.since
            };
            if self.publish_other(self.link.status(state, since)) {
                self.state = Some(state);
            }
        }
    }

    /// Sends answers and copies of the audit trail.
    fn send_said(&mut self) {
        loop {
            let Some(message) = self.shared.desk().said.pop_front() else {
                return;
            };
            if !self.publish_other(message.clone()) {
                return self.shared.desk().said.push_front(message);
            }
        }
    }

    fn send_kpi(&mut self) {
        let mut desk = self.shared.desk();
        let (true, Some(json)) = (desk.outbox.connected, desk.kpi.take()) else {
            return;
        };
        drop(desk);
        let expires = (self.link.kpi_every.as_secs_f64() * 3.0).ceil() as u32;
        let message = Message {
            qos: Qos::AtMostOnce,
            expires_s: Some(expires),
            ..Message::new(self.link.topic("kpi"), json).retained()
        };
        if let Err(error) = self.publish(message) {
            tracing::debug!(%error, "key figures skipped");
        }
    }

    fn received(&mut self, message: Received) {
        let Some(suffix) = message.topic.strip_prefix(&format!("{}/", self.link.root)) else {
            return;
        };
        if let Some(verb) = suffix.strip_prefix("cmd/").map(str::to_string) {
            let reply = Reply::to(&message, &verb, &self.link.root, self.shared);
            let command = commands::Command::of(message, verb, self.link.clock.now());
            match &self.link.commands {
                Some(handler) => handler(command, reply),
                None => reply.send(&commands::Outcome::Refused(
                    "this station takes no commands".into(),
                )),
            }
            return;
        }
        let stale = message.retain && !message.payload.is_empty();
        if stale && suffix.starts_with("alarm/") {
            let known = self.shared.desk().retained.contains_key(suffix);
            if !known {
                let empty = Message::new(message.topic.clone(), Bytes::new()).retained();
                self.publish_other(empty);
            }
        }
    }

    async fn say_goodbye(mut self) {
        let now = self.link.clock.utc();
        self.send_said();
        self.publish_other(self.link.status(StationState::Offline, now));
        self.connection.close(GOODBYE).await;
    }
}
