//! The JSON face's loop: one connection at a time. `results.rs` is the window of results in flight, `messages.rs` the rest.

mod messages;
mod past;
mod results;
mod subscriptions;

pub(crate) use past::{Reconnecting, Went};

use crate::backlog::{self, Turn};
use crate::conditions::Face;
use crate::mqtt::{
    Connection, Dial, Kind, Limits, Message, Refusal, Signal, Taken, Trouble, Version,
};
use crate::payload::{StationState, Status};
use crate::settings::{CommandHandler, Patience};
use crate::shared::Shared;
use crate::sparkplug;
use past::Past;
use subscriptions::{FILTERS, Subscription};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use sightline_configs::station::Protocol;
use sightline_domain::{Clock, UtcMicros};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::time::Instant;

/// The group of the results' topic.
const RESULT: &str = "result";
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
    pub protocol: Protocol,
    /// This station as the broker knows it.
    pub who: String,
    pub patience: Patience,
    /// Parts under inspection.
    pub inspecting: Arc<AtomicUsize>,
}

impl Link {
    /// Tells how long the certificates still hold, if that is not long.
    pub(crate) fn look_at_certificates(&self, shared: &Shared) {
        if let Some(files) = &self.dial.tls {
            let now = self.clock.utc();
            shared.state().conditions.certificates(files, now);
        }
    }

    pub(crate) fn topic(&self, suffix: &str) -> String {
        format!("{}/{suffix}", self.root)
    }

    pub(crate) fn status(&self, state: StationState, since: UtcMicros) -> Message {
        let json = Status::json(state, since, &self.session);
        Message::new(self.topic("status"), json).retained()
    }
}

/// Keeps a connection until it is told to stop.
pub(crate) async fn attend(link: &Link, shared: &Arc<Shared>) {
    let mut past = Past::new(&link.patience);
    let first = Version::first(link.protocol);
    let mut version = first;
    loop {
        link.look_at_certificates(shared);
        let will = link.status(StationState::Offline, link.since);
        let end = match Connection::open(&link.dial, version, will) {
            Ok(connection) => {
                let session = Session::new(link, shared, connection, &mut past);
                session.speaking(version).serve().await
            }
            Err(trouble) => End::Trouble(trouble, NEVER),
        };
        shared.disconnected();
        past.refusals.disconnected();
        let (trouble, went) = match end {
            End::Stopped => return,
            End::Renewed(why) => {
                tracing::info!(why, "connecting anew");
                version = first;
                continue;
            }
            End::Trouble(trouble, went) => (trouble, went),
        };
        let trouble = match went.stood.is_none() && version == Version::Five {
            true => Connection::explain(&link.dial, trouble).await,
            false => trouble,
        };
        if version.falls_back(link.protocol, &trouble, went.stood.is_some()) {
            tracing::warn!(%trouble, "the broker does not know MQTT 5; trying 3.1.1");
            version = Version::Three;
            continue;
        }
        version = first;
        let (wait, closed) = past.reconnecting.after(&trouble, went);
        let lost = (&trouble, went.stood.is_some());
        shared.lost(Face::Mqtt, lost, closed, &link.dial.client_id);
        tracing::warn!(%trouble, wait_ms = wait.as_millis() as u64, "no MQTT broker; results wait");
        if shared.stopped_within(wait).await {
            return;
        }
    }
}

/// A connection that was never made.
const NEVER: Went = Went {
    stood: None,
    acknowledged: false,
    unprovoked: true,
};

/// How a connection ended.
enum End {
    Stopped,
    /// Deliberately; why.
    Renewed(&'static str),
    Trouble(Trouble, Went),
}

/// What a message in flight was.
enum What {
    Result(u64),
    /// A retained message, by its suffix.
    Retained(String),
    /// An answer or a copy, by its number and topic.
    Said(u64, String),
    Status,
    /// By its place in [`subscriptions::FILTERS`].
    Subscription(usize),
}

type Acknowledgement = (What, Result<Taken, Refusal>);

/// Something in flight that is no result: when it was sent, its group and topic.
type Open = (Instant, String, String);

struct Session<'a> {
    link: &'a Link,
    shared: &'a Arc<Shared>,
    connection: Connection,
    past: &'a mut Past,
    version: Version,
    limits: Option<Limits>,
    since: Option<Instant>,
    /// Results in flight.
    results: FuturesUnordered<BoxFuture<'static, Acknowledgement>>,
    /// Everything else in flight, and what of it the broker has not answered, in the order it was sent.
    others: FuturesUnordered<BoxFuture<'static, (u64, Acknowledgement)>>,
    open: BTreeMap<u64, Open>,
    sent: u64,
    subscriptions: [Subscription; FILTERS.len()],
    /// The broker has acknowledged something.
    acknowledged_any: bool,
    /// When the broker last acknowledged the oldest result in flight, or had nothing to acknowledge.
    progress: Instant,
    turn: Turn,
    /// A backlog gives way to a part under inspection.
    gives_way: bool,
    /// Looks at what changes slowly.
    looks: u32,
    /// What `status` said last on this connection.
    state: Option<StationState>,
    result_topic: String,
}

impl<'a> Session<'a> {
    fn new(
        link: &'a Link,
        shared: &'a Arc<Shared>,
        connection: Connection,
        past: &'a mut Past,
    ) -> Self {
        Self {
            link,
            shared,
            connection,
            past,
            version: Version::Five,
            limits: None,
            since: None,
            results: FuturesUnordered::new(),
            others: FuturesUnordered::new(),
            open: BTreeMap::new(),
            sent: 0,
            subscriptions: Default::default(),
            acknowledged_any: false,
            progress: Instant::now(),
            turn: Turn::new(link.inspecting.clone()),
            gives_way: false,
            looks: 0,
            state: None,
            result_topic: link.topic("result"),
        }
    }

    fn speaking(self, version: Version) -> Self {
        Self { version, ..self }
    }

    async fn serve(mut self) -> End {
        let mut kpi = tokio::time::interval(self.link.kpi_every);
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let files = self.link.dial.tls.as_ref();
        let certificates = files.map(|f| f.fingerprint());
        loop {
            if self.limits.is_some() {
                self.send_subscriptions();
                self.send_results();
                self.send_retained();
                self.send_said();
            }
            if self.shared.state().stopping {
                self.say_goodbye().await;
                return End::Stopped;
            }
            let due = self.past.refusals.due();
            tokio::select! {
                signal = self.connection.signal() => match signal {
                    Some(Signal::Connected(limits)) => self.connected(limits),
                    Some(Signal::Received(message)) => self.received(*message),
                    Some(Signal::Ended(trouble)) => return self.ended(trouble),
                    None => return self.ended(Trouble::new(Kind::Away, "the connection's task ended")),
                },
                Some(done) = self.results.next() => self.acknowledged(done),
                Some((n, done)) = self.others.next() => {
                    self.open.remove(&n);
                    self.acknowledged(done);
                }
                () = self.shared.changed.notified() => {}
                () = tokio::time::sleep(backlog::LOOK), if self.gives_way => {}
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if self.limits.is_some() && due.is_some_and(|at| at > Instant::now()) => {}
                _ = kpi.tick() => self.send_kpi(),
                _ = housekeeping.tick() => {
                    if let Some(late) = self.unacknowledged_for().or_else(|| self.unanswered()) {
                        return self.ended(late);
                    }
                    let renewed = files.filter(|f| Some(f.fingerprint()) != certificates);
                    // Half-written files are not taken; the standing connection is still good.
                    let renewed = renewed.is_some_and(|f| f.read().is_ok());
                    if let Some(why) = self.reason_to_renew(renewed) {
                        self.connection.close(GOODBYE).await;
                        return End::Renewed(why);
                    }
                }
            }
        }
    }

    /// Looks at what changes slowly. A reason to leave this connection for a better one.
    fn reason_to_renew(&mut self, certificates: bool) -> Option<&'static str> {
        self.looks += 1;
        if self.looks.is_multiple_of(CERTIFICATES_EVERY) {
            self.link.look_at_certificates(self.shared);
        }
        let stood = self.since?.elapsed();
        if stood >= self.link.patience.steady {
            self.past.suspicion.forget();
            self.shared.state().conditions.steady(Face::Mqtt);
        }
        if certificates {
            return Some("certificates have changed");
        }
        let older = self.version == Version::Three && self.link.protocol == Protocol::Auto;
        let upward = older && stood >= self.link.patience.upward;
        let idle = self.results.is_empty() && self.others.is_empty();
        (upward && idle).then_some("the broker may know MQTT 5 by now")
    }

    fn connected(&mut self, limits: Limits) {
        tracing::info!(?limits, "connected to the MQTT broker");
        let mut state = self.shared.state();
        state.outbox.connected = true;
        state.connections += 1;
        state
            .retained
            .values_mut()
            .for_each(|(_, changed)| *changed = true);
        let older = self.version == Version::Three && self.link.protocol == Protocol::Auto;
        state.conditions.connected(Face::Mqtt, older);
        drop(state);
        self.limits = Some(limits);
        self.since = Some(Instant::now());
        self.progress = Instant::now();
    }

    /// Follows something that is no result until the broker answers.
    fn follow(
        &mut self,
        (group, topic): (String, String),
        answer: impl Future<Output = Acknowledgement> + Send + 'static,
    ) {
        self.sent += 1;
        let n = self.sent;
        self.open.insert(n, (Instant::now(), group, topic));
        self.others
            .push(Box::pin(answer.map(move |done| (n, done))));
    }

    /// An answer that is there already.
    fn next_other(&mut self) -> Option<Acknowledgement> {
        let (n, done) = self.others.next().now_or_never().flatten()?;
        self.open.remove(&n);
        Some(done)
    }

    /// A broker that never answers to a message or a subscription has as good as refused it.
    fn unanswered(&mut self) -> Option<Trouble> {
        let (_, (since, group, topic)) = self.open.first_key_value()?;
        let waited = since.elapsed();
        if waited <= self.link.patience.acknowledgement {
            return None;
        }
        let (group, topic) = (group.clone(), topic.clone());
        let reason = format!("the broker has not answered for {} s", waited.as_secs());
        self.blame(&group, &topic, &reason);
        Some(Trouble::new(Kind::Away, format!("{topic}: {reason}")))
    }

    /// Whether something of `group` may go to `topic` now.
    fn may_send(&mut self, group: &str, topic: &str) -> bool {
        self.past.suspicion.may(group) && self.past.refusals.may(group, topic, Instant::now())
    }

    /// The broker said no to a message of `group`: it is left out, told, and tried again slowly.
    fn refused(&mut self, group: &str, topic: &str, kind: Kind, reason: &str) {
        tracing::warn!(topic, reason, "the broker did not take a message");
        let refusals = &mut self.past.refusals;
        refusals.refused(group, topic, Instant::now());
        let mut state = self.shared.state();
        state
            .conditions
            .refused(group, topic, (kind, reason), &self.link.who);
    }

    fn ended(mut self, trouble: Trouble) -> End {
        // What the broker has answered before counts: a refusal is often the last thing that it says.
        self.acknowledged_before_the_end();
        let stood = self.since.map(|since| since.elapsed());
        let unprovoked = self.past.suspicion.is_clear();
        let went = Went {
            stood,
            acknowledged: self.acknowledged_any,
            unprovoked,
        };
        if stood.is_none() {
            self.past.suspicion.forget();
        }
        let blamed = self.past.suspicion.ended(trouble.kind);
        if let Some((group, topic)) = blamed {
            let reason = format!("the broker ends the connection over it ({trouble})");
            self.blame(&group, &topic, &reason);
        }
        End::Trouble(trouble, went)
    }

    /// The broker has no answer to it but the connection's end, or none at all.
    fn blame(&mut self, group: &str, topic: &str, reason: &str) {
        let subscription = FILTERS
            .into_iter()
            .find(|name| group == subscriptions::group(name));
        match subscription {
            Some(name) => self.not_subscribed(name, Kind::Refused, reason),
            None => self.refused(group, topic, Kind::Refused, reason),
        }
        if group == RESULT {
            self.hold(reason);
        }
    }
}
