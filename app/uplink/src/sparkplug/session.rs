//! The Sparkplug face's connection: births when it may, data as results come, deaths, and all over again.

use super::bd_seq::BdSeq;
use super::metrics::{Counts, Part};
use super::node::{Ask, Names, Node};
use crate::backlog::{self, BacklogThrottle};
use crate::client::{Link, Reconnecting, Went};
use crate::conditions::Face as Which;
use crate::mqtt::{Connection, Dial, Kind, Message, Refusal, Signal, Trouble, Version};
use crate::refusals::Refusals;
use crate::shared::Shared;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use sightline_configs::station::Protocol;
use sightline_domain::{AlarmKind, InspectionResult};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const GOODBYE: Duration = Duration::from_millis(500);
/// Time between looks at what changes slowly.
const LOOK: Duration = Duration::from_secs(1);
/// Time between attempts while the connection's queue is full.
const BUSY: Duration = Duration::from_millis(50);

/// Results on their way to the host.
pub(crate) struct Face {
    pub dial: Dial,
    node: Mutex<Node>,
    bd_seq: BdSeq,
    waiting: Mutex<Waiting>,
    pub changed: Notify,
}

struct Waiting {
    parts: VecDeque<(Part, bool)>,
    /// The last part there was, sent or not: what a birth says.
    newest: Option<Part>,
    counts: Counts,
    bound: usize,
    /// Parts that the host never gets, since everything had been sent to it the last time.
    lost: u64,
    /// A birth is out on this connection: what comes now is news.
    born: bool,
}

impl Face {
    pub(crate) fn new(
        dial: Dial,
        names: Names,
        aliases: bool,
        bound: usize,
        bd_seq: BdSeq,
    ) -> Self {
        let waiting = Waiting {
            parts: VecDeque::new(),
            newest: None,
            counts: Counts::default(),
            bound,
            lost: 0,
            born: false,
        };
        Self {
            dial,
            node: Mutex::new(Node::new(names, aliases, bd_seq.next())),
            bd_seq,
            waiting: Mutex::new(waiting),
            changed: Notify::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self) -> MutexGuard<'_, Node> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it subscribes to.
    pub(crate) fn filters(&self) -> Vec<String> {
        let all = self.node().subscriptions();
        all.into_iter().map(|(_, filter)| filter).collect()
    }

    /// What it publishes to.
    pub(crate) fn topics(&self) -> Vec<String> {
        self.node().topics()
    }

    /// Takes a result, decided at `at_ms`. When nobody takes them, the oldest go; returns how many have gone.
    pub(crate) fn observe(&self, result: &InspectionResult, at_ms: u64) -> u64 {
        let mut waiting = self.waiting();
        let part = Part::of(result, at_ms, &mut waiting.counts);
        if waiting.parts.len() >= waiting.bound {
            waiting.parts.pop_front();
            waiting.lost += 1;
        }
        let late = !waiting.born;
        waiting.newest = Some(part.clone());
        waiting.parts.push_back((part, late));
        let lost = waiting.lost;
        drop(waiting);
        self.changed.notify_one();
        lost
    }

    /// Births that say what is current. What still waits is history from then on.
    fn births(&self, now_ms: u64) -> [Message; 2] {
        let mut node = self.node();
        let mut waiting = self.waiting();
        waiting.born = true;
        waiting.parts.iter_mut().for_each(|(_, late)| *late = true);
        node.births(now_ms, waiting.newest.as_ref())
    }

    /// The connection is gone: what waits is history.
    fn gone(&self) {
        let mut waiting = self.waiting();
        waiting.born = false;
        waiting.parts.iter_mut().for_each(|(_, late)| *late = true);
    }

    /// The host has everything that there is. True: it had lost something before.
    fn caught_up(&self) -> bool {
        let mut waiting = self.waiting();
        let over = waiting.born && waiting.parts.is_empty() && waiting.lost > 0;
        if over {
            waiting.lost = 0;
        }
        over
    }
}

/// Keeps a connection until it is told to stop.
pub(crate) async fn attend(face: &Face, link: &Link, shared: &Shared) {
    let mut reconnecting = Reconnecting::new(link.patience.steady);
    let mut refusals = Refusals::new(&link.patience);
    let first = Version::first(link.protocol);
    let mut version = first;
    loop {
        let will = face.node().connect(now_ms(link));
        face.bd_seq.taken(face.node().bd_seq());
        let end = match Connection::open(&face.dial, version, will) {
            Ok(connection) => {
                let mut session = Session::new(face, link, shared, connection, &mut refusals);
                session.older = version == Version::Three && link.protocol == Protocol::Auto;
                session.run().await
            }
            Err(trouble) => {
                let went = Went {
                    stood: None,
                    acknowledged: false,
                    unprovoked: true,
                };
                End::Trouble(trouble, went)
            }
        };
        face.gone();
        refusals.disconnected();
        let (trouble, went) = match end {
            End::Stopped => return,
            End::Died(went) => {
                tracing::info!("the Sparkplug host is away; waiting for it");
                (Trouble::new(Kind::Away, "the host is away"), went)
            }
            End::Trouble(trouble, went) => (trouble, went),
        };
        let trouble = match went.stood.is_none() && version == Version::Five {
            true => Connection::explain(&face.dial, trouble).await,
            false => trouble,
        };
        if version.falls_back(link.protocol, &trouble, went.stood.is_some()) {
            version = Version::Three;
            continue;
        }
        version = first;
        let (wait, closed) = reconnecting.after(&trouble, went);
        let lost = (&trouble, went.stood.is_some());
        shared.lost(Which::Sparkplug, lost, closed, &face.dial.client_id);
        tracing::debug!(%trouble, "no broker for Sparkplug");
        if stopped_within(face, shared, wait).await {
            return;
        }
    }
}

fn now_ms(link: &Link) -> u64 {
    (link.clock.utc().0.max(0) / 1_000) as u64
}

async fn stopped_within(face: &Face, shared: &Shared, wait: Duration) -> bool {
    let end = tokio::time::Instant::now() + wait;
    while !shared.state().stopping {
        let changed = tokio::time::timeout_at(end, face.changed.notified());
        if changed.await.is_err() {
            return shared.state().stopping;
        }
    }
    true
}

enum End {
    Stopped,
    /// On purpose, because the primary host went.
    Died(Went),
    Trouble(Trouble, Went),
}

type Subscribed = (&'static str, String, Result<(), Refusal>);

/// One connection and what it still has to write.
struct Session<'a> {
    face: &'a Face,
    link: &'a Link,
    shared: &'a Shared,
    connection: Connection,
    refusals: &'a mut Refusals,
    /// MQTT 3.1.1 is spoken although nobody asked for it.
    older: bool,
    since: Option<tokio::time::Instant>,
    acknowledged: bool,
    /// Subscriptions that do not stand yet.
    wanted: Vec<(&'static str, String)>,
    asked: FuturesUnordered<BoxFuture<'static, Subscribed>>,
    /// What the broker has not answered yet, and since when.
    unanswered: Vec<(&'static str, String, tokio::time::Instant)>,
    outgoing: VecDeque<Message>,
    /// History goes between parts.
    helpings: BacklogThrottle,
    gives_way: bool,
}

impl<'a> Session<'a> {
    fn new(
        face: &'a Face,
        link: &'a Link,
        shared: &'a Shared,
        connection: Connection,
        refusals: &'a mut Refusals,
    ) -> Self {
        Self {
            face,
            link,
            shared,
            connection,
            refusals,
            older: false,
            since: None,
            acknowledged: false,
            wanted: Vec::new(),
            asked: FuturesUnordered::new(),
            unanswered: Vec::new(),
            outgoing: VecDeque::new(),
            helpings: BacklogThrottle::new(link.inspecting.clone()),
            gives_way: false,
        }
    }

    async fn run(mut self) -> End {
        let mut again = tokio::time::interval(BUSY);
        let mut slowly = tokio::time::interval(LOOK);
        loop {
            if self.shared.state().stopping {
                self.die().await;
                return End::Stopped;
            }
            self.subscribe();
            self.send();
            tokio::select! {
                signal = self.connection.signal() => match signal {
                    Some(Signal::Connected(_)) => self.stand(),
                    Some(Signal::Received(message)) => {
                        let asked = self.face.node().received(&message.topic, &message.payload);
                        match asked {
                            Ask::Nothing => {}
                            Ask::Birth => self.be_born(),
                            Ask::Die => {
                                let went = self.went();
                                self.die().await;
                                return End::Died(went);
                            }
                        }
                    }
                    Some(Signal::Ended(trouble)) => return End::Trouble(trouble, self.went()),
                    None => {
                        let trouble = Trouble::new(Kind::Away, "the connection's task ended");
                        return End::Trouble(trouble, self.went());
                    }
                },
                Some(answer) = self.asked.next() => self.subscribed(answer),
                () = self.face.changed.notified() => {}
                _ = again.tick(), if !self.outgoing.is_empty() => {}
                _ = slowly.tick() => self.look(),
                () = tokio::time::sleep(backlog::LOOK), if self.gives_way => {}
            }
        }
    }

    fn went(&self) -> Went {
        Went {
            stood: self.since.map(|since| since.elapsed()),
            acknowledged: self.acknowledged,
            unprovoked: self.asked.is_empty() && self.outgoing.is_empty(),
        }
    }

    fn look(&mut self) {
        let steady = self.link.patience.steady;
        if self.since.is_some_and(|since| since.elapsed() >= steady) {
            self.shared.state().conditions.steady(Which::Sparkplug);
        }
        let patience = self.link.patience.acknowledgement;
        for (kind, filter, since) in &self.unanswered {
            if since.elapsed() > patience {
                let reason = format!(
                    "the broker has not answered for {} s",
                    since.elapsed().as_secs()
                );
                let refused = Some((filter.as_str(), reason.as_str(), self.link.who.as_str()));
                let mut state = self.shared.state();
                state
                    .conditions
                    .subscription(Which::Sparkplug, kind, refused);
            }
        }
    }

    /// The connection stands: subscriptions first, then births, if nobody has to be waited for.
    fn stand(&mut self) {
        self.since = Some(tokio::time::Instant::now());
        let mut state = self.shared.state();
        state.conditions.connected(Which::Sparkplug, self.older);
        drop(state);
        self.wanted = self.face.node().subscriptions();
        self.subscribe();
        if self.face.node().may_be_born() {
            self.be_born();
        }
    }

    /// Asks for what does not stand, also again, slowly, where the broker said no.
    fn subscribe(&mut self) {
        let now = tokio::time::Instant::now();
        for (kind, filter) in std::mem::take(&mut self.wanted) {
            let asked = match self.refusals.may(kind, &filter, now) {
                true => self.connection.subscribe(filter.clone()).ok(),
                false => None,
            };
            match asked {
                Some(standing) => {
                    self.unanswered.push((kind, filter.clone(), now));
                    self.asked
                        .push(Box::pin(async move { (kind, filter, standing.await) }));
                }
                None => self.wanted.push((kind, filter)),
            }
        }
    }

    fn subscribed(&mut self, (kind, filter, answer): Subscribed) {
        self.unanswered.retain(|(_, asked, _)| *asked != filter);
        match answer {
            Ok(()) => {
                self.acknowledged = true;
                self.refusals.taken(kind, &filter);
                let mut state = self.shared.state();
                state.conditions.subscription(Which::Sparkplug, kind, None);
            }
            Err(Refusal::Said { reason, .. }) => {
                let now = tokio::time::Instant::now();
                self.refusals.refused(kind, &filter, now);
                let who = &self.link.who;
                let refused = Some((filter.as_str(), reason.as_str(), who.as_str()));
                let mut state = self.shared.state();
                state
                    .conditions
                    .subscription(Which::Sparkplug, kind, refused);
                drop(state);
                self.wanted.push((kind, filter));
            }
            // The connection's end follows.
            Err(Refusal::Gone | Refusal::Busy) => {}
        }
    }

    fn be_born(&mut self) {
        let births = self.face.births(now_ms(self.link));
        self.outgoing.extend(births);
    }

    /// Writes what waits, in the order of `seq`.
    fn send(&mut self) {
        self.gives_way = false;
        loop {
            if self.outgoing.is_empty() {
                let Some(message) = self.next_part() else {
                    if self.face.caught_up() {
                        let mut state = self.shared.state();
                        state.conditions.clear(AlarmKind::SparkplugBufferFull);
                    }
                    return;
                };
                self.outgoing.push_back(message);
            }
            while let Some(message) = self.outgoing.front() {
                if self.connection.publish(message.clone()).is_err() {
                    return;
                }
                self.outgoing.pop_front();
            }
        }
    }

    /// The next part's data, if there is one and nothing holds it.
    fn next_part(&mut self) -> Option<Message> {
        let mut node = self.face.node();
        if !node.is_born() {
            return None;
        }
        let mut waiting = self.face.waiting();
        let (_, late) = waiting.parts.front()?;
        if *late && !self.helpings.lets_pass(Instant::now()) {
            self.gives_way = true;
            return None;
        }
        let (part, late) = waiting.parts.pop_front()?;
        drop(waiting);
        Some(node.data(now_ms(self.link), part, late))
    }

    /// Leaves on purpose: NDEATH, then goodbye.
    async fn die(self) {
        let death = {
            let node = self.face.node();
            node.is_born().then(|| node.death(now_ms(self.link)))
        };
        if death.is_some_and(|death| self.connection.publish(death).is_err()) {
            tracing::debug!("no NDEATH");
        }
        self.connection.close(GOODBYE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tck::result;
    use super::*;
    use srad_types::payload::{Message as _, Payload, metric::Value};

    fn face(bound: usize) -> Face {
        let dial = Dial {
            client_id: "c".into(),
            host: "localhost".into(),
            port: 1,
            login: None,
            tls: None,
            window: 1,
        };
        let names = Names {
            group: "acme".into(),
            node: "cell1".into(),
            device: "s1".into(),
            primary_host: Some("scada".into()),
        };
        Face::new(dial, names, false, bound, BdSeq::read(None, 0))
    }

    /// A count or number that a birth says.
    fn says(face: &Face, name: &str) -> Option<u64> {
        let [_, dbirth] = face.births(1);
        let payload = Payload::decode(&*dbirth.payload).expect("a payload");
        let mut all = payload.metrics.into_iter();
        let metric = all.find(|m| m.name.as_deref() == Some(name))?;
        match metric.value? {
            Value::LongValue(n) => Some(n),
            _ => None,
        }
    }

    #[test]
    fn births_say_what_is_current_although_older_parts_still_wait() {
        let face = face(5);
        for seq in 1..=12 {
            face.observe(&result(seq), 7);
        }
        assert_eq!(says(&face, "Counts/Parts"), Some(12));
        assert_eq!(says(&face, "Result/Seq"), Some(12));
        let waiting = face.waiting();
        assert!(waiting.parts.iter().all(|(_, late)| *late));
        assert_eq!((waiting.parts.len(), waiting.lost), (5, 7));
    }

    #[test]
    fn the_loss_is_over_when_the_host_has_everything_again() {
        let face = face(2);
        let lost: Vec<u64> = (1..=5).map(|seq| face.observe(&result(seq), 7)).collect();
        assert_eq!(lost, [0, 0, 1, 2, 3]);
        assert!(!face.caught_up(), "nobody is there");
        face.births(1);
        assert!(!face.caught_up(), "two still wait");
        face.waiting().parts.clear();
        assert!(face.caught_up());
        assert!(!face.caught_up(), "told once");
        assert_eq!(face.observe(&result(6), 7), 0);
    }
}
