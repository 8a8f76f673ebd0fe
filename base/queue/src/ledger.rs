//! The books of one queue: items and bytes in it, what was sent and refused, and whether it is closed.
//!
//! The channel carries the items; the ledger decides who may enter. An item is booked before it enters the channel
//! and booked out when its [`Queued`](crate::Queued) wrapper goes, by whatever way: received, discarded or handed back. So the
//! channel never holds more than is booked, and a booked item never finds it full.

use crate::{
    queued::Booking,
    sync::{Arc, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, yield_now},
};
use std::sync::PoisonError;

pub(crate) struct Ledger {
    pub(crate) capacity: usize,
    pub(crate) max_bytes: Option<usize>,
    books: Mutex<Books>,
    room: Condvar,
    /// Items booked but not yet in the channel; only closing looks at it.
    entering: AtomicUsize,
}

/// The counters, consistent with each other.
#[derive(Clone, Copy, Default)]
pub(crate) struct Books {
    pub(crate) len: usize,
    pub(crate) bytes: usize,
    pub(crate) high_water: usize,
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    waiting: usize,
    receivers: usize,
    closed: bool,
}

/// Why nothing was booked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
}

/// Whether a sender waits for room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Wait,
    Try,
}

impl Ledger {
    pub(crate) fn new(capacity: usize, max_bytes: Option<usize>) -> Self {
        Self {
            capacity,
            max_bytes,
            books: Mutex::new(Books {
                receivers: 1,
                ..Books::default()
            }),
            room: Condvar::new(),
            entering: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books one item of `weight` bytes in. The caller puts it into the channel and then calls [`Ledger::entered`].
    pub(crate) fn book(
        ledger: &Arc<Self>,
        weight: usize,
        patience: Patience,
    ) -> Result<Booking, Refusal> {
        let mut books = ledger.lock();
        loop {
            if books.closed {
                return Err(Refusal::Closed);
            }
            if ledger.fits(&books, weight) {
                break;
            }
            if patience == Patience::Try {
                books.refused += 1;
                return Err(Refusal::Full);
            }
            books.waiting += 1;
            books = ledger
                .room
                .wait(books)
                .unwrap_or_else(PoisonError::into_inner);
            books.waiting -= 1;
        }
        books.len += 1;
        books.bytes = books.bytes.saturating_add(weight);
        books.high_water = books.high_water.max(books.len);
        books.sent += 1;
        // under the lock, so that whoever closes sees it or is seen
        ledger.entering.fetch_add(1, Ordering::Relaxed);
        Ok(Booking::new(Arc::clone(ledger), weight))
    }

    fn fits(&self, books: &Books, weight: usize) -> bool {
        // an item too heavy for the bound passes when it is alone, else it would wait for ever
        let light = |max| books.len == 0 || books.bytes.saturating_add(weight) <= max;
        books.len < self.capacity && self.max_bytes.is_none_or(light)
    }

    pub(crate) fn entered(&self) {
        self.entering.fetch_sub(1, Ordering::Release);
    }

    pub(crate) fn book_out(&self, weight: usize) {
        let mut books = self.lock();
        books.len -= 1;
        books.bytes -= weight;
        // all of them: a light item may pass where the heavy one that waited first cannot
        if books.waiting > 0 {
            self.room.notify_all();
        }
    }

    pub(crate) fn receiver_added(&self) {
        self.lock().receivers += 1;
    }

    /// One receiver less. With the last, the queue closes, senders that wait wake, and once no sender is on its way
    /// into the channel any more, `discard` empties it.
    pub(crate) fn receiver_gone(&self, discard: impl FnOnce()) {
        {
            let mut books = self.lock();
            books.receivers -= 1;
            if books.receivers > 0 {
                return;
            }
            books.closed = true;
            self.room.notify_all();
        }
        // a handful of instructions on another thread: nothing in there blocks
        while self.entering.load(Ordering::Acquire) > 0 {
            yield_now();
        }
        discard();
    }

    pub(crate) fn books(&self) -> Books {
        *self.lock()
    }
}
