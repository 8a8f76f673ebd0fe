//! Recording what comes into the flow, and inspecting it again on a clock of its own: same input, same bytes.

use crate::alarms::list::Events;
use crate::cli::output::{self, Blame, Outcome};
use crate::models::engines::{self, EngineRoom};
use crate::station::result_sink::{Mailbox, Results};
use anyhow::Context;
use serde_json::json;
use sightline_configs::{Station, station};
use sightline_domain::{Clock, Generation, MockClock};
use sightline_flow::{
    CameraShape, FlowHandle, FlowSettings, Lockstep, Recorder, Recording, RecordingTap,
};
use sightline_verdict::{ResultConfig, ResultMaker, SeededIds};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Stands before the flow and writes down what it takes.
pub type Tap = RecordingTap<BufWriter<File>>;

/// Slots are made so large in a replay where the configuration does not say.
const DEFAULT_SLOT_BYTES: usize = 8 << 20;
/// What a decoder may pad a picture by, pixels a side.
const PADDING: usize = 64;

/// Begins a recording into `path`.
pub fn begin(
    path: &Path,
    config: &Station,
    flow: &FlowHandle,
    clock: &Arc<dyn Clock>,
    events: &Arc<Events>,
) -> anyhow::Result<Arc<Tap>> {
    let file =
        File::create(path).with_context(|| format!("cannot record into {}", path.display()))?;
    let recorder = Recorder::new(BufWriter::new(file), &shapes(config))?;
    Ok(Arc::new(RecordingTap::new(
        flow.tap(),
        flow.trigger(),
        recorder,
        clock.clone(),
        events.clone(),
    )))
}

fn shapes(config: &Station) -> Vec<CameraShape> {
    let bytes = |camera: &station::Camera| match (camera.slot_bytes, camera.width, camera.height) {
        (Some(bytes), ..) => bytes,
        (None, Some(w), Some(h)) => (w as usize + PADDING) * (h as usize + PADDING) * 3,
        _ => DEFAULT_SLOT_BYTES,
    };
    let shape = |c: &station::Camera| CameraShape {
        slots: c.slots as u32,
        slot_bytes: bytes(c) as u64,
    };
    config.cameras.iter().map(shape).collect()
}

/// Inspects a recording again: one thread, the recorded clock, no gate, fixed ids.
pub fn replay(file: &Path, config: &Path, json: bool) -> Outcome {
    let (station, recipe) = sightline_configs::load(config).wrong_use()?;
    let opened =
        File::open(file).with_context(|| format!("expected a recording at {}", file.display()));
    let recording = Recording::open(BufReader::new(opened.wrong_use()?)).wrong_use()?;
    let models = EngineRoom::open(&station.value.engine, &station.base)
        .and_then(|room| room.open_models(&recipe));
    let build = engines::build(
        Generation(1),
        &station.value,
        &recipe,
        Arc::new(models.wrong_use()?),
    )
    .wrong_use()?;
    let clock = Arc::new(MockClock::default());
    let mut settings = FlowSettings::new(
        clock.clone(),
        station.value.cameras.iter().map(|c| c.slots).collect(),
    );
    settings.every_frame = crate::station::settings::every_frame(&station.value).wrong_use()?;
    settings.triggered = crate::station::settings::triggered(&station.value);
    let events = Arc::new(Events::new(None, clock.clone()));
    let mailbox = Arc::new(Mailbox::new(usize::MAX));
    let results = Results {
        journal: None,
        uplink: None,
        events: events.clone(),
        line: None,
        mailbox: Some(mailbox.clone()),
        on_result: None,
        control: None,
        consoles: None,
        plausibility: Default::default(),
    };
    let maker = ResultMaker::new(
        ResultConfig {
            station: station.value.station.name.clone(),
            boot_id: Uuid::nil(),
            configuration_hash: station.hash.clone(),
            is_simulated: station.value.simulation.is_some(),
            with_findings_below_limit: false,
            first_seq: 1,
        },
        Box::new(SeededIds::from_number(0)),
    );
    let step = Lockstep::new(
        settings,
        clock,
        build,
        None,
        maker,
        Box::new(results),
        events,
    )
    .failed()?;
    let counts = step.replay(recording).failed()?;
    let summary = json!({
        "kind": "summary",
        "parts": counts.parts,
        "ok": counts.ok,
        "not_ok": counts.not_ok,
        "not_decidable": counts.not_decidable,
    });
    if json {
        mailbox
            .take()
            .iter()
            .for_each(|(_, bytes)| output::raw_line(&[bytes, &b"\n"[..]].concat()));
        output::json_line(&summary);
    } else {
        output::say(&format!("{summary}"));
    }
    Ok(())
}
