//! triggers = parts = verdicts = dispositions = published = acknowledged + pending. Any gap is an alarm.

/// How many of each there were since the station started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conservation {
    /// Triggers taken.
    pub triggers: u64,
    /// Parts opened, or rejected for want of room.
    pub parts: u64,
    /// Verdicts reached.
    pub verdicts: u64,
    /// Final dispositions.
    pub dispositions: u64,
    /// Results handed to the uplink or journal, one a part.
    pub published: u64,
    /// Results told again because a part went another way than was told first; each has a number of its own.
    pub corrections: u64,
    /// Results the broker acknowledged.
    pub acknowledged: u64,
    /// Results waiting for that.
    pub pending: u64,
}

/// What is between two counters at the moment they are read; all 0 when the line is at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Triggers that did not reach the judge yet.
    pub triggers: u64,
    /// Parts without a verdict.
    pub parts: u64,
    /// Verdicts without a final disposition.
    pub verdicts: u64,
    /// Dispositions whose result was not handed on yet.
    pub results: u64,
}

/// Two counters that do not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{left_name} is {left} but {right_name} is {right}: {} {} on the way; stop the line, sort out the parts by hand and look at the journal",
    .left.abs_diff(*.right), if left > right { "lost" } else { "too many" }
)]
pub struct Gap {
    /// Name of the earlier counter.
    pub left_name: &'static str,
    /// Its count.
    pub left: u64,
    /// Name of the later counter, with what is in flight.
    pub right_name: &'static str,
    /// Its count.
    pub right: u64,
}

impl Conservation {
    /// Checks that nothing was lost or doubled from trigger to acknowledgement.
    ///
    /// # Errors
    /// The first [`Gap`] in the order of flow.
    pub fn check(&self, in_flight: &InFlight) -> Result<(), Gap> {
        let equal = |left_name, left: u64, right_name, right: u64| match left == right {
            true => Ok(()),
            false => Err(Gap {
                left_name,
                left,
                right_name,
                right,
            }),
        };
        let f = in_flight;
        equal(
            "triggers",
            self.triggers,
            "parts + triggers in flight",
            self.parts.saturating_add(f.triggers),
        )?;
        equal(
            "parts",
            self.parts,
            "verdicts + open parts",
            self.verdicts.saturating_add(f.parts),
        )?;
        equal(
            "verdicts",
            self.verdicts,
            "dispositions + verdicts in flight",
            self.dispositions.saturating_add(f.verdicts),
        )?;
        equal(
            "dispositions",
            self.dispositions,
            "published + results in flight",
            self.published.saturating_add(f.results),
        )?;
        equal(
            "published + corrections",
            self.published.saturating_add(self.corrections),
            "acknowledged + pending",
            self.acknowledged.saturating_add(self.pending),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Conservation = Conservation {
        triggers: 9,
        parts: 9,
        verdicts: 9,
        dispositions: 9,
        published: 9,
        corrections: 0,
        acknowledged: 7,
        pending: 2,
    };

    #[test]
    fn a_line_at_rest_or_running_without_loss_has_no_gap() {
        assert_eq!(WHOLE.check(&InFlight::default()), Ok(()));
        let corrected = Conservation {
            corrections: 2,
            acknowledged: 9,
            ..WHOLE
        };
        assert_eq!(corrected.check(&InFlight::default()), Ok(()));
        let running = Conservation {
            triggers: 20,
            parts: 18,
            verdicts: 13,
            dispositions: 12,
            ..WHOLE
        };
        let in_flight = InFlight {
            triggers: 2,
            parts: 5,
            verdicts: 1,
            results: 3,
        };
        assert_eq!(running.check(&in_flight), Ok(()));
    }

    #[test]
    fn every_counter_that_is_one_off_is_a_gap_that_names_it() {
        type Break = fn(&mut Conservation);
        let cases: [(&str, Break); 7] = [
            ("triggers is 10 but parts", |c| c.triggers += 1),
            ("triggers is 9 but parts + triggers in flight is 8", |c| {
                c.parts -= 1
            }),
            ("parts is 9 but verdicts + open parts is 8: 1 lost", |c| {
                c.verdicts -= 1
            }),
            ("verdicts is 9 but dispositions", |c| c.dispositions += 1),
            ("dispositions is 9 but published", |c| c.published -= 1),
            (
                "published + corrections is 9 but acknowledged + pending is 10: 1 too many",
                |c| c.acknowledged += 1,
            ),
            (
                "published + corrections is 9 but acknowledged + pending is 8",
                |c| c.pending -= 1,
            ),
        ];
        for (expected, break_it) in cases {
            let mut c = WHOLE;
            break_it(&mut c);
            let gap = c.check(&InFlight::default()).unwrap_err();
            assert!(gap.to_string().starts_with(expected), "{gap}");
        }
    }
}
