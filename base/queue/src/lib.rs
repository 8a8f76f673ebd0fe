//! Named bounded queues with an answer to "full" and gauges that show their fill.
//!
//! What lives here: a thin wrapper of `crossbeam-channel` that adds a name, a bound in bytes beside the bound in
//! items, and counters. It imports nothing of ours. Where to start: [`bounded`] and [`bounded_weighed`].
//!
//! Every queue between two threads of the station is one of these, so that each has a bound, an answer when it is
//! full ([`Sender::try_send`] refuses and counts, [`Sender::send`] blocks) and shows its fill
//! ([`QueueGauge::snapshot`]). Sending and receiving allocate nothing in steady state. When the last receiver
//! goes, what is still queued is dropped at once (leases go home) and senders, blocked ones too, hear `Closed`.

mod error;
mod gauge;
mod ledger;
mod queued;
mod receiver;
mod sender;
mod sync;

#[cfg(test)]
mod permutations;

pub use error::{Closed, RecvTimeout, SendError};
pub use gauge::{QueueGauge, QueueSnapshot};
pub use queued::Queued;
pub use receiver::{Drain, Receiver};
pub use sender::Sender;

use std::sync::Arc;

/// A queue of at most `capacity` items (at least 1), whatever they weigh.
pub fn bounded<T>(name: impl Into<Arc<str>>, capacity: usize) -> (Sender<T>, Receiver<T>) {
    open(name.into(), capacity, None, |_| 0)
}

/// A queue of at most `capacity` items (at least 1) and `max_bytes` bytes, as `weigh` weighs them.
///
/// An item heavier than `max_bytes` is let in only when it is alone: it is late rather than stuck for ever.
pub fn bounded_weighed<T>(
    name: impl Into<Arc<str>>,
    capacity: usize,
    max_bytes: usize,
    weigh: fn(&T) -> usize,
) -> (Sender<T>, Receiver<T>) {
    open(name.into(), capacity, Some(max_bytes), weigh)
}

fn open<T>(
    name: Arc<str>,
    capacity: usize,
    max_bytes: Option<usize>,
    weigh: fn(&T) -> usize,
) -> (Sender<T>, Receiver<T>) {
    let capacity = capacity.max(1);
    let ledger = sync::Arc::new(ledger::Ledger::new(capacity, max_bytes));
    let gauge = QueueGauge::new(name, sync::Arc::clone(&ledger));
    let (tx, rx) = crossbeam_channel::bounded(capacity);
    (
        Sender::new(tx, weigh, gauge.clone()),
        Receiver::new(rx, gauge),
    )
}
