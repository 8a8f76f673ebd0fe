//! What the second stage's answer does to a finding.

use crate::plan::PlannedVerifier;
use sightline_domain::{Detection, VerifierOutcome};

/// The verifier gave no usable answer; the view is not decidable (pass it to the judge as non-finite).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the verifier's answer cannot be used: expected {expected} finite probabilities, found {finite} of {found}"
)]
pub struct VerifierFault {
    /// Its classes.
    pub expected: usize,
    /// Scores in the answer.
    pub found: usize,
    /// Those that are numbers.
    pub finite: usize,
}

impl PlannedVerifier {
    /// Confirms, renames or dismisses `finding` by the verifier's probabilities, one a class of the verifier.
    /// Dismissed if the false call reaches `dismiss_at`; else the likeliest other class names it, the detector's
    /// own class winning a tie.
    ///
    /// # Errors
    /// [`VerifierFault`] for an answer of the wrong length or with NaN or infinities; the finding is unchanged.
    pub fn apply(&self, finding: &mut Detection, scores: &[f32]) -> Result<(), VerifierFault> {
        let finite = scores.iter().filter(|s| s.is_finite()).count();
        if scores.len() != self.classes.len() || finite != scores.len() {
            return Err(VerifierFault {
                expected: self.classes.len(),
                found: scores.len(),
                finite,
            });
        }
        let mut best = None;
        for (&class, &score) in self.classes.iter().zip(scores) {
            match class {
                None if score >= self.dismiss_at => {
                    finding.verifier = Some(VerifierOutcome::Dismissed { score });
                    return Ok(());
                }
                None => {}
                Some(class) => {
                    let wins = |&(c, s)| {
                        score > s || (score == s && c != finding.class && class == finding.class)
                    };
                    if best.as_ref().is_none_or(wins) {
                        best = Some((class, score));
                    }
                }
            }
        }
        // A verifier that knows nothing but the false call, and did not call it, leaves the detector's word.
        let (class, score) = best.unwrap_or((finding.class, finding.score));
        finding.verifier = Some(if class == finding.class {
            VerifierOutcome::Confirmed { score }
        } else {
            let from = std::mem::replace(&mut finding.class, class);
            VerifierOutcome::Renamed { from, score }
        });
        Ok(())
    }
}
