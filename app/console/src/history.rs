//! What happened, read from the journal for people: parts, figures, history of alarms, audit trail. On a console's own
//! thread, with a connection of its own for each question: the writer and the flow do not notice.

use crate::recent_parts;
use sightline_domain::{Disposition, Evaluation, InspectionResult, UtcMicros};
use sightline_journal::records::Bucket;
use sightline_journal::{Journal, Query, Reader, StoredResult};
use sightline_wire::ask::{AlarmRow, AuditRow, PartFilter, QualityFacts};
use sightline_wire::snapshot::PartCard;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the disk gets to take what came before a question.
const FLUSH: Duration = Duration::from_secs(1);
/// Parts whose scores and times are looked at.
const SAMPLE: usize = 500;
/// Slices of the trend.
const SLICES: u32 = 20;
/// Causes summed up.
const CAUSES: usize = 500;
const MINUTE_US: i64 = 60_000_000;
/// The longest span that is asked for, minutes.
const LONGEST: u32 = 90 * 24 * 60;

type Read<T> = anyhow::Result<T>;

/// The journal, to be read.
pub struct History {
    reader: Reader,
}

impl History {
    /// With everything that was handed over so far.
    pub fn of(journal: &Journal) -> Read<Self> {
        journal.flush(FLUSH);
        Ok(Self {
            reader: journal.reader()?,
        })
    }

    /// The newest links of the audit trail, newest first.
    pub fn trail(&self, limit: usize) -> Read<Vec<AuditRow>> {
        let links = self.reader.audit_latest(limit)?;
        let row = |l: sightline_journal::AuditEntry| AuditRow {
            at: l.at,
            actor: l.actor,
            action: l.action,
            old: l.old.unwrap_or_default(),
            new: l.new.unwrap_or_default(),
            reason: l.reason,
        };
        Ok(links.into_iter().map(row).collect())
    }

    /// The newest changes of alarms, newest first.
    pub fn alarms(&self, limit: usize) -> Read<Vec<AlarmRow>> {
        let changes = self.reader.alarms(limit)?;
        Ok(changes.into_iter().map(crate::alarms::row).collect())
    }

    /// The newest parts that the filter lets through, newest first.
    pub fn parts(&self, filter: &PartFilter, limit: usize, now: UtcMicros) -> Read<Vec<PartCard>> {
        let query = Query {
            from: (filter.minutes > 0).then(|| minutes_before(now, filter.minutes)),
            camera: filter.camera.clone(),
            cause: filter.cause.clone(),
            reviewed: filter.reviewed,
            ..Query::default()
        };
        let disposition = match filter.passed {
            true => Disposition::Pass,
            false => Disposition::Reject,
        };
        let stored = self.reader.parts(disposition, &query, limit)?;
        stored.iter().map(|s| self.card(s)).collect()
    }

    /// One part.
    pub fn part(&self, seq: u64) -> Read<Option<PartCard>> {
        let stored = self.reader.result(seq)?;
        stored.map(|s| self.card(&s)).transpose()
    }

    fn card(&self, stored: &StoredResult) -> Read<PartCard> {
        let result: InspectionResult = serde_json::from_slice(&stored.json)?;
        let mut card = recent_parts::card(&result);
        card.overruled = self.last_word(stored.seq)?;
        Ok(card)
    }

    /// What a person said of a part last: true, it is good.
    pub fn last_word(&self, seq: u64) -> Read<Option<bool>> {
        let last = self.reader.reviews_of(seq)?.pop();
        Ok(last.map(|r| r.evaluation == Evaluation::OK))
    }

    /// The last word on each part, with its comment and who said it.
    pub fn reviews(&self) -> Read<BTreeMap<u64, sightline_journal::Review>> {
        let mut last = BTreeMap::new();
        let mut after = 0;
        loop {
            let reviews = self.reader.reviews_after(after, 1_000)?;
            let Some(newest) = reviews.last() else {
                return Ok(last);
            };
            after = newest.id;
            last.extend(reviews.into_iter().map(|r| (r.seq, r)));
        }
    }

    /// Defects, yield and times of the last `minutes`.
    pub fn quality(&self, minutes: u32, now: UtcMicros) -> Read<QualityFacts> {
        let minutes = minutes.clamp(1, LONGEST);
        let query = Query {
            from: Some(minutes_before(now, minutes)),
            ..Query::default()
        };
        let each = minutes.div_ceil(SLICES);
        let buckets = self
            .reader
            .counts_by_time(&query, Duration::from_secs(u64::from(each) * 60))?;
        let reviews = self.reader.review_counts(&query)?;
        let mut facts = QualityFacts {
            parts: buckets.iter().map(|b| b.counts.parts).sum(),
            pareto: self.pareto(&query)?,
            trend: trend(&buckets, each, minutes, now),
            rejects_reviewed: (
                reviews.rejects_bad + reviews.rejects_good,
                reviews.rejects_good,
            ),
            passes_reviewed: (reviews.passes_good + reviews.passes_bad, reviews.passes_bad),
            ..QualityFacts::default()
        };
        for stored in self.reader.latest(SAMPLE)? {
            if query.from.is_some_and(|from| stored.decided < from) {
                break;
            }
            let result: InspectionResult = serde_json::from_slice(&stored.json)?;
            sample(&recent_parts::card(&result), &mut facts);
        }
        let findings = |tenths: &[u32; 10]| tenths.iter().sum::<u32>();
        (facts.scores).sort_by_key(|(_, tenths)| std::cmp::Reverse(findings(tenths)));
        Ok(facts)
    }

    /// Causes on all cameras, most parts first.
    fn pareto(&self, query: &Query) -> Read<Vec<(String, u64)>> {
        let mut sums = BTreeMap::<String, u64>::new();
        for bar in self.reader.pareto(query, CAUSES)? {
            *sums.entry(bar.cause).or_default() += bar.parts;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, parts)| std::cmp::Reverse(*parts));
        Ok(sums)
    }
}

fn minutes_before(now: UtcMicros, minutes: u32) -> UtcMicros {
    UtcMicros(now.0 - i64::from(minutes.min(LONGEST)) * MINUTE_US)
}

/// Minutes ago, parts and rejects of each slice, oldest first, also of those without parts.
fn trend(buckets: &[Bucket], each: u32, minutes: u32, now: UtcMicros) -> Vec<(u32, u32, u32)> {
    let slices = minutes.div_ceil(each);
    let mut all: Vec<_> = (0..slices).rev().map(|i| (i * each, 0, 0)).collect();
    let step = i64::from(each) * MINUTE_US;
    // As the journal cuts time: in multiples of the step.
    let newest = now.0.div_euclid(step);
    for bucket in buckets {
        let ago = newest - bucket.start.0.div_euclid(step);
        // What lies before the first slice is its beginning.
        let ago = ago.clamp(0, i64::from(slices) - 1) as usize;
        let slice = &mut all[slices as usize - 1 - ago];
        slice.1 += bucket.counts.parts as u32;
        slice.2 += bucket.counts.rejected as u32;
    }
    all
}

fn sample(card: &PartCard, facts: &mut QualityFacts) {
    facts.sampled += 1;
    for (_, finding) in card.causes() {
        let known = facts.scores.iter().position(|(c, _)| *c == finding.class);
        let at = known.unwrap_or_else(|| {
            facts.scores.push((finding.class.clone(), [0; 10]));
            facts.scores.len() - 1
        });
        facts.scores[at].1[tenth(finding.score)] += 1;
    }
    let whole = (card.took_ms + card.margin_ms).max(1.0);
    facts.times[tenth(card.took_ms / whole)] += 1;
}

fn tenth(share: f32) -> usize {
    ((share.max(0.0) * 10.0) as usize).min(9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightline_journal::records::Counts;

    #[test]
    fn the_trend_has_a_slice_for_every_time() {
        let now = UtcMicros(100 * MINUTE_US + 30_000_000);
        let bucket = |minute: i64, parts| Bucket {
            start: UtcMicros(minute * MINUTE_US),
            counts: Counts {
                parts,
                rejected: 1,
                ..Counts::default()
            },
        };
        // Slices of 3 minutes begin at multiples of 3: 99 is the newest, 42 the first of 20.
        let told = trend(&[bucket(39, 1), bucket(42, 2), bucket(99, 5)], 3, 60, now);
        assert_eq!(told.len(), 20);
        assert_eq!(told[0], (57, 3, 2));
        assert_eq!(told[19], (0, 5, 1));
        assert!(told[1..19].iter().all(|s| s.1 == 0));
    }
}
