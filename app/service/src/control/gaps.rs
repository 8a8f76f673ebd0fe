//! Numbers whose results will not come: told to the MES until it takes note, sent again where they are stored after all.

use super::Control;
use crate::station::running::Running;
use anyhow::{Context, bail, ensure};
use sightline_domain::AlarmKind;
use sightline_journal::{GapRecord, Journal};
use sightline_uplink::payload::{GapMessage, to_json};
use std::collections::BTreeMap;

/// Gaps that have a topic at a time; later ones follow as note is taken of these.
const TOPICS: usize = 64;
/// Ranges looked at for an answer, and named in it.
const LOOKED_AT: usize = 100_000;
const NAMED: usize = 5;

/// What was told.
#[derive(Default)]
pub struct Told {
    changes: Option<u64>,
    /// By first number: what its topic says.
    topics: BTreeMap<u64, GapRecord>,
}

impl Control {
    /// Tells gaps that are new, and empties the topics of those that somebody has taken note of.
    pub fn tell_gaps(&self, running: &Running) {
        let Some(journal) = &running.journal else {
            return;
        };
        let mut told = super::lock(&self.told);
        let changes = journal.progress().gap_changes;
        if told.changes == Some(changes) {
            return;
        }
        let open = match journal.reader().and_then(|r| r.gaps(true, LOOKED_AT)) {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "gaps are told later");
                return;
            }
        };
        told.changes = Some(changes);
        let now: BTreeMap<u64, GapRecord> = open
            .iter()
            .take(TOPICS)
            .map(|g| (g.first, g.clone()))
            .collect();
        if let Some(uplink) = &running.uplink {
            for first in told.topics.keys().filter(|first| !now.contains_key(first)) {
                uplink.retain(&format!("gap/{first}"), Vec::new());
            }
            for (first, gap) in &now {
                if told.topics.get(first) != Some(gap) {
                    uplink.retain(&format!("gap/{first}"), message(gap));
                }
            }
        }
        told.topics = now;
        running.events.set(AlarmKind::JournalGap, alarm(&open));
    }
}

fn message(gap: &GapRecord) -> Vec<u8> {
    to_json(&GapMessage {
        schema: "sightline.gap.v1".into(),
        first: gap.first,
        last: gap.last,
        count: gap.last - gap.first + 1,
        at: gap.at.to_rfc3339(),
        reason: gap.why.clone(),
    })
}

fn alarm(open: &[GapRecord]) -> Option<String> {
    let first = open.first()?;
    let count: u64 = open.iter().map(|g| g.last - g.first + 1).sum();
    Some(format!(
        "expected a result for every number, found {count} whose results will not come ({}): {}; let the MES take note with the command `skip`, or acknowledge this alarm; `sightline journal stat` lists them",
        ranges(open),
        first.why
    ))
}

/// The first few, in words.
fn ranges(gaps: &[GapRecord]) -> String {
    let one = |g: &GapRecord| match g.first == g.last {
        true => g.first.to_string(),
        false => format!("{} to {}", g.first, g.last),
    };
    let mut named: Vec<String> = gaps.iter().take(NAMED).map(one).collect();
    if gaps.len() > NAMED {
        named.push(format!("{} more ranges", gaps.len() - NAMED));
    }
    named.join(", ")
}

/// Sends stored results again.
pub fn resend(running: &Running, first: u64, last: u64) -> anyhow::Result<String> {
    let journal = journal(running)?;
    let stored = journal.progress().committed_to;
    ensure!(
        first <= stored,
        "expected numbers up to {stored}, the last that is stored, found {first}"
    );
    let last = last.min(stored);
    let uplink = running
        .uplink
        .as_ref()
        .context("this station has no broker")?;
    let rate = uplink
        .resend(first, last)
        .context("this station sends from memory; write [journal]")?;
    let all = journal.reader()?.gaps(false, LOOKED_AT)?;
    let without: Vec<GapRecord> = all
        .into_iter()
        .filter(|g| g.first <= last && g.last >= first)
        .collect();
    let but = match without.is_empty() {
        true => String::new(),
        false => format!("; these have none: {}", ranges(&without)),
    };
    Ok(format!(
        "the stored results of {first} to {last} are sent again, at most {rate} a second, with `replayed` true{but}"
    ))
}

/// The MES has taken note of gaps.
pub fn skip(running: &Running, first: u64, last: u64, by: &str) -> anyhow::Result<String> {
    let journal = journal(running)?;
    let open = journal.reader()?.gaps(true, LOOKED_AT)?;
    let (within, others): (Vec<_>, Vec<_>) = open
        .into_iter()
        .partition(|g| g.first >= first && g.last <= last);
    if within.is_empty() {
        match others.is_empty() {
            true => bail!("expected a gap within {first} to {last}, found none at all"),
            false => bail!(
                "expected a gap within {first} to {last}, found {}; give its whole range",
                ranges(&others)
            ),
        }
    }
    journal.take_note(first, last, by)?;
    let count: u64 = within.iter().map(|g| g.last - g.first + 1).sum();
    Ok(format!(
        "noted that the results of {count} numbers will not come: {}",
        ranges(&within)
    ))
}

/// Somebody has seen that there are gaps: all of them.
pub fn seen(running: &Running, by: &str) -> anyhow::Result<()> {
    let journal = journal(running)?;
    journal.take_note(1, i64::MAX as u64, by)?;
    Ok(())
}

fn journal(running: &Running) -> anyhow::Result<&Journal> {
    running
        .journal
        .as_ref()
        .context("this station keeps no results; write [journal]")
}
