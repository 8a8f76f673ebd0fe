//! Results on a connection: sent within the window, retired by acknowledgements, held back after a refusal.

use super::{Acknowledgement, RESULT, Session, What};
use crate::backlog;
use crate::mqtt::{Kind, Message, Refusal, Taken, Trouble};
use futures_util::FutureExt;
use futures_util::stream::StreamExt;
use sightline_domain::AlarmKind;
use tokio::time::Instant;

impl Session<'_> {
    /// A broker that takes messages and never acknowledges them is as good as none; so is one that leaves out a single
    /// one, behind which everything later would wait in the outbox.
    pub(super) fn unacknowledged_for(&mut self) -> Option<Trouble> {
        let waited = self.progress.elapsed();
        let late = !self.results.is_empty() && waited > self.link.patience.acknowledgement;
        let mut state = self.shared.state();
        if !late {
            return None;
        }
        let (n, s) = (self.results.len(), waited.as_secs());
        let what = format!(
            "expected acknowledgements, found none for the oldest of {n} results sent for {s} s; see to the broker, results wait"
        );
        state
            .conditions
            .raise(AlarmKind::MqttUnacknowledged, what.clone());
        Some(Trouble::new(Kind::Away, what))
    }

    /// Takes this acknowledgement and those that are there already.
    pub(super) fn acknowledged(&mut self, first: Acknowledgement) {
        let mut refused = None;
        let mut next = Some(first);
        while let Some((what, result)) = next {
            match (what, result) {
                // The connection's end follows; everything unacknowledged is handed back then.
                (_, Err(Refusal::Gone | Refusal::Busy)) => {}
                (What::Result(seq), Ok(taken)) => self.result_taken(seq, taken),
                (What::Result(seq), Err(Refusal::Said { kind, reason })) => {
                    let why = format!("result {seq}: {reason}");
                    refused = Some((kind, why));
                }
                (What::Subscription(n), answer) => {
                    let answer = answer.map(drop).map_err(|refusal| match refusal {
                        Refusal::Said { kind, reason } => (kind, reason),
                        other => (Kind::Refused, other.to_string()),
                    });
                    self.subscribed(n, answer);
                }
                (what, Ok(_)) => self.other_taken(what),
                (what, Err(Refusal::Said { kind, reason })) => {
                    self.other_refused(what, kind, &reason);
                }
            }
            next = match self.results.next().now_or_never().flatten() {
                Some(done) => Some(done),
                None => self.next_other(),
            };
        }
        if let Some((kind, why)) = refused {
            self.result_refused(kind, &why);
        }
    }

    /// Takes every acknowledgement that is there already.
    pub(super) fn acknowledged_before_the_end(&mut self) {
        let first = match self.results.next().now_or_never().flatten() {
            Some(done) => Some(done),
            None => self.next_other(),
        };
        if let Some(done) = first {
            self.acknowledged(done);
        }
    }

    fn result_taken(&mut self, seq: u64, taken: Taken) {
        self.acknowledged_any = true;
        self.past.suspicion.answered(RESULT);
        self.past.holding.reset();
        self.past.refusals.taken(RESULT, &self.result_topic);
        let mut state = self.shared.state();
        let oldest_left = state.outbox.acknowledge(seq);
        state.conditions.taken(RESULT);
        state.conditions.heard(&self.result_topic, taken);
        if oldest_left {
            state.conditions.clear(AlarmKind::MqttUnacknowledged);
            self.progress = Instant::now();
        }
    }

    fn result_refused(&mut self, kind: Kind, why: &str) {
        self.past.suspicion.answered(RESULT);
        let mut state = self.shared.state();
        let who = &self.link.who;
        state
            .conditions
            .refused(RESULT, &self.result_topic, (kind, why), who);
        drop(state);
        self.hold(why);
    }

    /// The broker said no to a result: everything unacknowledged is sent again, in order, after a while.
    pub(super) fn hold(&mut self, why: &str) {
        let wait = self.past.holding.wait();
        tracing::warn!(
            why,
            wait_ms = wait.as_millis() as u64,
            "the broker did not take a result; it is sent again"
        );
        self.past.hold = Some(Instant::now() + wait);
        self.results.clear();
        let mut state = self.shared.state();
        state.outbox.disconnected();
        state.outbox.connected = true;
    }

    /// True while results are held back; asks to be looked at again when that ends.
    pub(super) fn held(&mut self) -> bool {
        match self.past.hold {
            Some(until) if Instant::now() < until => true,
            Some(_) => {
                self.past.hold = None;
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
        // One alone, where it is not known over which message the broker ends the connection.
        let window = match self.past.suspicion.is_careful_of(RESULT) {
            true => window.min(1),
            false => window,
        };
        let careful = self.results.is_empty() && !self.past.suspicion.may(RESULT);
        if self.results.len() >= window || careful || self.held() {
            return;
        }
        let mut state = self.shared.state();
        let behind = state.outbox.pending() > backlog::HELPING;
        let window = match behind {
            true => window.min(backlog::HELPING),
            false => window,
        };
        let free = window.saturating_sub(self.results.len());
        self.gives_way = behind && free > 0 && !self.turn.has_come(Instant::now().into_std());
        if self.gives_way {
            return;
        }
        let batch: Vec<_> = std::iter::from_fn(|| state.outbox.next())
            .take(free)
            .collect();
        drop(state);
        if self.results.is_empty() {
            self.progress = Instant::now();
        }
        for item in batch {
            let message = Message::new(self.result_topic.clone(), item.json);
            match self.publish(message) {
                Ok(notice) => {
                    self.past.suspicion.sent(RESULT, &self.result_topic);
                    let done = async move { (What::Result(item.seq), notice.await) };
                    self.results.push(Box::pin(done));
                }
                Err(Refusal::Said { kind, reason }) => {
                    let why = format!("result {}: {reason}", item.seq);
                    return self.result_refused(kind, &why);
                }
                Err(other) => return self.hold(&other.to_string()),
            }
        }
    }
}
