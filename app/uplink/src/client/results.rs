//! Results on a connection: sent within the window, retired by acknowledgements, held back after a refusal.

use super::{Acknowledgement, Session, What};
use crate::backlog;
use crate::mqtt::{Kind, Message, Refusal, Trouble};
use futures_util::FutureExt;
use futures_util::stream::StreamExt;
use sightline_model::AlarmKind;
use tokio::time::Instant;

impl Session<'_> {
    /// A broker that takes messages and never acknowledges them is as good as none; so is one that leaves out a single
    /// one, behind which everything later would wait in the outbox.
    pub(super) fn unacknowledged_for(&mut self) -> Option<Trouble> {
        let waited = self.progress.elapsed();
        let late = self.results_in_flight > 0 && waited > self.link.patience.acknowledgement;
        let mut desk = self.shared.desk();
        if !late {
            return None;
        }
        let (n, s) = (self.results_in_flight, waited.as_secs());
        let what = format!(
            "expected acknowledgements, found none for the oldest of {n} results sent for {s} s; see to the broker, results wait"
        );
        desk.conditions
            .raise(AlarmKind::MqttUnacknowledged, what.clone());
        Some(Trouble::new(Kind::Away, what))
    }

    /// Takes this acknowledgement and those that are there already, under one lock.
    pub(super) fn acknowledged(&mut self, first: Acknowledgement) {
        let mut refused = None;
        let mut desk = self.shared.desk();
        let mut next = Some(first);
        while let Some((what, result)) = next {
            if let What::Result(_) = what {
                self.results_in_flight -= 1;
            }
            match (what, result) {
                (What::Result(seq), Ok(taken)) => {
                    let oldest_left = desk.outbox.acknowledge(seq);
                    desk.conditions.taken(&self.result_topic);
                    desk.conditions.heard(&self.result_topic, taken);
                    if oldest_left {
                        desk.conditions.clear(AlarmKind::MqttUnacknowledged);
                        self.progress = Instant::now();
                    }
                    self.holding.reset();
                }
                (What::Other(topic), Ok(_)) => desk.conditions.taken(&topic),
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
    pub(super) fn hold(&mut self, why: &str) {
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
    pub(super) fn held(&mut self) -> bool {
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

    pub(super) fn send_results(&mut self) {
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
}
