//! What the gate counts.

/// What the gate counted since it was made. `registered == passed + rejected + refused` + parts still on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateCounters {
    /// Parts told, each once.
    pub registered: u64,
    /// Pass commands.
    pub passed: u64,
    /// Reject commands at the gate.
    pub rejected: u64,
    /// Parts rejected at once because they could not be followed.
    pub refused: u64,
    /// Final dispositions given out, one a part.
    pub dispositions: u64,
    /// Reject commands of parts that had no verdict.
    pub by_default: u64,
    /// Verdicts that came too late to matter.
    pub late_verdicts: u64,
    /// Verdicts for parts never told.
    pub unregistered: u64,
    /// Second verdicts for a part, not taken.
    pub repeated_verdicts: u64,
    /// Parts told a second time.
    pub duplicates: u64,
    /// Commands given when the part was at the gate already.
    pub behind: u64,
    /// Pass commands that were not given in time; their parts were rejected.
    pub late_passes: u64,
    /// Parts rejected because nobody knew any more where they were.
    pub unsynchronised: u64,
    /// Parts that went another way than was told before.
    pub corrected: u64,
    /// Commands the gate did not take.
    pub failed: u64,
    /// Rejects the sensor saw in time.
    pub confirmed: u64,
    /// Rejects the sensor saw, but late.
    pub confirmed_late: u64,
    /// Rejects the sensor did not see in time.
    pub unconfirmed: u64,
    /// Signals of the sensor without a reject.
    pub unexpected: u64,
}
