//! What the types cannot say: rules between fields and between the two files. Pure; nothing is opened.

use crate::read::Source;
use crate::recipe::{Combine, Recipe, Reference};
use crate::station::{
    Arrangement, Camera, Engine, FaultKind, Gate, GateAt, GateKind, Simulation,
    Source as CameraSource, Sparkplug, Station, Trigger,
};
use crate::{Problem, nearest};
use std::collections::HashSet;

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
            self.require(!name.is_empty(), format!("{list}[{i}].name"), || {
                format!("a {what} needs a name")
            });
            self.require(seen.insert(name), format!("{list}[{i}].name"), || {
                format!("two {what}s are called `{name}`; give each its own name")
            });
        }
    }

    pub(crate) fn finite_above(
        &mut self,
        field: impl Into<String>,
        value: f64,
        floor: f64,
        including: bool,
    ) {
        let good = value.is_finite() && (value > floor || including && value == floor);
        let than = if including { "at least" } else { "more than" };
        self.require(good, field, || {
            format!("expected a number of {than} {floor}, found {value}")
        });
    }

    fn share(&mut self, field: impl Into<String>, value: f64) {
        let good = (0.0..=1.0).contains(&value);
        self.require(good, field, || {
            format!("expected a share from 0 to 1, found {value}")
        });
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
    check_trigger(&mut r, station);
    check_engine(&mut r, &station.engine);
    check_gate(&mut r, station, &station.gate);
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
        if let Some(why) = wrong_level(level) {
            r.add(format!("station.{field}"), why);
        }
    }
}

/// What is wrong with a topic level.
fn wrong_level(level: &str) -> Option<String> {
    let bad = |c: char| "+#$/".contains(c) || c.is_whitespace() || c.is_control();
    (level.is_empty() || level.contains(bad)).then(|| {
        format!("expected a topic level without spaces, `/`, `+`, `#` or `$`, found `{level}`")
    })
}

fn check_camera(r: &mut Report<'_>, at: &str, camera: &Camera, has_simulation: bool) {
    r.require(camera.slots >= 2, format!("{at}.slots"), || {
        format!(
            "expected at least 2 (one filling while one is looked at), found {}",
            camera.slots
        )
    });
    r.require(
        camera.width.is_some() == camera.height.is_some(),
        format!("{at}.width"),
        || "expected both width and height, or neither; write the missing one".into(),
    );
    for (field, size) in [("width", camera.width), ("height", camera.height)] {
        r.require(
            size.is_none_or(|s| (1..=16_384).contains(&s)),
            format!("{at}.{field}"),
            || format!("expected 1 to 16384 pixels, found {}", size.unwrap_or(0)),
        );
    }
    r.require(camera.stall_ms > 0, format!("{at}.stall_ms"), || {
        "expected more than 0 ms".into()
    });
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
    let h = &camera.health;
    r.require(
        h.dark_below < h.bright_above,
        format!("{at}.health.dark_below"),
        || {
            format!(
                "expected less than bright_above = {}, found {}",
                h.bright_above, h.dark_below
            )
        },
    );
    r.share(format!("{at}.health.focus_share"), f64::from(h.focus_share));
    match &camera.source {
        CameraSource::Simulated { .. } => r.require(has_simulation, format!("{at}.source"), || {
            "a simulated camera needs the simulated line; write a [simulation] section".into()
        }),
        CameraSource::Images {
            rate_hz: Some(hz), ..
        } => {
            r.finite_above(format!("{at}.source.rate_hz"), *hz, 0.0, false);
        }
        CameraSource::Rtsp { url, .. } => {
            r.require(
                url.starts_with("rtsp://") || url.starts_with("rtsps://"),
                format!("{at}.source.url"),
                || format!("expected rtsp://host[:port]/path, found `{url}`"),
            );
        }
        CameraSource::Pipeline { description } => {
            r.require(!description.trim().is_empty(), format!("{at}.source.description"), || {
                "expected a GStreamer description such as `videotestsrc is-live=true`, found nothing".into()
            });
        }
        _ => {}
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
        Trigger::Rate { hz } => r.finite_above("trigger.hz", *hz, 0.0, false),
        Trigger::Command {} => {}
    }
}

fn check_engine(r: &mut Report<'_>, engine: &Engine) {
    r.finite_above("engine.batch_wait_ms", engine.batch_wait_ms, 0.0, true);
    r.finite_above("engine.keep_warm_ms", engine.keep_warm_ms, 0.0, true);
    let another = engine.fallback.as_ref() != Some(&engine.name);
    r.require(another, "engine.fallback", || {
        format!(
            "expected another engine than engine.name, found `{}` again",
            engine.name
        )
    });
    r.require(engine.max_batch != Some(0), "engine.max_batch", || {
        "expected at least 1, found 0".into()
    });
    if let Arrangement::Fixed { instances, threads } = engine.arrangement {
        r.require(instances > 0 && threads > 0, "engine.arrangement", || {
            format!("expected at least one instance with one thread, found {instances} x {threads}")
        });
    }
}

fn check_gate(r: &mut Report<'_>, station: &Station, gate: &Gate) {
    r.finite_above("gate.lead_ms", gate.lead_ms, 0.0, true);
    match gate.at {
        GateAt::DelayMs(ms) => r.finite_above("gate.at.delay_ms", ms, 0.0, false),
        GateAt::EncoderCounts(counts) => {
            r.require(counts > 0, "gate.at.encoder_counts", || {
                format!("expected more than 0, found {counts}")
            });
            r.require(
                matches!(station.trigger, Trigger::Simulated {}),
                "gate.at.encoder_counts",
                || "this trigger has no encoder; write at = { delay_ms = … }".into(),
            );
        }
    }
    if let Some(ms) = gate.confirm_within_ms {
        r.finite_above("gate.confirm_within_ms", ms, 0.0, false);
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
        if let Some(why) = level.and_then(|l| wrong_level(l)) {
            r.add(field, why);
        }
    }
    r.require(sparkplug.buffer > 0, "sparkplug.buffer", || {
        "expected at least 1, found 0".into()
    });
}

fn check_simulation(r: &mut Report<'_>, station: &Station, s: &Simulation) {
    r.finite_above("simulation.speed_mm_s", s.speed_mm_s, 0.0, false);
    r.finite_above("simulation.counts_per_mm", s.counts_per_mm, 0.0, false);
    r.finite_above("simulation.spacing_min_mm", s.spacing_min_mm, 0.0, false);
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
    r.require(s.max_defects > 0, "simulation.max_defects", || {
        "expected at least 1, found 0".into()
    });
    r.require(
        (128..=4096).contains(&s.board_px),
        "simulation.board_px",
        || format!("expected 128 to 4096 pixels, found {}", s.board_px),
    );
    for (i, fault) in s.faults.iter().enumerate() {
        let at = format!("simulation.faults[{i}]");
        r.finite_above(format!("{at}.at_s"), fault.at_s, 0.0, true);
        r.finite_above(format!("{at}.for_s"), fault.for_s, 0.0, false);
        let of_a_camera = !matches!(fault.kind, FaultKind::Burst | FaultKind::GateStuck);
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

/// Everything wrong with a recipe, by itself and on this station.
pub fn check_recipe(recipe: &Recipe, source: &Source, station: &Station) -> Vec<Problem> {
    let mut r = Report {
        source,
        problems: Vec::new(),
    };
    r.require(recipe.schema == "sightline.recipe.v1", "schema", || {
        format!("expected `sightline.recipe.v1`, found `{}`", recipe.schema)
    });
    r.finite_above("deadline_ms", recipe.deadline_ms, 0.0, false);
    r.require(!recipe.models.is_empty(), "models", || {
        "expected at least one [[models]], found none".into()
    });
    r.require(!recipe.views.is_empty(), "views", || {
        "expected at least one [[views]], found none".into()
    });
    r.unique(
        "models",
        "model",
        recipe.models.iter().map(|m| m.name.as_str()),
    );
    r.unique(
        "views",
        "view",
        recipe.views.iter().map(|v| v.name.as_str()),
    );
    for (i, view) in recipe.views.iter().enumerate() {
        let at = format!("views[{i}]");
        let cameras = station.cameras.iter().map(|c| c.name.as_str());
        r.one_of(format!("{at}.camera"), "camera", &view.camera, cameras);
        r.one_of(
            format!("{at}.model"),
            "model",
            &view.model,
            recipe.models.iter().map(|m| m.name.as_str()),
        );
        r.finite_above(format!("{at}.offset_ms"), view.offset_ms, 0.0, true);
        r.finite_above(format!("{at}.window_ms"), view.window_ms, 0.0, false);
        r.require(
            view.offset_ms + view.window_ms < recipe.deadline_ms,
            format!("{at}.window_ms"),
            || {
                format!(
                    "the view may come {} ms after the trigger, but the deadline is {} ms",
                    view.offset_ms + view.window_ms,
                    recipe.deadline_ms
                )
            },
        );
        if let Some(reference) = &view.reference {
            check_reference(&mut r, &at, reference);
        }
    }
    for (code, limit) in &recipe.limits {
        if let Some(score) = limit.score {
            r.share(format!("limits.{code}.score"), f64::from(score));
        }
        r.finite_above(
            format!("limits.{code}.min_area_px"),
            f64::from(limit.min_area_px),
            0.0,
            true,
        );
    }
    if let Combine::AtLeast { views } = recipe.combine {
        let owed = recipe.views.len();
        r.require((1..=owed as u32).contains(&views), "combine.views", || {
            format!("expected 1 to {owed}, the number of views, found {views}")
        });
    }
    check_gate_after_deadline(&mut r, recipe, station);
    r.problems
}

fn check_reference(r: &mut Report<'_>, at: &str, reference: &Reference) {
    r.finite_above(
        format!("{at}.reference.max_shift_px"),
        f64::from(reference.max_shift_px),
        0.0,
        true,
    );
    r.finite_above(
        format!("{at}.reference.max_rotation_deg"),
        f64::from(reference.max_rotation_deg),
        0.0,
        true,
    );
    r.share(
        format!("{at}.reference.min_correlation"),
        f64::from(reference.min_correlation),
    );
}

/// A verdict that comes after the part has reached the gate is no use.
fn check_gate_after_deadline(r: &mut Report<'_>, recipe: &Recipe, station: &Station) {
    if station.gate.kind == GateKind::None {
        return;
    }
    let gate_ms = match (station.gate.at, &station.simulation) {
        (GateAt::DelayMs(ms), _) => ms,
        (GateAt::EncoderCounts(counts), Some(s)) => {
            counts as f64 / (s.counts_per_mm * s.speed_mm_s) * 1_000.0
        }
        (GateAt::EncoderCounts(_), None) => return,
    };
    let latest = gate_ms - station.gate.lead_ms;
    r.require(recipe.deadline_ms <= latest, "deadline_ms", || {
        format!(
            "expected at most {latest:.0} ms: the part is at the gate after {gate_ms:.0} ms, and the gate is told {} ms before; found {}",
            station.gate.lead_ms, recipe.deadline_ms
        )
    });
}
