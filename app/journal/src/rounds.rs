//! The journal without a thread of its own: whoever holds it says when a commit is tried. The same writer, for a caller
//! that brings the time along and wants the same commits every time.

use crate::writer::{MAX_BATCH, Writer};
use std::time::Instant;

/// Writes what was handed over to its [`crate::Journal`]. Dropping it is what `kill -9` is to the thread: what was not
/// committed is gone, and the numbers beside the journal are not closed.
pub struct Rounds(Writer);

impl Rounds {
    pub(crate) fn new(writer: Writer) -> Self {
        Self(writer)
    }

    /// Tries one commit of what waits, 2,000 entries at most; looks for the file; removes what is old. Never waits:
    /// [`crate::Progress::stuck`] says why nothing could be written, and the next round tries again.
    pub fn turn(&mut self) {
        let writer = &mut self.0;
        if writer.batch.is_empty() {
            writer.batch.extend(writer.entries.drain().take(MAX_BATCH));
        }
        writer.grow_older();
        writer.next_look = Instant::now();
        writer.look_for_file();
        if writer.try_commit().is_ok() {
            writer.sweep();
        }
    }

    /// The last round of a station that ends in order.
    pub fn end(mut self) {
        self.turn();
        self.0.files.numbers.close();
    }
}
