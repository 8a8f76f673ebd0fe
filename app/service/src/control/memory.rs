//! Commands that were seen, by their response topic and correlation data: the same command again gets the same answer,
//! marked as a repetition, and acts once. Two clients that both count from 1 do not meet, and after a while a number is
//! free again.

use sha2::{Digest, Sha256};
use sightline_domain::MonoTime;
use sightline_uplink::{Command, Outcome, Reply};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Commands remembered.
const REMEMBERED: usize = 1_000;
/// How long: longer than a message travels again by itself, shorter than a client needs to begin anew.
const FOR: Duration = Duration::from_secs(600);
/// Askers that may wait for one answer.
const WAITING: usize = 16;

type Hash = [u8; 32];

struct Seen {
    /// Of verb and payload.
    content: Hash,
    at: MonoTime,
    outcome: Option<Outcome>,
    waiting: Vec<Reply>,
}

/// What to do with a command that came.
pub enum Known {
    /// It was not seen before; carry it out and say [`Memory::answer`].
    New(Reply),
    /// It is answered, or will be with the first one.
    Again,
    /// The same correlation data was another command.
    Different(Reply),
}

/// The last commands of this run.
#[derive(Default)]
pub struct Memory {
    seen: HashMap<Hash, Seen>,
    order: VecDeque<Hash>,
}

impl Memory {
    /// Looks a command up that came at `now`, and remembers it.
    pub fn meet(&mut self, command: &Command, reply: Reply, now: MonoTime) -> Known {
        let Some(id) = id(command) else {
            return Known::New(reply);
        };
        self.forget(now);
        let Some(seen) = self.seen.get_mut(&id) else {
            self.remember(id, command, now);
            return Known::New(reply);
        };
        if seen.content != content(command) {
            return Known::Different(reply);
        }
        match &seen.outcome {
            Some(outcome) => reply.send_again(outcome),
            None if seen.waiting.len() < WAITING => seen.waiting.push(reply),
            None => {}
        }
        Known::Again
    }

    /// What is too old, and answered, makes room.
    fn forget(&mut self, now: MonoTime) {
        while let Some(oldest) = self.order.front() {
            let seen = self.seen.get(oldest);
            let stays = seen.is_some_and(|s| s.outcome.is_none() || now.since(s.at) < FOR);
            if stays && self.order.len() < REMEMBERED {
                return;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
    }

    fn remember(&mut self, id: Hash, command: &Command, now: MonoTime) {
        let seen = Seen {
            content: content(command),
            at: now,
            outcome: None,
            waiting: Vec::new(),
        };
        self.seen.insert(id, seen);
        self.order.push_back(id);
    }

    /// What became of a command: everybody who asked is told, now and later.
    pub fn answer(&mut self, command: &Command, reply: Reply, outcome: &Outcome) {
        if let Some(seen) = id(command).and_then(|id| self.seen.get_mut(&id)) {
            seen.outcome = Some(outcome.clone());
            seen.waiting
                .drain(..)
                .for_each(|other| other.send_again(outcome));
        }
        reply.send(outcome);
    }
}

/// Who asks for what number; `None` without one.
fn id(command: &Command) -> Option<Hash> {
    let correlation = command.correlation.as_ref()?;
    let topic = command.response_topic.as_deref().unwrap_or_default();
    Some(hash(topic, correlation))
}

fn content(command: &Command) -> Hash {
    hash(&command.verb, &command.payload)
}

/// A NUL byte is in no topic and no verb.
fn hash(name: &str, bytes: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([0]);
    hasher.update(bytes);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const START: MonoTime = MonoTime(0);

    fn command(id: Option<&'static str>, payload: &'static str) -> Command {
        Command {
            verb: "start".into(),
            payload: payload.into(),
            correlation: id.map(Into::into),
            response_topic: Some("mes/answers".into()),
            retained: false,
            expires: None,
        }
    }

    fn meet(memory: &mut Memory, command: &Command, now: MonoTime) -> &'static str {
        match memory.meet(command, Reply::nowhere("start"), now) {
            Known::New(_) => "new",
            Known::Again => "again",
            Known::Different(_) => "different",
        }
    }

    fn done(memory: &mut Memory, command: &Command) {
        let outcome = Outcome::Done("started".into());
        memory.answer(command, Reply::nowhere("start"), &outcome);
    }

    #[test]
    fn the_same_correlation_is_the_same_command_once() {
        let mut memory = Memory::default();
        let first = command(Some("1"), "a");
        assert_eq!(meet(&mut memory, &first, START), "new");
        let while_it_runs = meet(&mut memory, &first, START);
        assert_eq!(while_it_runs, "again");
        done(&mut memory, &first);
        assert_eq!(meet(&mut memory, &first, START), "again");
        let other = command(Some("1"), "b");
        assert_eq!(meet(&mut memory, &other, START), "different");
        assert_eq!(meet(&mut memory, &command(Some("2"), "a"), START), "new");
        for _ in 0..2 {
            assert_eq!(meet(&mut memory, &command(None, "a"), START), "new");
        }
    }

    #[test]
    fn two_clients_that_count_alike_do_not_meet() {
        let mut memory = Memory::default();
        let first = command(Some("1"), "a");
        let second = Command {
            response_topic: Some("mes2/answers".into()),
            ..first.clone()
        };
        assert_eq!(meet(&mut memory, &first, START), "new");
        assert_eq!(meet(&mut memory, &second, START), "new");
        assert_eq!(meet(&mut memory, &second, START), "again");
    }

    #[test]
    fn after_a_while_a_number_is_free_again_unless_its_command_still_runs() {
        let mut memory = Memory::default();
        let (first, second) = (command(Some("1"), "a"), command(Some("2"), "a"));
        assert_eq!(meet(&mut memory, &first, START), "new");
        done(&mut memory, &first);
        let before = START + (FOR - Duration::from_millis(1));
        assert_eq!(meet(&mut memory, &first, before), "again");
        assert_eq!(meet(&mut memory, &first, START + FOR), "new");
        assert_eq!(meet(&mut memory, &second, START + FOR), "new");
        assert_eq!(meet(&mut memory, &second, START + 3 * FOR), "again");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut memory = Memory::default();
        for n in 0..=REMEMBERED {
            let id = Bytes::from(n.to_string());
            let one = Command {
                correlation: Some(id),
                ..command(None, "")
            };
            assert_eq!(meet(&mut memory, &one, START), "new");
        }
        assert!(memory.seen.len() <= REMEMBERED);
        assert_eq!(meet(&mut memory, &command(Some("0"), ""), START), "new");
        assert_eq!(meet(&mut memory, &command(Some("500"), ""), START), "again");
    }
}
