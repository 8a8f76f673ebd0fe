//! What moves the gate: the simulated line, later real inputs and outputs.

use sightline_domain::{Disposition, MonoTime, TrackId};

/// Drives one gate. Belongs to the gate thread; no call may block for longer than the gate's lead time.
pub trait GateDriver: Send {
    /// Encoder counts now; `None` without an encoder, or while it does not answer.
    fn encoder(&mut self, now: MonoTime) -> Option<i64>;

    /// Sets the gate for a part that reaches it a lead time from now.
    ///
    /// # Errors
    /// [`GateError`] when the gate did not take the command; the schedule must be told
    /// ([`super::GateSchedule::failed`]).
    fn actuate(
        &mut self,
        track: TrackId,
        disposition: Disposition,
        now: MonoTime,
    ) -> Result<(), GateError>;

    /// Appends what the confirmation sensor (in the reject bin) saw since the last call.
    fn poll_confirmations(&mut self, now: MonoTime, out: &mut Vec<Confirmation>);

    /// Asks the line to stop (true) or lets it run (false).
    fn hold(&mut self, on: bool);

    /// Whether the belt stands by somebody's order: an encoder that counts nothing then has lost nothing. A part that has
    /// no verdict when it begins to stand is rejected, because its pictures are due by time. So not the stops of a belt
    /// that moves from one part to the next.
    fn is_held(&mut self, _now: MonoTime) -> bool {
        false
    }
}

/// The sensor in the reject bin saw a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Which part, where the sensor can tell.
    pub track: Option<TrackId>,
    /// When.
    pub at: MonoTime,
}

/// The gate did not take a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// It did not answer.
    #[error(
        "the gate did not answer the command for part {track} within {waited_ms} ms; check its power and wiring"
    )]
    NoAnswer {
        /// The part.
        track: TrackId,
        /// How long was waited, ms.
        waited_ms: u64,
    },
    /// It said no.
    #[error("the gate refused the command for part {track}: {reason}; clear the fault at the gate")]
    Refused {
        /// The part.
        track: TrackId,
        /// Its own words.
        reason: String,
    },
    /// The way to it failed.
    #[error("the command for part {track} did not reach the gate: {source}")]
    Io {
        /// The part.
        track: TrackId,
        /// The operating system's or driver's error.
        #[source]
        source: std::io::Error,
    },
}
