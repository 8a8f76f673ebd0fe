//! `sightline check`: everything that can be wrong, all at once.

use crate::cli::args::CheckArgs;
use crate::cli::output::{self, Blame, Failure, Outcome};
use crate::models::engines::{self, EngineRoom};
use crate::station::settings::uplink_settings;
use anyhow::anyhow;
use serde::Serialize;
use sightline_configs::station::{Camera, GateKind, Integrity, Source};
use sightline_configs::{Loaded, Problem, Recipe, Station};
use sightline_domain::{CameraId, Clock, Generation, PixelFormat, SystemClock};
use sightline_engine::Bundle;
use sightline_engine::bundle::Color;
use sightline_frames::{MemoryWish, TapSink, Tapped};
use sightline_ingest::{CameraContext, IngestError, Proof};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long a camera may take to its first frame.
const FRAME_WITHIN: Duration = Duration::from_secs(10);

/// What was found, under `--json`.
#[derive(Serialize)]
struct Findings<'a> {
    good: bool,
    problems: Vec<Found>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Found {
    file: Option<PathBuf>,
    line: Option<usize>,
    field: String,
    message: String,
}

/// Checks, and with `--probe` opens everything.
pub fn check(args: &CheckArgs) -> Outcome {
    let (found, warnings, done) = look(args);
    if args.json {
        output::json_line(&Findings {
            good: found.is_empty(),
            problems: found,
            warnings: &warnings,
        });
    }
    done
}

fn look(args: &CheckArgs) -> (Vec<Found>, Vec<String>, Outcome) {
    let (station, recipe) = match sightline_configs::load(&args.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let found = |p: &Problem| Found {
                file: Some(p.file.clone()),
                line: p.line,
                field: p.field.clone(),
                message: p.message.clone(),
            };
            let found = problems.0.iter().map(found).collect();
            return (found, Vec::new(), Err(problems).wrong_use());
        }
    };
    let mut warnings = warnings(&station.value, &recipe.value);
    if args.probe {
        warnings.extend(colours(&station, &recipe));
    }
    warnings.iter().for_each(|w| eprintln!("warning: {w}"));
    let problems = match args.probe {
        true => probe(&station, &recipe),
        false => Vec::new(),
    };
    if !problems.is_empty() {
        let done = Err(Failure::Use(anyhow!("{}", problems.join("\n"))));
        let found = |message| Found {
            file: None,
            line: None,
            field: String::new(),
            message,
        };
        return (problems.into_iter().map(found).collect(), warnings, done);
    }
    let (cameras, views) = (station.value.cameras.len(), recipe.value.views.len());
    eprintln!(
        "{}: good: {cameras} cameras, recipe `{}` with {views} views",
        args.config.display(),
        recipe.value.external_id
    );
    (Vec::new(), warnings, Ok(()))
}

fn warnings(station: &Station, recipe: &Recipe) -> Vec<String> {
    let mut warnings = Vec::new();
    if station.mqtt.is_none() {
        warnings.push("no [mqtt] section: results go nowhere but to the terminal".to_string());
    }
    if station.journal.is_none() {
        warnings.push(
            "no [journal] section: results that the broker has not acknowledged are lost with the process"
                .to_string(),
        );
    }
    if let Some(models) = &station.models {
        warnings.extend(models.commissioning());
    }
    if station.gate.kind == GateKind::None {
        warnings.push(
            "gate.kind = \"none\": nothing rejects a part; dispositions are only reported"
                .to_string(),
        );
    }
    warnings.extend(station.cameras.iter().filter_map(unproved));
    let unchecked = recipe.views.iter().filter(|v| !v.tells_presence());
    let names: Vec<&str> = unchecked.map(|v| v.name.as_str()).collect();
    if !names.is_empty() {
        warnings.push(format!(
            "presence is unchecked in {}: noise or an empty belt is OK there for a model that finds nothing on it; write presence = {{ like = {{ pictures = [\"good.png\"] }} }} in the recipe's views, or register a golden picture",
            names.join(", ")
        ));
    }
    warnings
}

/// A camera whose pictures may be damaged without a sign.
fn unproved(camera: &Camera) -> Option<String> {
    let proof = Proof::expected(&camera.source);
    (camera.integrity == Integrity::Proved && proof == Proof::Nothing).then(|| {
        format!(
            "camera `{}`: {}: a damaged one is judged like any other; send numbered packets (RTP) or JPEG, or accept it with \
             integrity = \"unproved\" (docs/cameras.md)",
            camera.name,
            proof.says()
        )
    })
}

/// Models that were trained on colours before cameras that give none. Bundles that do not load are told of elsewhere.
fn colours(station: &Loaded<Station>, recipe: &Loaded<Recipe>) -> Vec<String> {
    let mut warnings = Vec::new();
    for model in &recipe.value.models {
        let Ok(bundle) = Bundle::load(&recipe.base.join(&model.bundle)) else {
            continue;
        };
        if bundle.manifest().input.color == Color::Gray {
            continue;
        }
        for view in recipe.value.views.iter().filter(|v| v.model == model.name) {
            let camera = station.value.cameras.iter().find(|c| c.name == view.camera);
            if camera.is_some_and(|c| c.format == PixelFormat::Gray8) {
                warnings.push(format!(
                    "view `{}`: the model `{}` was trained on colours and the camera `{}` gives GRAY8: what differs in colour alone is \
                     not found; write another format for the camera, or train on gray pictures",
                    view.name, model.name, view.camera
                ));
            }
        }
    }
    warnings
}

fn probe(station: &Loaded<Station>, recipe: &Loaded<Recipe>) -> Vec<String> {
    let mut problems = Vec::new();
    let (engine, models) = (&station.value.engine, station.value.models.as_ref());
    let stand_in = EngineRoom::check_stand_in(engine, &station.base, models, recipe);
    if let Err(error) = stand_in {
        problems.push(format!("models: {error:#}"));
    }
    let engines = EngineRoom::open(engine, &station.base)
        .and_then(|room| room.with_store(models, &station.base))
        .and_then(|room| room.open_models(recipe))
        .and_then(|models| engines::build(Generation(1), &station.value, recipe, Arc::new(models)));
    match engines {
        Ok(build) => eprintln!("models: good, {} engine threads", build.workers.len()),
        Err(error) => problems.push(format!("models: {error:#}")),
    }
    for (index, camera) in station.value.cameras.iter().enumerate() {
        match probe_camera(index, camera, station) {
            Ok(what) => eprintln!("camera {}: {what}", camera.name),
            Err(error) => problems.push(format!("camera {}: {error}", camera.name)),
        }
    }
    match reach(station) {
        Some(Ok(what)) => eprintln!("broker: {what}"),
        Some(Err(all)) => problems.extend(all.iter().map(|why| format!("broker: {why}"))),
        None => {}
    }
    problems
}

fn probe_camera(
    index: usize,
    camera: &Camera,
    station: &Loaded<Station>,
) -> Result<String, IngestError> {
    if matches!(camera.source, Source::Simulated { .. }) {
        return Ok("simulated".into());
    }
    let context = CameraContext {
        id: CameraId(index as u16),
        config: camera.clone(),
        memory: MemoryWish::Auto,
        sink: Arc::new(Nowhere),
        clock: Arc::new(SystemClock::default()),
        source: None,
        base_dir: station.base.clone(),
        wants_reference: false,
        raised: false,
    };
    let r = sightline_ingest::probe(context, FRAME_WITHIN)?;
    let (format, ms) = (r.format.name(), r.after.as_millis());
    Ok(format!(
        "{}x{} {format} after {ms} ms, {} host copies",
        r.width, r.height, r.host_copies
    ))
}

/// A probe looks at frames itself.
struct Nowhere;

impl TapSink for Nowhere {
    fn deliver(&self, _item: Tapped) -> Result<(), Tapped> {
        Ok(())
    }
}

/// What the broker lets this station do, tried out.
fn reach(station: &Loaded<Station>) -> Option<Result<String, Vec<String>>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let open_parts = Arc::default();
    let settings = uplink_settings(station, Uuid::nil(), &clock, None, &open_parts)?;
    Some(sightline_uplink::probe(settings))
}
