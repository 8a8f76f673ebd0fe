//! Results waiting for their acknowledgement, in order: all of them in memory, or a window onto the journal.
//!
//! Over a journal, `feed.rs` fills the window with what is committed, and what leaves at the front is retired there.

use crate::journal_feed::JournalCursor;
use bytes::Bytes;
use std::collections::VecDeque;

/// The end of a result that is sent in the normal course of things.
const FRESH: &[u8] = b"\"replayed\":false}";
/// The same for one that is sent after an outage.
const REPLAYED: &[u8] = b"\"replayed\":true}";

/// Results in memory when a journal keeps them: enough for the disk's next answer at any rate a broker takes.
pub(crate) const WINDOW: usize = 1_024;

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
    /// The journal behind it.
    tap: Option<JournalCursor>,
    /// Results up to here were made before this connection.
    pub(crate) late_to: u64,
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
            tap: None,
            late_to: 0,
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
        self.put(item);
        Ok(())
    }

    /// Takes a result for which there is room.
    pub(crate) fn put(&mut self, item: Outgoing) {
        self.entries.push_back(Entry {
            late: !self.connected || item.seq <= self.late_to,
            item,
            acknowledged: false,
        });
    }

    /// From now on it is a window onto the journal, and acknowledgements go there.
    pub(crate) fn over(&mut self, tap: JournalCursor) {
        self.tap = Some(tap);
        self.bound = WINDOW;
    }

    /// Lets the journal go.
    pub(crate) fn release(&mut self) {
        self.tap = None;
    }

    /// Results up to `seq` exist. Those that come while there is no connection are late.
    pub(crate) fn made(&mut self, seq: u64) {
        if !self.connected {
            self.late_to = seq;
        }
    }

    pub(crate) fn room(&self) -> usize {
        self.bound.saturating_sub(self.entries.len())
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
    /// True: one has left.
    pub(crate) fn acknowledge(&mut self, seq: u64) -> bool {
        let place = self.entries.partition_point(|e| e.item.seq < seq);
        let sent = self.entries.range_mut(..self.sent).nth(place);
        let Some(entry) = sent.filter(|e| e.item.seq == seq) else {
            return false;
        };
        if !std::mem::replace(&mut entry.acknowledged, true) {
            self.acknowledged += 1;
        }
        let mut retired = None;
        while let Some(entry) = self.entries.pop_front_if(|e| e.acknowledged) {
            self.sent -= 1;
            retired = Some(entry.item.seq);
        }
        if let (Some(tap), Some(seq)) = (&self.tap, retired) {
            tap.retire(seq, self.room());
        }
        retired.is_some()
    }

    /// The connection is gone: whatever was not acknowledged is to be sent again, in order.
    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.sent = 0;
        self.entries.retain(|e| !e.acknowledged);
        self.entries.iter_mut().for_each(|e| e.late = true);
    }
}

/// The same result, marked as sent again.
pub(crate) fn replayed(json: &Bytes) -> Bytes {
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
        assert!(!outbox.acknowledge(3), "2 holds it");
        assert!(outbox.acknowledge(1));
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
    fn what_was_made_before_the_connection_is_late_even_if_it_is_read_after() {
        let mut outbox = Outbox::new(100);
        outbox.made(3);
        outbox.connected = true;
        outbox.made(5);
        for seq in 2..=4 {
            let json = Bytes::from(format!("{{\"seq\":{seq},\"replayed\":false}}"));
            outbox.push(Outgoing { seq, json }).unwrap();
        }
        assert_eq!(send_all(&mut outbox), [(2, true), (3, true), (4, false)]);
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
