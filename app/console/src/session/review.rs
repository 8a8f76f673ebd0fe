//! Parts that were decided: found again, looked at, judged anew by a person.

use super::{ConsoleSession, Done, PICTURE, ROWS, done, failed, needed};
use crate::dataset::{Dataset, Picture};
use anyhow::Context;
use sightline_domain::{Disposition, Evaluation, UtcMicros};
use sightline_journal::Review;
use sightline_wire::ask::PartFilter;
use sightline_wire::snapshot::PartCard;
use sightline_wire::{Answer, Refusal, Reply};

impl ConsoleSession {
    pub(super) fn parts(&self, filter: &PartFilter) -> Done {
        let limit = filter.limit.min(ROWS) as usize;
        let found = self.history()?.parts(filter, limit, self.context.utc());
        let mut found = found.map_err(failed)?;
        for card in &mut found {
            self.context.mark_pictures(card);
        }
        Ok(Answer::Parts(found).into())
    }

    pub(super) fn picture(&self, seq: u64, view: u16) -> Done {
        let part = self.history()?.part(seq).map_err(failed)?;
        let pictures = self.context.pictures(&part.ok_or(Refusal::NotThere)?);
        let kept = pictures.get(usize::from(view)).and_then(Option::as_ref);
        let kept = kept.ok_or(Refusal::NotKept)?;
        let (head, pixels) = kept.fitting(PICTURE).ok_or(Refusal::NotKept)?;
        Ok(Reply {
            answer: Answer::Picture(head),
            pixels,
        })
    }

    pub(super) fn review(&self, who: &str, seq: u64, good: bool, reason: &str) -> Done {
        let reason = needed(reason)?;
        let journal = self.context.journal.as_ref().ok_or(Refusal::NotKept)?;
        let history = self.history()?;
        let part = history
            .part(seq)
            .map_err(failed)?
            .ok_or(Refusal::NotThere)?;
        let name = |good| if good { "good" } else { "bad" };
        let old = match (part.overruled, part.disposition) {
            (Some(good), _) => name(good),
            (None, Disposition::Pass) => "passed",
            (None, Disposition::Reject) => "rejected",
        };
        let action = format!("review {}", part.event_id);
        let review = Review {
            id: 0,
            at: UtcMicros(0),
            seq,
            event_id: part.event_id.parse().map_err(|_| Refusal::NotThere)?,
            by: who.to_owned(),
            evaluation: match good {
                true => Evaluation::OK,
                false => Evaluation::NotOK,
            },
            comment: reason.clone(),
        };
        journal
            .review(review.clone())
            .map_err(|e| failed(e.into()))?;
        self.context.handle.tell_review(&review);
        self.context.audit(who, &action, old, name(good), &reason);
        self.keep(part)
            .context("the review is kept, its pictures are not")
            .map_err(failed)?;
        done()
    }

    /// Lets the pictures of a part that a person has judged leave, before they make room for others.
    fn keep(&self, part: PartCard) -> anyhow::Result<()> {
        let Some(exports) = &self.context.exports else {
            return Ok(());
        };
        let pictures = self.context.pictures(&part);
        let pictures: Vec<Picture> = (pictures.iter().enumerate())
            .filter_map(|(i, kept)| Picture::of(i, kept.as_ref()?))
            .collect();
        Dataset::in_exports(exports).keep(part, &pictures)
    }
}
