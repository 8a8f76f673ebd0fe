//! The delivery side of a station alone: results at a rate into journal and uplink, until SIGINT.

use super::clock::SteppedClock;
use super::diary::Diary;
use super::maker::{Maker, parts};
use crate::uplink::identity;
use sightline_configs::station::Mqtt;
use sightline_domain::Clock;
use sightline_journal::{Journal, JournalSettings};
use sightline_uplink::{Counters, Uplink, UplinkSettings};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Results that may wait for the disk: half of what the queue holds.
const MOST_WAITING: usize = 5_000;

/// Every so manieth result also goes as a copy, such as the audit trail's.
const AUDITED: u64 = 50;

/// What is produced, and where it goes.
pub struct Production<'a> {
    /// The journal's folder.
    pub journal: &'a Path,
    /// The broker's port.
    pub broker_port: u16,
    /// Results a second.
    pub rate_hz: f64,
    /// The most that are made.
    pub most: u64,
    /// How long the broker gets for the last ones.
    pub patience: Duration,
    /// Where each result is written down as it was made, before anybody else has it.
    pub diary: Option<&'a Path>,
    /// The station's clock.
    pub clock: Arc<SteppedClock>,
}

/// Runs until SIGINT or until all are made, then settles. Returns the last counters.
pub fn run(production: Production<'_>) -> Counters {
    let Production { rate_hz, most, .. } = production;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone()).expect("SIGINT");
    let clock: Arc<dyn Clock> = production.clock;
    let boot_id = Uuid::now_v7();
    let journal = Journal::open(JournalSettings {
        boot_id,
        clock: clock.clone(),
        marker: Some(super::marker(production.journal)),
        ..parts::settings(production.journal)
    })
    .expect("the journal");
    let mqtt = Mqtt::to(&format!("mqtt://127.0.0.1:{}", production.broker_port));
    let levels = ["sightline", "demo", "assembly", "line1", "demo", "station1"];
    let settings = UplinkSettings::new(identity(levels), mqtt, clock.clone());
    let uplink = Uplink::start_over(settings, journal.clone()).expect("the uplink");
    let mut maker = Maker::new(boot_id, journal.first_seq(), clock);
    let mut diary = production.diary.map(Diary::append_to);
    for topic in ["state", "recipe/active", "model/active", "gap/1"] {
        uplink.retain(topic, b"{}".to_vec());
    }
    let (begin, mut made) = (Instant::now(), 0);
    while !stop.load(Ordering::SeqCst) && made < most {
        let due = ((begin.elapsed().as_secs_f64() * rate_hz) as u64).min(most);
        while made < due && journal.queue().len < MOST_WAITING {
            let (result, json) = maker.make();
            if let Some(diary) = &mut diary {
                diary.note(result.seq, &json);
            }
            if result.seq % AUDITED == 0 {
                uplink.say("audit", json.to_vec());
            }
            journal.submit(&result, json).expect("room");
            made += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(
        journal.flush(crate::PATIENCE),
        "the journal does not take the last results"
    );
    drop(journal);
    uplink.stop(production.patience)
}
