//! Everything on a connection that is no result: retained state, answers, key figures, commands, the goodbye.

use super::{GOODBYE, Session, What};
use crate::commands::{self, Reply};
use crate::mqtt::{Kind, Message, Notice, Qos, Received, Refusal};
use crate::payload::StationState;
use crate::refusals;
use bytes::Bytes;
use sightline_domain::AlarmSeverity;
use tokio::time::Instant;

/// Topics that are looked after at once; more that others left behind stay until these are emptied.
const RETAINED: usize = 10_000;

/// Retained topics that come and go.
fn goes(suffix: &str) -> bool {
    suffix.starts_with("alarm/") || suffix.starts_with("gap/")
}

impl Session<'_> {
    /// Hands a message over if the broker can take one of its size.
    pub(super) fn publish(&self, message: Message) -> Result<Notice, Refusal> {
        if self.is_too_large(&message) {
            let (bytes, most) = (message.wire_bytes(), self.max_packet());
            return Err(Refusal::Said {
                kind: Kind::TooLarge,
                reason: format!("{bytes} bytes, and the broker takes {most}"),
            });
        }
        self.connection.publish(message)
    }

    /// Bytes of a packet that the broker takes.
    fn max_packet(&self) -> u32 {
        self.limits.and_then(|l| l.max_packet).unwrap_or(u32::MAX)
    }

    fn is_too_large(&self, message: &Message) -> bool {
        message.wire_bytes() > self.max_packet() as usize
    }

    /// Publishes something that is no result. False: it is to be tried again.
    fn publish_other(&mut self, what: What, message: Message) -> bool {
        let (topic, group) = (message.topic.clone(), self.group(&message.topic));
        match self.publish(message) {
            Ok(notice) => {
                self.past.suspicion.sent(&group, &topic);
                self.follow((group, topic), async move { (what, notice.await) });
                true
            }
            Err(Refusal::Said { kind, reason }) => {
                self.refused(&group, &topic, kind, &reason);
                false
            }
            Err(Refusal::Busy | Refusal::Gone) => {
                self.past.refusals.not_sent(&group);
                false
            }
        }
    }

    fn group(&self, topic: &str) -> String {
        refusals::group(&self.link.root, topic)
    }

    fn topic_of(&self, what: &What) -> String {
        match what {
            What::Retained(suffix) => self.link.topic(suffix),
            What::Said(_, topic) => topic.clone(),
            What::Status => self.link.topic("status"),
            What::Result(_) | What::Subscription(_) => String::new(),
        }
    }

    /// The broker has a message that is no result.
    pub(super) fn other_taken(&mut self, what: What) {
        self.acknowledged_any = true;
        let topic = self.topic_of(&what);
        let group = self.group(&topic);
        self.past.suspicion.answered(&group);
        let again = self.past.refusals.taken(&group, &topic);
        let others = refusals::is_answer(&group) && self.past.refusals.answers_refused() > 0;
        let mut state = self.shared.state();
        if again && !others {
            state.conditions.taken(&group);
        }
        match what {
            What::Said(id, _) if state.said.acknowledged(id) => {
                let dropped = state.said.dropped();
                state.conditions.dropped(dropped);
            }
            // What is over is forgotten once the broker has emptied it.
            What::Retained(suffix) if goes(&suffix) => {
                let over = |(json, changed): &(Vec<u8>, bool)| json.is_empty() && !changed;
                if state.retained.get(&suffix).is_some_and(over) {
                    state.retained.remove(&suffix);
                }
            }
            _ => {}
        }
    }

    /// The broker said no to it: it stays to be sent again.
    pub(super) fn other_refused(&mut self, what: What, kind: Kind, reason: &str) {
        let topic = self.topic_of(&what);
        let group = self.group(&topic);
        self.past.suspicion.answered(&group);
        self.refused(&group, &topic, kind, reason);
        match what {
            What::Retained(suffix) => {
                let mut state = self.shared.state();
                if let Some((_, changed)) = state.retained.get_mut(&suffix) {
                    *changed = true;
                }
            }
            What::Said(id, _) => self.shared.state().said.refused(id),
            What::Status => self.state = None,
            What::Result(_) | What::Subscription(_) => {}
        }
    }

    /// Sends retained messages that changed, and `status` if it follows from the alarms that it changed.
    pub(super) fn send_retained(&mut self) {
        let state = self.shared.state();
        if state.stopping {
            return;
        }
        let changed = state.retained.iter().filter(|(_, (_, changed))| *changed);
        let messages: Vec<(String, Bytes)> = changed
            .map(|(suffix, (json, _))| (suffix.clone(), Bytes::copy_from_slice(json)))
            .collect();
        let worst = state.alarms.values().max().copied();
        drop(state);
        for (suffix, json) in messages {
            let topic = self.link.topic(&suffix);
            if !self.may_send(&self.group(&topic), &topic) {
                continue;
            }
            // It may change again before the broker has this one.
            self.sent(&suffix, &json);
            let message = Message::new(topic, json.clone()).retained();
            if !self.publish_other(What::Retained(suffix.clone()), message) {
                let mut state = self.shared.state();
                let entry = state.retained.entry(suffix);
                entry.or_insert((json.to_vec(), true)).1 = true;
            }
        }
        self.send_status(worst);
    }

    /// A retained message is on its way.
    fn sent(&self, suffix: &str, json: &[u8]) {
        let mut state = self.shared.state();
        if let Some((newest, changed)) = state.retained.get_mut(suffix) {
            *changed = newest != json;
        }
    }

    fn send_status(&mut self, worst: Option<AlarmSeverity>) {
        let state = match worst >= Some(AlarmSeverity::High) {
            true => StationState::Degraded,
            false => StationState::Online,
        };
        let topic = self.link.topic("status");
        if self.state == Some(state) || !self.may_send("status", &topic) {
            return;
        }
        let since = match self.state {
            Some(_) => self.link.clock.utc(),
            None => self.link.since,
        };
        if self.publish_other(What::Status, self.link.status(state, since)) {
            self.state = Some(state);
        }
    }

    /// Sends answers and copies of the audit trail; each stays until it is acknowledged.
    pub(super) fn send_said(&mut self) {
        loop {
            let (shared, now) = (self.shared, Instant::now());
            let (past, root) = (&mut *self.past, &self.link.root);
            let next = shared.state().said.next(|message| {
                let group = refusals::group(root, &message.topic);
                past.suspicion.may(&group) && past.refusals.may(&group, &message.topic, now)
            });
            let Some((id, message)) = next else {
                return;
            };
            let what = What::Said(id, message.topic.clone());
            if self.is_too_large(&message) {
                let mut state = self.shared.state();
                let dropped = state.said.give_up(id);
                state.conditions.dropped(dropped);
                continue;
            }
            if !self.publish_other(what, message) {
                self.shared.state().said.again(id);
                return;
            }
        }
    }

    pub(super) fn send_kpi(&mut self) {
        let mut state = self.shared.state();
        let (true, Some(json)) = (state.outbox.connected, state.kpi.take()) else {
            return;
        };
        drop(state);
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
            // What an earlier run left behind is emptied.
            let retained = &mut self.shared.state().retained;
            if !retained.contains_key(suffix) && retained.len() < RETAINED {
                retained.insert(suffix.into(), (Vec::new(), true));
            }
        }
    }

    pub(super) async fn say_goodbye(mut self) {
        let now = self.link.clock.utc();
        self.send_said();
        if self.may_send("status", &self.link.topic("status")) {
            let offline = self.link.status(StationState::Offline, now);
            self.publish_other(What::Status, offline);
        }
        self.connection.close(GOODBYE).await;
    }
}
