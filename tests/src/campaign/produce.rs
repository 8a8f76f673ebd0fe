//! The delivery side of a station alone: results at a rate into journal and uplink, until SIGINT.

#[path = "../../../app/journal/tests/common/mod.rs"]
mod parts;

use bytes::Bytes;
use sightline_configs::station::{Identity, Mqtt};
use sightline_journal::{Journal, JournalSettings};
use sightline_model::{Clock, InspectionResult, SystemClock};
use sightline_uplink::{Counters, Patience, Uplink, UplinkSettings};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Results that may wait for the disk: half of what the queue holds.
const MOST_WAITING: usize = 5_000;

/// Runs until SIGINT or until `most` results are made, then settles for at most `patience`. Returns the last counters.
pub fn run(
    folder: &Path,
    broker_port: u16,
    rate_hz: f64,
    most: u64,
    patience: Duration,
) -> Counters {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone()).expect("SIGINT");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let journal = Journal::open(JournalSettings {
        boot_id: Uuid::now_v7(),
        clock: clock.clone(),
        ..parts::settings(folder)
    })
    .expect("the journal");
    let uplink = Uplink::start_over(settings(broker_port, clock.clone()), journal.clone())
        .expect("the uplink");
    let (begin, first) = (Instant::now(), journal.first_seq());
    let mut made = 0;
    while !stop.load(Ordering::SeqCst) && made < most {
        let due = ((begin.elapsed().as_secs_f64() * rate_hz) as u64).min(most);
        while made < due && journal.queue().len < MOST_WAITING {
            let (result, json) = part(first + made, &*clock);
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
    uplink.stop(patience)
}

/// One in seven has defects.
fn part(seq: u64, clock: &dyn Clock) -> (InspectionResult, Bytes) {
    let mut result = match seq % 7 {
        0 => parts::bad(seq, "open", 2),
        _ => parts::good(seq),
    };
    // A number whose result was never committed is given again, to another part.
    result.event_id = Uuid::now_v7();
    result.times.decided = clock.utc().to_rfc3339();
    let json = parts::json(&result);
    (result, json)
}

fn settings(broker_port: u16, clock: Arc<dyn Clock>) -> UplinkSettings {
    let level = |s: &str| s.to_string();
    let mqtt = format!("broker = \"mqtt://127.0.0.1:{broker_port}\"");
    let mqtt: Mqtt = toml::from_str(&mqtt).expect("settings");
    UplinkSettings {
        identity: Identity {
            enterprise: level("sightline"),
            site: level("demo"),
            area: level("assembly"),
            line: level("line1"),
            cell: level("demo"),
            name: level("station1"),
        },
        mqtt,
        sparkplug: None,
        base: "".into(),
        session: "campaign".into(),
        clock,
        commands: None,
        patience: Patience::default(),
    }
}
