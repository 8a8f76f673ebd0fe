//! Results waiting for their acknowledgement, in order. This is the seam where the durable journal goes.

use bytes::Bytes;
use std::collections::VecDeque;

/// The end of a result that is sent in the normal course of things.
const FRESH: &[u8] = b"\"replayed\":false}";
/// The same for one that is sent after an outage.
const REPLAYED: &[u8] = b"\"replayed\":true}";

/// A result on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its gap-free number.
    pub seq: u64,
    /// The JSON as it was made, ending in `"replayed":false}`.
    pub json: Bytes,
}

#[derive(Debug)]
struct Entry {
    item: Outgoing,
    late: bool,
    acknowledged: bool,
}

/// Ordered, bounded, in memory. `sent` of the entries from the front are in flight.
#[derive(Debug)]
pub(crate) struct Outbox {
    entries: VecDeque<Entry>,
    sent: usize,
    bound: usize,
    pub(crate) connected: bool,
    pub(crate) published: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
}

impl Outbox {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            sent: 0,
            bound,
            connected: false,
            published: 0,
            acknowledged: 0,
            refused: 0,
        }
    }

    /// Takes a result, or gives it back when `bound` results wait.
    pub(crate) fn push(&mut self, item: Outgoing) -> Result<(), Outgoing> {
        if self.entries.len() >= self.bound {
            self.refused += 1;
            return Err(item);
        }
        self.entries.push_back(Entry {
            item,
            late: !self.connected,
            acknowledged: false,
        });
        Ok(())
    }

    pub(crate) fn pending(&self) -> usize {
        self.entries.len()
    }

    /// The next result to send, marked as replayed if it was made or first sent before this connection.
    pub(crate) fn next(&mut self) -> Option<Outgoing> {
        let entry = self.entries.get(self.sent)?;
        self.sent += 1;
        self.published += 1;
        let json = if entry.late {
            replayed(&entry.item.json)
        } else {
            entry.item.json.clone()
        };
        Some(Outgoing {
            seq: entry.item.seq,
            json,
        })
    }

    /// The broker has `seq`. Entries leave only from the front, so the order survives acknowledgements out of order.
    pub(crate) fn acknowledge(&mut self, seq: u64) {
        let Some(entry) = self
            .entries
            .iter_mut()
            .take(self.sent)
            .find(|e| e.item.seq == seq)
        else {
            return;
        };
        if !std::mem::replace(&mut entry.acknowledged, true) {
            self.acknowledged += 1;
        }
        while self.entries.front().is_some_and(|e| e.acknowledged) {
            self.entries.pop_front();
            self.sent -= 1;
        }
    }

    /// The connection is gone: whatever was not acknowledged is to be sent again, in order.
    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.sent = 0;
        self.entries.retain(|e| !e.acknowledged);
        self.entries.iter_mut().for_each(|e| e.late = true);
    }
}

fn replayed(json: &Bytes) -> Bytes {
    match json.strip_suffix(FRESH) {
        Some(head) => Bytes::from([head, REPLAYED].concat()),
        None => json.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(n: u64) -> Outbox {
        let mut outbox = Outbox::new(100);
        outbox.connected = true;
        for seq in 1..=n {
            let json = Bytes::from(format!("{{\"seq\":{seq},\"replayed\":false}}"));
            outbox.push(Outgoing { seq, json }).unwrap();
        }
        outbox
    }

    fn send_all(outbox: &mut Outbox) -> Vec<(u64, bool)> {
        std::iter::from_fn(|| outbox.next())
            .map(|o| (o.seq, o.json.ends_with(b":true}")))
            .collect()
    }

    #[test]
    fn what_was_not_acknowledged_is_sent_again_in_order_and_says_so() {
        let mut outbox = outbox(4);
        assert_eq!(
            send_all(&mut outbox),
            [(1, false), (2, false), (3, false), (4, false)]
        );
        outbox.acknowledge(3);
        outbox.acknowledge(1);
        assert_eq!(outbox.pending(), 3, "3 waits behind 2");
        outbox.disconnected();
        assert_eq!(outbox.pending(), 2);
        outbox.connected = true;
        assert_eq!(send_all(&mut outbox), [(2, true), (4, true)]);
        outbox.acknowledge(2);
        outbox.acknowledge(2);
        outbox.acknowledge(4);
        assert_eq!((outbox.pending(), outbox.acknowledged), (0, 4));
    }

    #[test]
    fn an_acknowledgement_of_what_was_not_sent_changes_nothing() {
        let mut outbox = outbox(2);
        outbox.acknowledge(1);
        assert_eq!((outbox.pending(), outbox.acknowledged), (2, 0));
    }

    #[test]
    fn a_full_outbox_gives_the_result_back_and_counts_it() {
        let mut outbox = Outbox::new(1);
        let item = Outgoing {
            seq: 1,
            json: Bytes::new(),
        };
        outbox.push(item.clone()).unwrap();
        assert_eq!(outbox.push(Outgoing { seq: 2, ..item }).unwrap_err().seq, 2);
        assert_eq!(outbox.refused, 1);
    }
}
