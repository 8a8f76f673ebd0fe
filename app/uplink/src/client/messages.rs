//! Everything on a connection that is no result: retained state, answers, key figures, commands, the goodbye.

use super::{GOODBYE, Session, What};
use crate::commands::{self, Reply};
use crate::mqtt::{Kind, Message, Notice, Qos, Received, Refusal};
use crate::payload::StationState;
use bytes::Bytes;
use sightline_model::AlarmSeverity;

/// Retained topics that come and go.
fn goes(suffix: &str) -> bool {
    suffix.starts_with("alarm/") || suffix.starts_with("gap/")
}

impl Session<'_> {
    /// Hands a message over if the broker can take one of its size.
    pub(super) fn publish(&self, message: Message) -> Result<Notice, Refusal> {
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
    pub(super) fn publish_other(&mut self, message: Message) -> bool {
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
    pub(super) fn send_retained(&mut self) {
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
        // A cleared alarm or gap has been emptied on the broker by now; it need not be remembered.
        desk.retained
            .retain(|suffix, (json, _)| !(goes(suffix) && json.is_empty()));
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
    pub(super) fn send_said(&mut self) {
        loop {
            let Some(message) = self.shared.desk().said.pop_front() else {
                return;
            };
            if !self.publish_other(message.clone()) {
                return self.shared.desk().said.push_front(message);
            }
        }
    }

    pub(super) fn send_kpi(&mut self) {
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

    pub(super) fn received(&mut self, message: Received) {
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
        if stale && goes(suffix) {
            let known = self.shared.desk().retained.contains_key(suffix);
            if !known {
                let empty = Message::new(message.topic.clone(), Bytes::new()).retained();
                self.publish_other(empty);
            }
        }
    }

    pub(super) async fn say_goodbye(mut self) {
        let now = self.link.clock.utc();
        self.send_said();
        self.publish_other(self.link.status(StationState::Offline, now));
        self.connection.close(GOODBYE).await;
    }
}
