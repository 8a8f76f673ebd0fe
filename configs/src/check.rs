//! What the types cannot say: rules between fields and between the two files. Pure; nothing is opened.

mod recipe;

pub use recipe::check_recipe;

use crate::read::Source;
use crate::station::{
    Arrangement, Camera, Engine, Gate, GateAt, GateKind, Simulation, Source as CameraSource,
    Sparkplug, Station, Trigger,
};
use crate::{Problem, nearest};
use std::collections::HashSet;

/// Largest frame a slot may hold, bytes.
const LARGEST_FRAME: usize = 1 << 30;
/// Largest memory of all slots together, bytes.
const ALL_FRAMES: usize = 64 << 30;
const HOUR_MS: u64 = 3_600_000;
/// Rows of the longest line scans.
const LONGEST_SIDE: u32 = 32_768;
const YEAR_S: f64 = 366.0 * 86_400.0;

/// Collects problems of one file.
pub(crate) struct Report<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Report<'_> {
    pub(crate) fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.problems.push(self.source.problem(field, message));
    }

    pub(crate) fn require(
        &mut self,
        good: bool,
        field: impl Into<String>,
        message: impl FnOnce() -> String,
    ) {
        if !good {
            self.add(field, message());
        }
    }

    /// `found` must be one of `known`.
    fn one_of<'k>(
        &mut self,
        field: String,
        what: &str,
        found: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        if known.clone().any(|k| k == found) {
            return;
        }
        let hint = match nearest(found, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.add(
            field,
            format!("expected the name of a {what}, found `{found}`; {hint}"),
        );
    }

    fn unique<'k>(&mut self, list: &str, what: &str, names: impl Iterator<Item = &'k str>) {
        let mut seen = HashSet::new();
        for (i, name) in names.enumerate() {
            self.name(format!("{list}[{i}].name"), name);
            self.require(seen.insert(name), format!("{list}[{i}].name"), || {
                format!("two {what}s are called `{name}`; give each its own name")
            });
        }
    }
}

/// Everything wrong with a configuration by itself.
pub fn check_station(station: &Station, source: &Source) -> Vec<Problem> {
    let mut r = Report {
        source,
        problems: Vec::new(),
    };
    check_identity(&mut r, station);
    r.require(!station.cameras.is_empty(), "cameras", || {
        "expected at least one [[cameras]], found none".into()
    });
    r.unique(
        "cameras",
        "camera",
        station.cameras.iter().map(|c| c.name.as_str()),
    );
    for (i, camera) in station.cameras.iter().enumerate() {
        check_camera(
            &mut r,
            &format!("cameras[{i}]"),
            camera,
            station.simulation.is_some(),
        );
    }
    check_memory(&mut r, station);
    if let Some(core) = station.threads.stage_core {
        r.core("threads.stage_core", core);
    }
    crate::devices::check_shared(&mut r, &station.cameras);
    check_trigger(&mut r, station);
    check_engine(&mut r, &station.engine);
    check_gate(&mut r, station, &station.gate);
    if let Some(models) = &station.models {
        crate::models::check(&mut r, models);
    }
    if let Some(mqtt) = &station.mqtt {
        crate::mqtt::check(&mut r, mqtt);
    }
    if let Some(journal) = &station.journal {
        crate::journal::check(&mut r, journal);
    }
    if let Some(console) = &station.console {
        crate::console::check(&mut r, console);
    }
    if let Some(sparkplug) = &station.sparkplug {
        check_sparkplug(&mut r, station, sparkplug);
    }
    if let Some(simulation) = &station.simulation {
        check_simulation(&mut r, station, simulation);
    }
    r.problems
}

fn check_identity(r: &mut Report<'_>, station: &Station) {
    let id = &station.station;
    let levels = [
        ("enterprise", &id.enterprise),
        ("site", &id.site),
        ("area", &id.area),
        ("line", &id.line),
        ("cell", &id.cell),
        ("name", &id.name),
    ];
    for (field, level) in levels {
        r.name(format!("station.{field}"), level);
    }
}

fn check_camera(r: &mut Report<'_>, at: &str, camera: &Camera, has_simulation: bool) {
    // One slot fills while another is looked at.
    r.within(format!("{at}.slots"), camera.slots, 2..=256, "slots");
    r.within_if(
        format!("{at}.slot_bytes"),
        camera.slot_bytes,
        1..=LARGEST_FRAME,
        "bytes",
    );
    if let Some(core) = camera.core {
        r.core(format!("{at}.core"), core);
    }
    r.require(
        camera.width.is_some() == camera.height.is_some(),
        format!("{at}.width"),
        || "expected both width and height, or neither; write the missing one".into(),
    );
    for (field, size) in [("width", camera.width), ("height", camera.height)] {
        r.within_if(format!("{at}.{field}"), size, 1..=LONGEST_SIDE, "pixels");
    }
    r.within(format!("{at}.stall_ms"), camera.stall_ms, 1..=HOUR_MS, "ms");
    let retry = &camera.retry;
    for (field, ms) in [("first_ms", retry.first_ms), ("max_ms", retry.max_ms)] {
        r.within(format!("{at}.retry.{field}"), ms, 1..=HOUR_MS, "ms");
    }
    let give_up = camera.retry.give_up_after;
    r.within_if(
        format!("{at}.retry.give_up_after"),
        give_up,
        1..=1_000_000,
        "attempts",
    );
    r.require(
        camera.retry.first_ms <= camera.retry.max_ms,
        format!("{at}.retry.first_ms"),
        || {
            format!(
                "expected at most retry.max_ms = {}, found {}",
                camera.retry.max_ms, camera.retry.first_ms
            )
        },
    );
    r.share(format!("{at}.retry.jitter"), camera.retry.jitter);
    crate::devices::check_time(r, at, camera);
    crate::health::check(r, at, &camera.health);
    crate::health::check_levels(r, at, camera);
    check_source(r, &format!("{at}.source"), &camera.source, has_simulation);
}

/// All frame memory is allocated at start.
fn check_memory(r: &mut Report<'_>, station: &Station) {
    let of = |c: &Camera| {
        let size = |side: Option<u32>| side.unwrap_or(0) as usize;
        let largest = (size(c.width).saturating_mul(size(c.height))).saturating_mul(4);
        c.slot_bytes.unwrap_or(largest).saturating_mul(c.slots)
    };
    let bytes = station.cameras.iter().map(of);
    let bytes = bytes.fold(0usize, usize::saturating_add);
    r.require(bytes <= ALL_FRAMES, "cameras", || {
        format!(
            "expected slots of all cameras within {} GiB together, found {} GiB; give fewer slots or smaller frames",
            ALL_FRAMES >> 30,
            bytes >> 30
        )
    });
}

fn check_source(r: &mut Report<'_>, at: &str, source: &CameraSource, has_simulation: bool) {
    match source {
        CameraSource::Simulated { face } => {
            r.require(has_simulation, at, || {
                "a simulated camera needs the simulated line; write a [simulation] section".into()
            });
            r.within_if(format!("{at}.face"), *face, 0..=1_023, "");
        }
        CameraSource::Images {
            rate_hz,
            repeat,
            watch,
            ..
        } => {
            r.require(!(*watch && (*repeat || rate_hz.is_some())), format!("{at}.watch"), || {
                "a hot folder shows each picture once, when it comes; remove repeat and rate_hz, or watch".into()
            });
            r.within_if(
                format!("{at}.rate_hz"),
                *rate_hz,
                0.001..=10_000.0,
                "pictures a second",
            );
        }
        CameraSource::Rtsp { .. } => crate::devices::check_rtsp(r, at, source),
        CameraSource::V4l2 { fps, .. } => {
            r.within_if(format!("{at}.fps"), *fps, 1..=1_000, "frames a second");
        }
        CameraSource::Pipeline { description, .. } => {
            r.require(!description.trim().is_empty(), format!("{at}.description"), || {
                "expected a GStreamer description such as `videotestsrc is-live=true`, found nothing".into()
            });
        }
        CameraSource::Video { .. } => {}
    }
}

fn check_trigger(r: &mut Report<'_>, station: &Station) {
    match &station.trigger {
        Trigger::Simulated {} => r.require(station.simulation.is_some(), "trigger.kind", || {
            "the simulated photo-eye needs the simulated line; write a [simulation] section".into()
        }),
        Trigger::EveryFrame { camera } => {
            r.one_of(
                "trigger.camera".into(),
                "camera",
                camera,
                station.cameras.iter().map(|c| c.name.as_str()),
            );
        }
        Trigger::Rate { hz } => r.within("trigger.hz", *hz, 0.001..=1_000.0, "parts a second"),
        Trigger::Command {
            uncertainty_ms,
            spacing_ms,
        } => {
            r.within(
                "trigger.uncertainty_ms",
                *uncertainty_ms,
                0.0..=10_000.0,
                "ms",
            );
            r.within_if("trigger.spacing_ms", *spacing_ms, 1.0..=86_400_000.0, "ms");
        }
    }
}

fn check_engine(r: &mut Report<'_>, engine: &Engine) {
    r.within(
        "engine.batch_wait_ms",
        engine.batch_wait_ms,
        0.0..=1_000.0,
        "ms",
    );
    r.within(
        "engine.keep_warm_ms",
        engine.keep_warm_ms,
        0.0..=3_600_000.0,
        "ms",
    );
    for (i, core) in engine.cores.iter().enumerate() {
        r.core(format!("engine.cores[{i}]"), *core);
    }
    r.within_if("engine.max_batch", engine.max_batch, 1..=256, "views");
    let another = engine.fallback.as_ref() != Some(&engine.name);
    r.require(another, "engine.fallback", || {
        format!(
            "expected another engine than engine.name, found `{}` again",
            engine.name
        )
    });
    if let Arrangement::Fixed { instances, threads } = engine.arrangement {
        r.within("engine.arrangement", instances, 1..=64, "engine threads");
        r.within(
            "engine.arrangement",
            threads,
            1..=256,
            "threads inside each",
        );
    }
}

fn check_gate(r: &mut Report<'_>, station: &Station, gate: &Gate) {
    r.within("gate.lead_ms", gate.lead_ms, 0.0..=60_000.0, "ms");
    match gate.at {
        GateAt::DelayMs(ms) => r.within("gate.at.delay_ms", ms, 0.001..=3_600_000.0, "ms"),
        GateAt::EncoderCounts(counts) => {
            r.within(
                "gate.at.encoder_counts",
                counts,
                1..=1_000_000_000,
                "counts",
            );
            r.require(
                matches!(station.trigger, Trigger::Simulated {}),
                "gate.at.encoder_counts",
                || "this trigger has no encoder; write at = { delay_ms = … }".into(),
            );
        }
    }
    let confirm = gate.confirm_within_ms;
    r.within_if("gate.confirm_within_ms", confirm, 0.001..=600_000.0, "ms");
    let most = gate.max_counts_per_s;
    r.within_if(
        "gate.max_counts_per_s",
        most,
        0.001..=1e9,
        "counts a second",
    );
    if let Some(ms) = gate.actuation_ms {
        r.within(
            "gate.actuation_ms",
            ms,
            0.0..=gate.lead_ms.max(0.0),
            "ms, at most lead_ms",
        );
    }
    if gate.kind == GateKind::Simulated {
        r.require(matches!(station.trigger, Trigger::Simulated {}), "gate.kind", || {
            "the simulated gate stands on the simulated belt; write trigger.kind = \"simulated\", or gate.kind = \"none\"".into()
        });
    }
}

fn check_sparkplug(r: &mut Report<'_>, station: &Station, sparkplug: &Sparkplug) {
    r.require(station.mqtt.is_some(), "sparkplug", || {
        "Sparkplug uses the broker of [mqtt]; write that section, too".into()
    });
    let levels = [
        ("sparkplug.group", Some(&sparkplug.group)),
        ("sparkplug.node", sparkplug.node.as_ref()),
        ("sparkplug.primary_host", sparkplug.primary_host.as_ref()),
    ];
    for (field, level) in levels {
        if let Some(level) = level {
            r.name(field, level);
        }
    }
    r.within(
        "sparkplug.buffer",
        sparkplug.buffer,
        1..=1_000_000,
        "results",
    );
}

fn check_simulation(r: &mut Report<'_>, station: &Station, s: &Simulation) {
    r.within(
        "simulation.speed_mm_s",
        s.speed_mm_s,
        0.1..=20_000.0,
        "mm/s",
    );
    r.within(
        "simulation.counts_per_mm",
        s.counts_per_mm,
        0.001..=10_000.0,
        "counts/mm",
    );
    for (field, mm) in [
        ("spacing_min_mm", s.spacing_min_mm),
        ("spacing_max_mm", s.spacing_max_mm),
    ] {
        r.within(format!("simulation.{field}"), mm, 1.0..=1_000_000.0, "mm");
    }
    r.require(
        s.spacing_max_mm >= s.spacing_min_mm,
        "simulation.spacing_max_mm",
        || {
            format!(
                "expected at least spacing_min_mm = {}, found {}",
                s.spacing_min_mm, s.spacing_max_mm
            )
        },
    );
    r.share("simulation.defective_share", s.defective_share);
    r.within(
        "simulation.max_defects",
        s.max_defects,
        1..=1_000,
        "defects",
    );
    r.within("simulation.board_px", s.board_px, 128..=4_096, "pixels");
    for (i, fault) in s.faults.iter().enumerate() {
        let at = format!("simulation.faults[{i}]");
        r.within(format!("{at}.at_s"), fault.at_s, 0.0..=YEAR_S, "s");
        r.within(format!("{at}.for_s"), fault.for_s, 0.001..=YEAR_S, "s");
        let of_a_camera = fault.kind.is_of_a_camera();
        match &fault.camera {
            Some(name) if of_a_camera => {
                let known = station.cameras.iter().map(|c| c.name.as_str());
                r.one_of(format!("{at}.camera"), "camera", name, known);
            }
            Some(name) => r.add(
                format!("{at}.camera"),
                format!("this fault is not a camera's; remove `{name}`"),
            ),
            None => r.require(!of_a_camera, format!("{at}.camera"), || {
                "say which camera".into()
            }),
        }
    }
}
