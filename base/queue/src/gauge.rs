//! What a queue shows of itself.

use crate::{ledger::Ledger, sync};
use std::{fmt, sync::Arc};

/// A view of a queue's counters; keeps neither side open.
#[derive(Clone)]
pub struct QueueGauge {
    name: Arc<str>,
    pub(crate) ledger: sync::Arc<Ledger>,
}

/// A queue's counters at one moment, consistent with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// The queue's name.
    pub name: Arc<str>,
    /// Items it can hold.
    pub capacity: usize,
    /// Items in it now.
    pub len: usize,
    /// Bytes in it now; 0 in a queue that does not weigh.
    pub bytes: usize,
    /// Bytes it can hold; `None` in a queue that does not weigh.
    pub max_bytes: Option<usize>,
    /// The most items that were in it at once.
    pub high_water: usize,
    /// Items it took since it was opened.
    pub sent: u64,
    /// Items it refused because it was full.
    pub refused: u64,
}

impl QueueGauge {
    pub(crate) fn new(name: Arc<str>, ledger: sync::Arc<Ledger>) -> Self {
        Self { name, ledger }
    }

    /// The queue's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The counters now.
    pub fn snapshot(&self) -> QueueSnapshot {
        let books = self.ledger.books();
        QueueSnapshot {
            name: Arc::clone(&self.name),
            capacity: self.ledger.capacity,
            len: books.len,
            bytes: books.bytes,
            max_bytes: self.ledger.max_bytes,
            high_water: books.high_water,
            sent: books.sent,
            refused: books.refused,
        }
    }
}

impl fmt::Debug for QueueGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}
