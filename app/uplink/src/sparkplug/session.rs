//! The Sparkplug face's connection: births when it may, data as results come, deaths, and all over again.

use super::metrics::{Counts, Part};
use super::node::{Ask, Names, Node};
use crate::backlog::{self, Helpings};
use crate::backoff::Backoff;
use crate::client::Link;
use crate::conditions::Face as Which;
use crate::desk::Shared;
use crate::mqtt::{Connection, Dial, Kind, Message, Signal, Trouble, Version};
use sightline_model::InspectionResult;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
const GOODBYE: Duration = Duration::from_millis(500);
/// Time between attempts while the connection's queue is full.
const BUSY: Duration = Duration::from_millis(50);

/// Results on their way to the host.
pub(crate) struct Face {
    pub dial: Dial,
    node: Mutex<Node>,
    waiting: Mutex<Waiting>,
    pub changed: Notify,
}

struct Waiting {
    parts: VecDeque<(Part, bool)>,
    counts: Counts,
    bound: usize,
    lost: u64,
    /// A birth is out on this connection: what comes now is news.
    born: bool,
}

impl Face {
    pub(crate) fn new(dial: Dial, names: Names, aliases: bool, bound: usize) -> Self {
        let waiting = Waiting {
            parts: VecDeque::new(),
            counts: Counts::default(),
            bound,
            lost: 0,
            born: false,
        };
        Self {
            dial,
            node: Mutex::new(Node::new(names, aliases)),
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

    /// Takes a result, decided at `at_ms`. When nobody takes them, the oldest go, and the count of them is returned.
    pub(crate) fn observe(&self, result: &InspectionResult, at_ms: u64) -> u64 {
        let mut waiting = self.waiting();
        let part = Part::of(result, at_ms, &mut waiting.counts);
        if waiting.parts.len() >= waiting.bound {
            waiting.parts.pop_front();
            waiting.lost += 1;
        }
        let late = !waiting.born;
        waiting.parts.push_back((part, late));
        let lost = waiting.lost;
        drop(waiting);
        self.changed.notify_one();
        lost
    }
}

/// Keeps a connection until the desk says stop.
pub(crate) async fn attend(face: &Face, link: &Link, shared: &Shared) {
    let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
    let mut version = Version::Five;
    loop {
        let will = face.node().connect(now_ms(link));
        let end = match Connection::open(&face.dial, version, will) {
            Ok(connection) => serve(face, link, shared, connection).await,
            Err(trouble) => End::Trouble(trouble, false),
        };
        face.waiting().born = false;
        face.waiting()
            .parts
            .iter_mut()
            .for_each(|(_, late)| *late = true);
        let wait = match end {
            End::Stopped => return,
            End::Died => {
                tracing::info!("the Sparkplug host is away; waiting for it");
                backoff.reset();
                backoff.wait()
            }
            End::Trouble(trouble, connected) => {
                if connected {
                    backoff.reset();
                }
                if version.falls_back(&trouble, connected) {
                    version = Version::Three;
                    continue;
                }
                version = Version::Five;
                shared
                    .desk()
                    .conditions
                    .connection(Which::Sparkplug, &trouble);
                tracing::debug!(%trouble, "no broker for Sparkplug");
                backoff.wait()
            }
        };
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
    while !shared.desk().stopping {
        let changed = tokio::time::timeout_at(end, face.changed.notified());
        if changed.await.is_err() {
            return shared.desk().stopping;
        }
    }
    true
}

enum End {
    Stopped,
    /// On purpose, because the primary host went.
    Died,
    Trouble(Trouble, bool),
}

/// One connection and what it still has to write.
struct Session<'a> {
    face: &'a Face,
    link: &'a Link,
    shared: &'a Shared,
    connection: Connection,
    connected: bool,
    outgoing: VecDeque<Message>,
    /// History goes between parts.
    helpings: Helpings,
    gives_way: bool,
}

async fn serve(face: &Face, link: &Link, shared: &Shared, connection: Connection) -> End {
    let session = Session {
        face,
        link,
        shared,
        connection,
        connected: false,
        outgoing: VecDeque::new(),
        helpings: Helpings::new(link.inspecting.clone()),
        gives_way: false,
    };
    session.run().await
}

impl Session<'_> {
    async fn run(mut self) -> End {
        let mut again = tokio::time::interval(BUSY);
        loop {
            if self.shared.desk().stopping {
                self.die().await;
                return End::Stopped;
            }
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
                                self.die().await;
                                return End::Died;
                            }
                        }
                    }
                    Some(Signal::Ended(trouble)) => return End::Trouble(trouble, self.connected),
                    None => {
                        let trouble = Trouble::new(Kind::Away, "the connection's task ended");
                        return End::Trouble(trouble, self.connected);
                    }
                },
                () = self.face.changed.notified() => {}
                _ = again.tick(), if !self.outgoing.is_empty() => {}
                () = tokio::time::sleep(backlog::LOOK), if self.gives_way => {}
            }
        }
    }

    /// The connection stands: subscriptions first, then births, if nobody has to be waited for.
    fn stand(&mut self) {
        self.connected = true;
        self.shared.desk().conditions.connected(Which::Sparkplug);
        for filter in self.face.node().subscriptions() {
            if let Err(error) = self.connection.subscribe(filter) {
                tracing::warn!(%error, "a Sparkplug subscription was not sent");
            }
        }
        if self.face.node().may_be_born() {
            self.be_born();
        }
    }

    fn be_born(&mut self) {
        let births = self.face.node().births(now_ms(self.link));
        self.outgoing.extend(births);
        self.face.waiting().born = true;
    }

    /// Writes what waits, in the order of `seq`.
    fn send(&mut self) {
        self.gives_way = false;
        loop {
            if self.outgoing.is_empty() {
                let Some(message) = self.next_part() else {
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
