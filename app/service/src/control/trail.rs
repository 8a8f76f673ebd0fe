//! The audit trail: kept in the journal, and each link published with its number and hash once it is on the disk.

use super::{Control, lock};
use sightline_configs::redact::{self, visible};
use sightline_journal::{AuditEntry, Journal, JournalError, Reader};
use sightline_uplink::Uplink;
use sightline_uplink::payload::{AuditMessage, to_json};
use std::sync::Weak;

/// Links published at a time.
const AT_ONCE: usize = 100;

/// How far the published copies are.
#[derive(Default)]
pub struct Published {
    reader: Option<(u64, Reader)>,
    to: u64,
}

impl Published {
    /// What was written before this run has been published by others; what the journal noted when it was opened was not.
    pub fn behind(journal: &Journal) -> Self {
        let to = journal.progress().links;
        let own = |reader: Reader| -> Result<u64, JournalError> {
            let latest = reader.audit_latest(4)?;
            let own = latest
                .iter()
                .take_while(|l| l.action.starts_with("journal."));
            Ok(own.count() as u64)
        };
        let own = journal.reader().and_then(own).unwrap_or(0);
        Self {
            reader: None,
            to: to.saturating_sub(own),
        }
    }

    /// The links since the last call.
    fn next(&mut self, journal: &Journal) -> Result<Vec<AuditEntry>, JournalError> {
        let progress = journal.progress();
        if progress.links < self.to {
            // Another chain was begun.
            self.to = 0;
        }
        if progress.links == self.to {
            return Ok(Vec::new());
        }
        if self
            .reader
            .as_ref()
            .is_none_or(|(file, _)| *file != progress.file)
        {
            self.reader = Some((progress.file, journal.reader()?));
        }
        let Some((_, reader)) = &self.reader else {
            return Ok(Vec::new());
        };
        let links = reader.audit_after(self.to, AT_ONCE)?;
        self.to = links.last().map_or(progress.links, |link| link.id);
        Ok(links)
    }
}

impl Control {
    /// Writes down who did or asked for what, and what became of it. Refusals that come in any number are summed up.
    pub fn audit(
        &self,
        actor: &str,
        action: &str,
        old: Option<String>,
        new: Option<String>,
        reason: &str,
    ) {
        let refused = reason.starts_with("refused") || action.ends_with("-refused");
        if refused && !lock(&self.flood).passes(action, reason, self.clock.now()) {
            return;
        }
        self.write_down(actor, action, old, new, reason);
    }

    /// Sums up what was not written down one by one, and publishes what the journal has taken. `last`: nothing comes after.
    pub fn follow_trail(&self, last: bool) {
        for summary in lock(&self.flood).due(self.clock.now(), last) {
            self.write_down("station", &summary.action, None, None, &summary.reason);
        }
        let uplink = self.uplink.get().and_then(Weak::upgrade);
        let (Some(journal), Some(uplink)) = (self.journal.get(), uplink) else {
            return;
        };
        match lock(&self.published).next(journal) {
            Ok(links) => links.into_iter().for_each(|link| publish(&uplink, link)),
            Err(error) => tracing::warn!(%error, "the audit trail is published later"),
        }
    }

    fn write_down(
        &self,
        actor: &str,
        action: &str,
        old: Option<String>,
        new: Option<String>,
        reason: &str,
    ) {
        let text = |text: &str, most| visible(&redact::secrets(text), most);
        let value = |value: Option<String>| value.map(|v| text(&v, 1_000));
        let (actor, action) = (&*text(actor, 80), &*text(action, 120));
        let (old, new, reason) = (value(old), value(new), &*text(reason, 2_000));
        tracing::info!(actor, action, ?old, ?new, reason, "audit");
        if let Some(journal) = self.journal.get() {
            let kept = journal.audit(actor, action, old.as_deref(), new.as_deref(), reason);
            if let Err(error) = kept {
                tracing::error!(%error, action, "an entry is missing from the audit trail");
            }
        } else if let Some(uplink) = self.uplink.get().and_then(Weak::upgrade) {
            let message = AuditMessage {
                schema: SCHEMA.into(),
                at: self.clock.utc().to_rfc3339(),
                actor: actor.chars().take(80).collect(),
                action: action.chars().take(120).collect(),
                old,
                new,
                reason: reason.chars().take(1_000).collect(),
                link: None,
                hash: None,
            };
            uplink.say("audit", to_json(&message));
        }
    }
}

const SCHEMA: &str = "sightline.audit.v1";

fn publish(uplink: &Uplink, link: AuditEntry) {
    let message = AuditMessage {
        schema: SCHEMA.into(),
        at: link.at.to_rfc3339(),
        actor: link.actor,
        action: link.action,
        old: link.old,
        new: link.new,
        reason: link.reason,
        link: Some(link.id),
        hash: Some(link.hash),
    };
    uplink.say("audit", to_json(&message));
}
