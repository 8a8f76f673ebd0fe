//! The station's journal: opened from the configuration, looked after, and settled at the end.

use crate::alarms::list::Events;
use sightline_configs::{Loaded, Station};
use sightline_domain::{AlarmKind, Clock, MonoTime};
use sightline_journal::{Journal, JournalSettings};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// How long the disk gets to take the last results at the end.
const LAST_RESULTS: Duration = Duration::from_secs(5);

/// Opens the configured journal. Without one, results live in memory only.
pub fn open(
    station: &Loaded<Station>,
    boot_id: Uuid,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Journal>> {
    let Some(config) = &station.value.journal else {
        return Ok(None);
    };
    let folder = station.base.join(&config.folder);
    Ok(Some(Journal::open(JournalSettings {
        marker: numbers_beside(&folder),
        folder,
        boot_id,
        clock: clock.clone(),
        deliver: station.value.mqtt.is_some(),
        commit_every: Duration::from_secs_f64(config.commit_every_ms / 1_000.0),
        queue: config.queue,
        queue_bytes: config.queue_mb << 20,
        // What no duration holds is for ever.
        keep: Duration::try_from_secs_f64(config.keep_days * 86_400.0).unwrap_or(Duration::MAX),
        max_bytes: config.max_mb.saturating_mul(1 << 20),
        check_at_most: Duration::from_secs_f64(config.check_s),
    })?))
}

/// A file beside the folder, so that numbers go on when somebody deletes the folder.
fn numbers_beside(folder: &Path) -> Option<PathBuf> {
    let mut name = folder.file_name()?.to_owned();
    name.push(".numbers");
    Some(folder.with_file_name(name))
}

/// After so long without another loss, losing is over.
const QUIET: Duration = Duration::from_secs(10);
/// Room is made when results come, which may be seldom.
const QUIET_ROOM: Duration = Duration::from_secs(60);

/// A count that must not grow, and until when its growth counts as going on.
#[derive(Default)]
struct Growth(u64, Option<MonoTime>);

impl Growth {
    /// The count, while it grows or has grown within `quiet`.
    fn of(&mut self, count: u64, now: MonoTime, quiet: Duration) -> Option<u64> {
        if count > self.0 {
            self.1 = Some(now + quiet);
        }
        self.0 = count;
        self.1.is_some_and(|end| now < end).then_some(count)
    }
}

/// Looks after the journal.
#[derive(Default)]
pub struct Keeping(Mutex<Losing>);

#[derive(Default)]
struct Losing {
    lost: Growth,
    removed: Growth,
}

impl Keeping {
    /// Raises and clears what people must know of the journal. To be called a few times a second.
    pub fn look(&self, journal: &Journal, events: &Events) {
        let (progress, queue) = (journal.progress(), journal.queue());
        let waiting = queue.len;
        let stuck = progress.stuck.map(|why| {
            format!("expected the disk to take results, found: {why}; {waiting} entries wait in memory, later ones are lost; make room on the disk")
        });
        events.set(AlarmKind::JournalStuck, stuck);
        let full = queue.max_bytes.is_some_and(|max| queue.bytes * 2 > max);
        let behind = (queue.len * 2 > queue.capacity || full).then(|| {
            format!("expected the disk to keep up, found {waiting} of {} entries waiting for it; look after the disk", queue.capacity)
        });
        events.set(AlarmKind::JournalBehind, behind);
        let mut losing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = events.now();
        let lost = losing.lost.of(progress.lost, now, QUIET).map(|lost| {
            format!("expected every result to be stored, found {lost} lost in this run because the disk took nothing; their numbers are noted in the journal")
        });
        events.set(AlarmKind::JournalLost, lost);
        let removed = progress.removed_unacknowledged;
        let removed = losing.removed.of(removed, now, QUIET_ROOM).map(|removed| {
            format!("expected the broker to be back before the journal was full, found {removed} results removed in this run that it never had; bring it back, or raise journal.max_mb")
        });
        events.set(AlarmKind::JournalFull, removed);
        events.set(AlarmKind::JournalSetAside, progress.set_aside);
    }

    /// Waits for the last results to be on the disk, `at_most` so long.
    pub fn settle(&self, journal: &Journal, events: &Events, at_most: Duration) {
        if !journal.flush(LAST_RESULTS.min(at_most)) {
            self.look(journal, events);
            tracing::error!("the journal could not take the last results; see the alarm");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losing_is_over_when_nothing_was_lost_for_a_while() {
        let mut lost = Growth::default();
        let at = |s: u64| MonoTime(s * 1_000_000_000);
        let mut look = |count, s| lost.of(count, at(s), QUIET);
        assert_eq!(look(0, 0), None);
        assert_eq!(look(1, 1), Some(1));
        assert_eq!(look(155, 5), Some(155));
        assert_eq!(look(155, 14), Some(155));
        assert_eq!(look(155, 15), None);
        assert_eq!(look(156, 100), Some(156));
    }
}
