//! Messages that are said once and matter: answers to commands, copies of the audit trail, reviews. Each is kept until the
//! broker has it, in order; there are bounds, and what they cost is counted.

use crate::mqtt::Message;
use std::collections::VecDeque;

/// Messages of one kind that may wait.
const COPIES: usize = 1_024;
const ANSWERS: usize = 256;
/// Bytes of all of them.
const BYTES: usize = 8 << 20;

#[derive(Debug)]
struct Entry {
    id: u64,
    answer: bool,
    sent: bool,
    /// The broker said no to it.
    refused: bool,
    message: Message,
}

/// Dropped since all of their kind had been acknowledged the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub answers: u64,
    pub copies: u64,
}

/// Everything that waits for its acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct Said {
    waiting: VecDeque<Entry>,
    bytes: usize,
    next: u64,
    dropped: Dropped,
}

impl Said {
    /// Takes a message; true: older ones had to go for it.
    pub(crate) fn push(&mut self, message: Message, answer: bool) -> bool {
        let before = self.dropped;
        self.bytes += size(&message);
        self.next += 1;
        self.waiting.push_back(Entry {
            id: self.next,
            answer,
            sent: false,
            refused: false,
            message,
        });
        let bound = if answer { ANSWERS } else { COPIES };
        let alike = self.waiting.iter().filter(|e| e.answer == answer).count();
        if alike > bound {
            let oldest = self.waiting.iter().position(|e| e.answer == answer);
            self.drop_at(oldest.unwrap_or(0));
        }
        while self.bytes > BYTES && self.waiting.len() > 1 {
            self.drop_at(0);
        }
        self.dropped != before
    }

    fn drop_at(&mut self, place: usize) {
        if let Some(gone) = self.waiting.remove(place) {
            self.bytes -= size(&gone.message);
            match gone.answer {
                true => self.dropped.answers += 1,
                false => self.dropped.copies += 1,
            }
        }
    }

    /// The first that waits to be sent and for which `may` says yes; it counts as sent.
    pub(crate) fn next(&mut self, mut may: impl FnMut(&Message) -> bool) -> Option<(u64, Message)> {
        let mut fits = |refused: bool| {
            let ready = |e: &Entry| !e.sent && e.refused == refused;
            let place = |e: &Entry| ready(e) && may(&e.message);
            self.waiting.iter().position(place)
        };
        let place = fits(false).or_else(|| fits(true))?;
        let entry = self.waiting.get_mut(place)?;
        entry.sent = true;
        Some((entry.id, entry.message.clone()))
    }

    /// The broker has it. True: of what had to be dropped, some kind counts no longer, since nothing of it waits for room.
    pub(crate) fn acknowledged(&mut self, id: u64) -> bool {
        if let Some(place) = self.waiting.iter().position(|e| e.id == id)
            && let Some(gone) = self.waiting.remove(place)
        {
            self.bytes -= size(&gone.message);
        }
        let before = self.dropped;
        // One refused answer is kept to be tried again; it stands in nobody's way.
        let waits = |answer| {
            let in_line = |e: &Entry| e.answer == answer && !e.refused;
            self.waiting.iter().any(in_line)
        };
        if !waits(true) {
            self.dropped.answers = 0;
        }
        if !waits(false) {
            self.dropped.copies = 0;
        }
        self.dropped != before
    }

    /// The broker said no to it. It is sent again after what was not refused; of answers only the last refused one, since who
    /// asked does not wait for long.
    pub(crate) fn refused(&mut self, id: u64) {
        let Some(entry) = self.waiting.iter_mut().find(|e| e.id == id) else {
            return;
        };
        entry.sent = false;
        entry.refused = entry.answer;
        if entry.answer {
            self.waiting
                .retain(|e| !(e.answer && e.refused) || e.id == id);
            self.bytes = self.waiting.iter().map(|e| size(&e.message)).sum();
        }
    }

    /// It cannot be sent at all.
    pub(crate) fn give_up(&mut self, id: u64) -> Dropped {
        if let Some(place) = self.waiting.iter().position(|e| e.id == id) {
            self.drop_at(place);
        }
        self.dropped
    }

    /// It is to be sent again.
    pub(crate) fn again(&mut self, id: u64) {
        if let Some(entry) = self.waiting.iter_mut().find(|e| e.id == id) {
            entry.sent = false;
        }
    }

    /// The connection is gone: whatever was not acknowledged is to be sent again.
    pub(crate) fn disconnected(&mut self) {
        self.waiting.iter_mut().for_each(|e| e.sent = false);
    }

    pub(crate) fn pending(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn dropped(&self) -> Dropped {
        self.dropped
    }
}

fn size(message: &Message) -> usize {
    message.wire_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str) -> Message {
        Message::new(topic.into(), "x")
    }

    fn send_all(said: &mut Said) -> Vec<(u64, String)> {
        std::iter::from_fn(|| said.next(|_| true))
            .map(|(id, m)| (id, m.topic))
            .collect()
    }

    #[test]
    fn what_was_not_acknowledged_is_said_again_in_order() {
        let mut said = Said::default();
        for topic in ["audit", "answer", "review"] {
            assert!(!said.push(message(topic), topic == "answer"));
        }
        let sent = send_all(&mut said);
        assert!(!said.acknowledged(sent[1].0));
        assert!(send_all(&mut said).is_empty());
        said.disconnected();
        let again: Vec<String> = send_all(&mut said).into_iter().map(|(_, t)| t).collect();
        assert_eq!(again, ["audit", "review"]);
    }

    #[test]
    fn a_topic_that_may_not_go_holds_nothing_else() {
        let mut said = Said::default();
        said.push(message("audit"), false);
        said.push(message("review"), false);
        let sent = said.next(|m| m.topic != "audit");
        assert_eq!(sent.map(|(_, m)| m.topic).as_deref(), Some("review"));
        assert!(said.next(|m| m.topic != "audit").is_none());
    }

    #[test]
    fn a_refused_answer_goes_after_the_others_and_only_the_last_is_kept() {
        let mut said = Said::default();
        for topic in ["a", "b", "c", "d"] {
            said.push(message(topic), true);
        }
        for expected in ["a", "b"] {
            let (id, sent) = said.next(|_| true).expect("one");
            assert_eq!(sent.topic, expected);
            said.refused(id);
        }
        let order: Vec<String> = send_all(&mut said).into_iter().map(|(_, t)| t).collect();
        assert_eq!(order, ["c", "d", "b"]);
        assert_eq!(said.give_up(3).answers, 1);
    }

    #[test]
    fn too_many_cost_the_oldest_of_their_kind_and_are_counted_until_all_are_acknowledged() {
        let mut said = Said::default();
        said.push(message("audit"), false);
        for _ in 0..ANSWERS + 3 {
            said.push(message("answer"), true);
        }
        let expected = Dropped {
            answers: 3,
            copies: 0,
        };
        assert_eq!((said.dropped(), said.pending()), (expected, ANSWERS + 1));
        let sent = send_all(&mut said);
        assert_eq!(sent[0].1, "audit");
        let last = sent.len() - 1;
        for (n, (id, _)) in sent.into_iter().enumerate() {
            assert_eq!(said.acknowledged(id), n == last);
        }
        assert_eq!(said.dropped(), Dropped::default());
        // An answer that is refused for good does not keep the count of the others.
        for _ in 0..ANSWERS + 1 {
            said.push(message("answer"), true);
        }
        let sent = send_all(&mut said);
        let (refused, others) = sent.split_first().expect("many");
        said.refused(refused.0);
        for (id, _) in others {
            said.acknowledged(*id);
        }
        assert_eq!((said.dropped(), said.pending()), (Dropped::default(), 1));
        said.disconnected();
        let large = Message::new("answer".into(), vec![0; BYTES / 2]);
        for _ in 0..3 {
            said.push(large.clone(), true);
        }
        assert!(said.pending() == 1 && said.bytes <= BYTES);
    }
}
