//! The truth book: what each part was, what the station decided, where the part went, and what follows from that.

use crate::gate::PhysicalEnd;
use serde::{Deserialize, Serialize};
use sightline_domain::{ClassId, Disposition, DispositionReason, Evaluation, TrackId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Finished parts that can still be corrected.
const LATELY: usize = 4_096;

/// What a part really is: how many defects it has and of which classes (a bit each, classes above 63 share the last).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTruth {
    /// Number of defects over all its views.
    pub defects: u32,
    /// Bit `n` is set when class `n` is among them.
    pub classes: u64,
}

impl PartTruth {
    /// Adds a defect.
    pub fn add(&mut self, class: ClassId) {
        self.defects += 1;
        self.classes |= 1 << class.0.min(63);
    }

    /// True for a part that must not pass.
    pub fn is_defective(&self) -> bool {
        self.defects > 0
    }
}

/// What the station decided about a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationDecision {
    /// Its evaluation.
    pub evaluation: Evaluation,
    /// What it told the gate.
    pub disposition: Disposition,
    /// Why.
    pub reason: DispositionReason,
    /// True when every expected view was seen and healthy.
    pub all_views_healthy: bool,
}

/// Sums over all parts that have reached their end, and what is not in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthCounts {
    /// Parts told to the book.
    pub parts: u64,
    /// Parts with all of truth, decision and end.
    pub finished: u64,
    /// Finished parts that really were defective.
    pub defective: u64,
    /// Evaluated OK.
    pub ok: u64,
    /// Evaluated NotOK.
    pub not_ok: u64,
    /// Evaluated NotDecidable (or not at all).
    pub not_decidable: u64,
    /// Disposition pass.
    pub dispositions_pass: u64,
    /// Disposition reject.
    pub dispositions_reject: u64,
    /// Physically passed.
    pub passed: u64,
    /// Physically rejected.
    pub rejected: u64,
    /// Passed the gate wrongly and taken off while the line was held.
    pub contained: u64,
    /// Good parts evaluated NotOK.
    pub overkill: u64,
    /// Defective parts that physically passed.
    pub escapes: u64,
    /// Escapes the model alone caused: evaluated OK on views that were all there and healthy, and told to pass.
    pub escapes_by_model: u64,
    /// All other escapes. Must be 0.
    pub escapes_by_other: u64,
    /// Good parts not evaluated NotOK that did not pass: the price of faults.
    pub good_rejected_for_faults: u64,
    /// Parts that went another way than the station told last.
    pub disobeyed: u64,
    /// Parts that were told again because they went another way than was told first.
    pub corrected: u64,
    /// Parts told, decided or ended that the book did not know.
    pub unknown: u64,
    /// Second tellings, decisions or ends of a part.
    pub repeated: u64,
    /// Parts told that lack a decision or an end.
    pub unfinished: u64,
    /// Every part has exactly one decision and one end, and nothing else was told.
    pub conserved: bool,
}

impl TruthCounts {
    /// True when the line kept its promise: conserved, and nothing defective passed but what the model called good.
    pub fn promise_kept(&self) -> bool {
        self.conserved && self.escapes_by_other == 0
    }

    /// True when besides that every part went where it was told.
    pub fn clean(&self) -> bool {
        self.promise_kept() && self.disobeyed == 0
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    truth: PartTruth,
    decision: Option<StationDecision>,
    end: Option<PhysicalEnd>,
}

/// The book. Decisions and ends may come in any order; a finished part is summed up and forgotten, so that the book does
/// not grow with the run.
#[derive(Clone, Debug, Default)]
pub struct TruthBook {
    open: BTreeMap<u64, Entry>,
    /// All parts up to this number are finished.
    finished_to: u64,
    /// Finished parts beyond that.
    finished: BTreeSet<u64>,
    /// Parts finished last, which may yet be corrected.
    lately: VecDeque<(TrackId, PartTruth, StationDecision, PhysicalEnd)>,
    counts: TruthCounts,
}

impl TruthBook {
    /// A part arrived that is as `truth` says.
    pub fn part(&mut self, track: TrackId, truth: PartTruth) {
        if self.was_finished(track) || self.open.contains_key(&track.0) {
            self.counts.repeated += 1;
            return;
        }
        self.counts.parts += 1;
        self.open.insert(
            track.0,
            Entry {
                truth,
                ..Entry::default()
            },
        );
    }

    /// The station decided.
    pub fn decided(&mut self, track: TrackId, decision: StationDecision) {
        self.note(track, |entry| entry.decision.replace(decision).is_some());
    }

    /// A part went another way than was told before.
    pub fn corrected(
        &mut self,
        track: TrackId,
        disposition: Disposition,
        reason: DispositionReason,
    ) {
        self.counts.corrected += 1;
        let amend = |decision: &mut StationDecision| {
            decision.disposition = disposition;
            decision.reason = reason;
        };
        if let Some(decision) = self
            .open
            .get_mut(&track.0)
            .and_then(|e| e.decision.as_mut())
        {
            return amend(decision);
        }
        let Some(entry) = self.lately.iter_mut().find(|(t, ..)| *t == track) else {
            self.counts.unknown += 1;
            return;
        };
        let (truth, before, end) = (entry.1, entry.2, entry.3);
        amend(&mut entry.2);
        let after = entry.2;
        self.counts.sum(truth, before, end, u64::wrapping_sub);
        self.counts.sum(truth, after, end, u64::wrapping_add);
    }

    /// The part reached its end.
    pub fn ended(&mut self, track: TrackId, end: PhysicalEnd) {
        self.note(track, |entry| entry.end.replace(end).is_some());
    }

    /// The sums so far.
    pub fn counts(&self) -> TruthCounts {
        let c = self.counts;
        let unfinished = self.open.len() as u64;
        TruthCounts {
            unfinished,
            conserved: unfinished == 0 && c.unknown == 0 && c.repeated == 0,
            ..c
        }
    }

    /// Notes one fact about an open part; `fact` says whether it was known before. The first fact stands.
    fn note(&mut self, track: TrackId, fact: impl FnOnce(&mut Entry) -> bool) {
        let Some(entry) = self.open.get_mut(&track.0) else {
            if self.was_finished(track) {
                self.counts.repeated += 1;
            } else {
                self.counts.unknown += 1;
            }
            return;
        };
        let before = *entry;
        if fact(entry) {
            *entry = before;
            self.counts.repeated += 1;
        }
        if let Entry {
            truth,
            decision: Some(decision),
            end: Some(end),
        } = *entry
        {
            self.open.remove(&track.0);
            self.finish(track);
            self.counts.sum(truth, decision, end, u64::wrapping_add);
            if self.lately.len() >= LATELY {
                self.lately.pop_front();
            }
            self.lately.push_back((track, truth, decision, end));
        }
    }

    fn finish(&mut self, track: TrackId) {
        self.finished.insert(track.0);
        while self.finished.remove(&(self.finished_to + 1)) {
            self.finished_to += 1;
        }
    }

    fn was_finished(&self, track: TrackId) -> bool {
        (1..=self.finished_to).contains(&track.0) || self.finished.contains(&track.0)
    }
}

impl TruthCounts {
    /// Adds a finished part, or takes it out again.
    fn sum(
        &mut self,
        truth: PartTruth,
        decision: StationDecision,
        end: PhysicalEnd,
        to: fn(u64, u64) -> u64,
    ) {
        let count = |field: &mut u64, is: bool| *field = to(*field, u64::from(is));
        let bad = truth.is_defective();
        let told_pass = decision.disposition == Disposition::Pass;
        let passed = end == PhysicalEnd::Passed;
        // A contained part went past the gate too, against what it was told.
        let went_on = end != PhysicalEnd::Rejected;
        let (ok, not_ok) = (
            decision.evaluation == Evaluation::OK,
            decision.evaluation == Evaluation::NotOK,
        );
        let escaped = bad && passed;
        let by_model = ok && decision.all_views_healthy && told_pass;
        count(&mut self.finished, true);
        count(&mut self.defective, bad);
        count(&mut self.ok, ok);
        count(&mut self.not_ok, not_ok);
        count(&mut self.not_decidable, !ok && !not_ok);
        count(&mut self.dispositions_pass, told_pass);
        count(&mut self.dispositions_reject, !told_pass);
        count(&mut self.passed, passed);
        count(&mut self.rejected, end == PhysicalEnd::Rejected);
        count(&mut self.contained, end == PhysicalEnd::Contained);
        count(&mut self.disobeyed, told_pass != went_on);
        count(&mut self.escapes, escaped);
        count(&mut self.escapes_by_model, escaped && by_model);
        count(&mut self.escapes_by_other, escaped && !by_model);
        count(&mut self.overkill, !bad && not_ok);
        count(
            &mut self.good_rejected_for_faults,
            !bad && !not_ok && !passed,
        );
    }
}

#[cfg(test)]
#[path = "truth_tests.rs"]
mod tests;
