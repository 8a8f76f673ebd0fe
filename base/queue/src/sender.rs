//! The side that puts items in.

use crate::{
    Closed, QueueGauge, Queued, SendError,
    ledger::{Ledger, Patience, Refusal},
    queued::Booking,
};
use std::fmt;

/// The sending side of a queue; clones send into the same queue.
pub struct Sender<T> {
    tx: crossbeam_channel::Sender<Queued<T>>,
    weigh: fn(&T) -> usize,
    gauge: QueueGauge,
}

impl<T> Sender<T> {
    pub(crate) fn new(
        tx: crossbeam_channel::Sender<Queued<T>>,
        weigh: fn(&T) -> usize,
        gauge: QueueGauge,
    ) -> Self {
        Self { tx, weigh, gauge }
    }

    /// Puts the item in at once or hands it back: full (in items or bytes; counted as refused) or closed.
    pub fn try_send(&self, item: T) -> Result<(), SendError<T>> {
        match Ledger::book(&self.gauge.ledger, (self.weigh)(&item), Patience::Try) {
            Ok(booking) => self.enter(item, booking).map_err(SendError::Closed),
            Err(Refusal::Full) => Err(SendError::Full(item)),
            Err(Refusal::Closed) => Err(SendError::Closed(item)),
        }
    }

    /// Puts the item in, blocking while the queue is full in items or in bytes; hands it back when every receiver is
    /// gone, also while blocked. Blocked senders are served in no order: a light item may pass a heavy one.
    pub fn send(&self, item: T) -> Result<(), Closed<T>> {
        match Ledger::book(&self.gauge.ledger, (self.weigh)(&item), Patience::Wait) {
            Ok(booking) => self.enter(item, booking).map_err(Closed),
            Err(_) => Err(Closed(item)),
        }
    }

    /// A booked item never finds the channel full, so this does not block; nor closed, since the last receiver waits
    /// for those entering.
    fn enter(&self, item: T, booking: Booking) -> Result<(), T> {
        let sent = self.tx.send(Queued::new(item, booking));
        self.gauge.ledger.entered();
        sent.map_err(|crossbeam_channel::SendError(queued)| queued.into_inner())
    }

    /// The queue's counters; outlives both sides without keeping them open.
    pub fn gauge(&self) -> QueueGauge {
        self.gauge.clone()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            tx: self.tx.clone(),
            weigh: self.weigh,
            gauge: self.gauge.clone(),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.gauge).finish()
    }
}
