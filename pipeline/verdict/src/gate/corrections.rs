//! What really happened to a part, where it is not what was said of it.

use crate::outcome::Outcome;
use sightline_domain::{MonoTime, TrackId};
use std::collections::VecDeque;

/// A part went another way than was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The part.
    pub track: TrackId,
    /// What happened to it, as far as is known.
    pub outcome: Outcome,
}

/// A part that was let through and may still turn up in the reject bin.
#[derive(Clone, Copy, Debug)]
struct Passed {
    track: TrackId,
    at_gate: i64,
    at: MonoTime,
}

/// Corrections that wait to be told, and parts that may yet need one. Fixed room; the oldest gives way.
#[derive(Debug)]
pub(super) struct Corrections {
    waiting: VecDeque<Correction>,
    passed: VecDeque<Passed>,
    capacity: usize,
}

impl Corrections {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            waiting: VecDeque::with_capacity(2 * capacity),
            passed: VecDeque::with_capacity(capacity),
            capacity,
        }
    }

    pub(super) fn push(&mut self, track: TrackId, outcome: Outcome) {
        if self.waiting.len() >= 2 * self.capacity {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Correction { track, outcome });
    }

    pub(super) fn pop(&mut self) -> Option<Correction> {
        self.waiting.pop_front()
    }

    /// `track` is let through by a command given `at`.
    pub(super) fn let_through(&mut self, track: TrackId, at_gate: i64, at: MonoTime) {
        if self.passed.len() >= self.capacity {
            self.passed.pop_front();
        }
        self.passed.push_back(Passed { track, at_gate, at });
    }

    /// Where `track` is at the gate, if it was let through lately.
    pub(super) fn at_gate(&self, track: TrackId) -> Option<i64> {
        let found = self.passed.iter().find(|p| p.track == track);
        found.map(|p| p.at_gate)
    }

    /// Whether a part was let through at `since` or later.
    pub(super) fn has_passed_since(&self, since: MonoTime) -> bool {
        self.passed.back().is_some_and(|p| p.at >= since)
    }

    /// Takes the part out that a signal of the bin's sensor is about: by its track, else the oldest that was let through
    /// after `since`.
    pub(super) fn take(&mut self, track: Option<TrackId>, since: MonoTime) -> Option<TrackId> {
        let at = match track {
            Some(track) => self.passed.iter().position(|p| p.track == track),
            None => self.passed.iter().position(|p| p.at >= since),
        };
        at.and_then(|at| self.passed.remove(at)).map(|p| p.track)
    }
}
