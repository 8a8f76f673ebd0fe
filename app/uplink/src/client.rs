//! The JSON face's loop: one connection at a time. `results.rs` is the window of results in flight, `messages.rs` the rest.

mod messages;
mod results;

use crate::backlog::{self, Turn};
use crate::backoff::Backoff;
use crate::conditions::Face;
use crate::desk::Shared;
use crate::mqtt::{
    Connection, Dial, Kind, Limits, Message, Refusal, Signal, Taken, Trouble, Version,
};
use crate::payload::{StationState, Status};
use crate::settings::{CommandHandler, Patience};
use crate::sparkplug;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use sightline_model::{Clock, UtcMicros};
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
        if version.falls_back(&trouble, connected) {
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

type Acknowledgement = (What, Result<Taken, Refusal>);

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
        // `alarm/+`, `gap/+`: what an earlier run left behind there is emptied.
        for filter in ["cmd/+", "alarm/+", "gap/+"] {
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
}
