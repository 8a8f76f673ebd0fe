//! The station's journal: opened from the configuration, looked after, and settled at the end.

use crate::events::Events;
use sightline_configs::{Loaded, Station};
use sightline_journal::{Journal, JournalSettings};
use sightline_model::{AlarmSeverity, Clock};
use std::sync::Arc;
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
    Ok(Some(Journal::open(JournalSettings {
        folder: station.base.join(&config.folder),
        boot_id,
        clock: clock.clone(),
        deliver: station.value.mqtt.is_some(),
        commit_every: Duration::from_secs_f64(config.commit_every_ms / 1_000.0),
        queue: config.queue,
        queue_bytes: config.queue_mb << 20,
        keep: Duration::from_secs_f64(config.keep_days * 86_400.0),
        max_bytes: config.max_mb << 20,
        check_at_most: Duration::from_secs_f64(config.check_s),
    })?))
}

/// Raises and clears what people must know of the journal. To be called a few times a second.
pub fn look(journal: &Journal, events: &Events) {
    let (progress, queue) = (journal.progress(), journal.queue());
    let urgent = |id: &str, raised| events.set(id.into(), AlarmSeverity::Urgent, raised);
    let waiting = queue.len;
    urgent(
        "journal-stuck",
        progress.stuck.map(|why| {
            format!("expected the disk to take results, found: {why}; {waiting} entries wait in memory, later ones are lost; make room on the disk")
        }),
    );
    let half =
        queue.len * 2 > queue.capacity || queue.max_bytes.is_some_and(|max| queue.bytes * 2 > max);
    urgent(
        "journal-behind",
        half.then(|| {
            format!("expected the disk to keep up, found {waiting} of {} entries waiting for it; look after the disk", queue.capacity)
        }),
    );
    urgent(
        "journal-lost",
        (progress.lost > 0).then(|| {
            format!("expected every result to be stored, found {} lost because the disk took nothing; their numbers are noted in the journal", progress.lost)
        }),
    );
    urgent(
        "journal-full",
        (progress.removed_unacknowledged > 0).then(|| {
            format!("expected the broker to be back before the journal was full, found {} results removed that it never had; bring it back, or raise journal.max_mb", progress.removed_unacknowledged)
        }),
    );
    events.set(
        "journal-set-aside".into(),
        AlarmSeverity::High,
        progress.set_aside,
    );
}

/// Waits for the last results to be on the disk.
pub fn settle(journal: &Journal, events: &Events) {
    if !journal.flush(LAST_RESULTS) {
        look(journal, events);
        tracing::error!("the journal could not take the last results; see the alarm");
    }
}
