//! Commands as they come from MQTT, and the way back for their answers. What a command means and whether it is
//! allowed is the station's affair; here it only gets its facts.

use crate::mqtt::{Message, Received};
use crate::payload::Answer;
use crate::shared::Shared;
use bytes::Bytes;
use sightline_domain::MonoTime;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A command as it came.
#[derive(Clone, Debug)]
pub struct Command {
    /// The last topic level, `cmd/{verb}`.
    pub verb: String,
    /// The payload, whatever it is.
    pub payload: Bytes,
    /// MQTT 5 correlation data; the same data with the same response topic is the same command.
    pub correlation: Option<Bytes>,
    /// Where the answer is wanted.
    pub response_topic: Option<String>,
    /// It came from the broker's memory, not from somebody now.
    pub retained: bool,
    /// When it is no longer to be carried out, by its message expiry.
    pub expires: Option<MonoTime>,
}

impl Command {
    pub(crate) fn of(message: Received, verb: String, now: MonoTime) -> Self {
        let expires = message
            .expires_s
            .map(|s| now + Duration::from_secs(s.into()));
        Self {
            verb,
            payload: message.payload,
            correlation: message.correlation,
            response_topic: message.response_topic,
            retained: message.retain,
            expires,
        }
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out; what was done.
    Done(String),
    /// It goes on; never the last word.
    Running(String),
    /// It was not; why.
    Refused(String),
}

/// The way back to who sent a command. Dropped without an answer, nothing is sent.
pub struct Reply {
    verb: String,
    to: Option<String>,
    correlation: Option<Bytes>,
    shared: Weak<Shared>,
}

impl Reply {
    /// The answer goes to the response topic, unless that is one the station speaks on itself.
    pub(crate) fn to(message: &Received, verb: &str, root: &str, shared: &Arc<Shared>) -> Self {
        let allowed = |to: &String| {
            let own = to
                .strip_prefix(root)
                .and_then(|rest| rest.strip_prefix('/'));
            own.is_none_or(|suffix| suffix.starts_with("answer/")) && !to.contains(['+', '#', '\0'])
        };
        let to = message.response_topic.clone().filter(|to| {
            let good = allowed(to) && !to.is_empty() && !to.starts_with('$');
            if !good {
                tracing::warn!(
                    verb,
                    to,
                    "a command's answer cannot go to its response topic"
                );
            }
            good
        });
        Self {
            verb: verb.into(),
            to,
            correlation: message.correlation.clone(),
            shared: Arc::downgrade(shared),
        }
    }

    /// A way back to nobody, for commands that did not come over MQTT.
    pub fn nowhere(verb: &str) -> Self {
        Self {
            verb: verb.into(),
            to: None,
            correlation: None,
            shared: Weak::new(),
        }
    }

    /// Says that the command goes on; another answer follows.
    pub fn running(&self, what: &str) {
        self.say(&Outcome::Running(what.into()), false);
    }

    /// Sends the answer; it is kept until the broker has it.
    pub fn send(self, outcome: &Outcome) {
        self.say(outcome, false);
    }

    /// The same, to a command that had come before.
    pub fn send_again(self, outcome: &Outcome) {
        self.say(outcome, true);
    }

    fn say(&self, outcome: &Outcome, repeated: bool) {
        tracing::info!(verb = %self.verb, ?outcome, repeated, "command");
        let (Some(to), Some(shared)) = (&self.to, self.shared.upgrade()) else {
            return;
        };
        let message = Message {
            correlation: self.correlation.clone(),
            ..Message::new(to.clone(), Answer::json(&self.verb, outcome, repeated))
        };
        shared.say(message, true);
    }
}
