//! Commands that were seen, by their correlation data: the same command again gets the same answer, and acts once.

use bytes::Bytes;
use sightline_uplink::{Command, Outcome, Reply};
use std::collections::{HashMap, VecDeque};

/// Commands remembered.
const REMEMBERED: usize = 1_000;
/// Askers that may wait for one answer.
const WAITING: usize = 16;

struct Seen {
    verb: String,
    payload: Bytes,
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
    seen: HashMap<Bytes, Seen>,
    order: VecDeque<Bytes>,
}

impl Memory {
    /// Looks a command up, and remembers it.
    pub fn meet(&mut self, command: &Command, reply: Reply) -> Known {
        let Some(id) = &command.correlation else {
            return Known::New(reply);
        };
        let Some(seen) = self.seen.get_mut(id) else {
            self.remember(id.clone(), command);
            return Known::New(reply);
        };
        if seen.verb != command.verb || seen.payload != command.payload {
            return Known::Different(reply);
        }
        match &seen.outcome {
            Some(outcome) => reply.send(outcome),
            None if seen.waiting.len() < WAITING => seen.waiting.push(reply),
            None => {}
        }
        Known::Again
    }

    fn remember(&mut self, id: Bytes, command: &Command) {
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        let seen = Seen {
            verb: command.verb.clone(),
            payload: command.payload.clone(),
            outcome: None,
            waiting: Vec::new(),
        };
        self.seen.insert(id.clone(), seen);
        self.order.push_back(id);
    }

    /// What became of a command: everybody who asked is told, now and later.
    pub fn answer(&mut self, command: &Command, reply: Reply, outcome: &Outcome) {
        if let Some(seen) = command
            .correlation
            .as_ref()
            .and_then(|id| self.seen.get_mut(id))
        {
            seen.outcome = Some(outcome.clone());
            seen.waiting.drain(..).for_each(|other| other.send(outcome));
        }
        reply.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(id: Option<&'static str>, payload: &'static str) -> Command {
        Command {
            verb: "start".into(),
            payload: payload.into(),
            correlation: id.map(Into::into),
            retained: false,
            expires: None,
        }
    }

    fn meet(memory: &mut Memory, command: &Command) -> &'static str {
        match memory.meet(command, Reply::nowhere("start")) {
            Known::New(_) => "new",
            Known::Again => "again",
            Known::Different(_) => "different",
        }
    }

    #[test]
    fn the_same_correlation_is_the_same_command_once() {
        let mut memory = Memory::default();
        let first = command(Some("1"), "a");
        assert_eq!(meet(&mut memory, &first), "new");
        assert_eq!(
            meet(&mut memory, &first),
            "again",
            "while it is carried out"
        );
        memory.answer(
            &first,
            Reply::nowhere("start"),
            &Outcome::Done("started".into()),
        );
        assert_eq!(meet(&mut memory, &first), "again");
        assert_eq!(meet(&mut memory, &command(Some("1"), "b")), "different");
        assert_eq!(meet(&mut memory, &command(Some("2"), "a")), "new");
        for _ in 0..2 {
            assert_eq!(meet(&mut memory, &command(None, "a")), "new");
        }
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
            assert_eq!(meet(&mut memory, &one), "new");
        }
        assert_eq!(memory.seen.len(), REMEMBERED);
        assert_eq!(meet(&mut memory, &command(Some("0"), "")), "new");
        assert_eq!(meet(&mut memory, &command(Some("500"), "")), "again");
    }
}
