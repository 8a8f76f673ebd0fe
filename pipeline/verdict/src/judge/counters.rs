//! What the judge refuses, and what it counts.

use sightline_domain::TrackId;

/// Why a part was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// As many parts are open as there is room for; reject it with [`Judge::overflow_dossier`].
    #[error(
        "part {track} cannot be opened: {open} of at most {max} parts are open; reject it as overflow, slow the line or add engines"
    )]
    Full {
        /// The part.
        track: TrackId,
        /// Parts open or decided and not yet taken.
        open: usize,
        /// The most there can be.
        max: usize,
    },
    /// This part has or had a dossier; it gets no second verdict.
    #[error("part {track} was opened before; a track id is used once, number triggers upwards")]
    Duplicate {
        /// The part.
        track: TrackId,
    },
}

/// What the judge counted since it was made. `opened == decided + expired` + parts still open, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JudgeCounters {
    /// Parts opened.
    pub opened: u64,
    /// Parts decided because all their views were there or known to be missing.
    pub decided: u64,
    /// Parts closed by their deadline or by the end of the run.
    pub expired: u64,
    /// Parts rejected because no room was left for them.
    pub overflowed: u64,
    /// Views that came after their part's deadline or verdict.
    pub late_views: u64,
    /// Views of no part, of another generation, of another camera, or with a number the recipe does not have.
    pub unknown_views: u64,
    /// Views that came a second time; the first one stands.
    pub duplicates: u64,
    /// Triggers whose track id was used before.
    pub duplicate_triggers: u64,
    /// Dossiers allocated because none was at home; grows only while results are not recycled.
    pub allocated: u64,
}
