//! The side that takes items out.

use crate::{Closed, QueueGauge, Queued, RecvTimeout};
use crossbeam_channel::RecvTimeoutError;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// The receiving side of a queue; each item goes to one of the clones.
pub struct Receiver<T> {
    rx: crossbeam_channel::Receiver<Queued<T>>,
    gauge: QueueGauge,
}

impl<T> Receiver<T> {
    pub(crate) fn new(rx: crossbeam_channel::Receiver<Queued<T>>, gauge: QueueGauge) -> Self {
        Self { rx, gauge }
    }

    /// The next item; blocks while the queue is empty. `Closed` when it is empty and every sender is gone.
    pub fn recv(&self) -> Result<T, Closed> {
        self.rx
            .recv()
            .map(Queued::into_inner)
            .map_err(|_| Closed(()))
    }

    /// The next item, waiting at most `timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeout> {
        timed(self.rx.recv_timeout(timeout))
    }

    /// The next item, waiting until `deadline` at most; one already queued is given even after the deadline.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeout> {
        timed(self.rx.recv_deadline(deadline))
    }

    /// The next item if there is one now.
    pub fn try_recv(&self) -> Option<T> {
        self.rx.try_recv().ok().map(Queued::into_inner)
    }

    /// Takes what is queued, without waiting, at most as many as the queue holds: it ends even while others send.
    pub fn drain(&self) -> Drain<'_, T> {
        Drain {
            left: self.gauge.ledger.capacity,
            queue: self,
        }
    }

    /// The channel itself, for `crossbeam_channel::select!`. What it yields counts as queued until
    /// [`Queued::into_inner`]. Do not keep a clone of it: the senders take the queue for closed without it.
    pub fn raw(&self) -> &crossbeam_channel::Receiver<Queued<T>> {
        &self.rx
    }

    /// The queue's counters; outlives both sides without keeping them open.
    pub fn gauge(&self) -> QueueGauge {
        self.gauge.clone()
    }
}

fn timed<T>(received: Result<Queued<T>, RecvTimeoutError>) -> Result<T, RecvTimeout> {
    received
        .map(Queued::into_inner)
        .map_err(|error| match error {
            RecvTimeoutError::Timeout => RecvTimeout::Timeout,
            RecvTimeoutError::Disconnected => RecvTimeout::Closed,
        })
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.gauge.ledger.receiver_added();
        Self {
            rx: self.rx.clone(),
            gauge: self.gauge.clone(),
        }
    }
}

impl<T> Drop for Receiver<T> {
    // the channel itself would keep what is queued until the last sender goes
    fn drop(&mut self) {
        let Self { rx, gauge } = self;
        gauge
            .ledger
            .receiver_gone(|| while rx.try_recv().is_ok() {});
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.gauge).finish()
    }
}

/// What [`Receiver::drain`] takes out, oldest first.
#[derive(Debug)]
pub struct Drain<'a, T> {
    left: usize,
    queue: &'a Receiver<T>,
}

impl<T> Iterator for Drain<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        self.queue.try_recv()
    }
}
