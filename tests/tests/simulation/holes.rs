//! Holes that were in the product once, or could be: each put back beside it, so that it is shown that the simulation
//! finds them. None of this is in the product.

/// One hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// A pass whose time is over is carried out all the same, when its part is at the gate.
    LatePass,
    /// What was told before the belt's position was lost is carried out after it.
    StalePass,
    /// What really happened is not told where it is not what was said.
    NotCorrected,
    /// A frame is taken for the part that came last, whenever it was captured.
    Neighbour,
    /// A result counts as delivered when it is handed to the journal.
    AcknowledgedBeforeStored,
    /// A result is sent when it is handed to the journal.
    SentBeforeStored,
    /// A start numbers its results a little too low.
    NumbersAgain,
    /// The gate's alarms are not told.
    SilentGate,
    /// The gate's order to stop the line goes nowhere.
    NoHold,
    /// A trigger that comes twice is two parts.
    TwoParts,
    /// The broker's answer to a result retires every one before it.
    AnswersForAll,
}

/// All of them.
pub const ALL: [Hole; 11] = [
    Hole::LatePass,
    Hole::StalePass,
    Hole::NotCorrected,
    Hole::Neighbour,
    Hole::AcknowledgedBeforeStored,
    Hole::SentBeforeStored,
    Hole::NumbersAgain,
    Hole::SilentGate,
    Hole::NoHold,
    Hole::TwoParts,
    Hole::AnswersForAll,
];
