//! An item while it is in a queue.

use crate::{ledger::Ledger, sync::Arc};

/// One item's place in the books; dropping it books the item out.
pub(crate) struct Booking {
    ledger: Arc<Ledger>,
    weight: usize,
}

impl Booking {
    pub(crate) fn new(ledger: Arc<Ledger>, weight: usize) -> Self {
        Self { ledger, weight }
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.ledger.book_out(self.weight);
    }
}

/// An item inside the channel, as [`Receiver::raw`](crate::Receiver::raw) yields it. It counts as queued until it is
/// unwrapped or dropped.
pub struct Queued<T> {
    // field order: a discarded item goes before its bytes count as free
    item: T,
    booking: Booking,
}

impl<T> Queued<T> {
    pub(crate) fn new(item: T, booking: Booking) -> Self {
        Self { item, booking }
    }

    /// Takes the item out of the queue's books.
    pub fn into_inner(self) -> T {
        drop(self.booking);
        self.item
    }
}
