//! `sightline replay`: real pictures through the real pipeline as fast as it goes, and how good the model is on them.

mod summary;

use crate::cli::args::ReplayArgs;
use crate::cli::output::{self, Blame, Outcome};
use crate::cli::signals::Stop;
use crate::station::record;
use crate::station::result_sink::Mailbox;
use crate::station::{assemble, options::RunOptions};
use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use sightline_configs::recipe::{RecipeModel, Reference, View};
use sightline_configs::station::{self as settings, Identity};
use sightline_configs::{Loaded, Recipe, Station};
use sightline_domain::PixelFormat;
use sightline_engine::Bundle;
use sightline_engine::bundle::Color;
use sightline_ingest::CocoFile;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// There is no hurry in a replay.
const DEADLINE_MS: f64 = 3_600_000.0;
/// Largest picture, bytes.
const LARGEST_PICTURE: usize = 32 << 20;
const CAMERA: &str = "replay";

/// Replays.
pub fn replay(args: &ReplayArgs) -> Outcome {
    if let (Some(file), Some(config)) = (&args.recording, &args.config) {
        return record::replay(file, config, args.json);
    }
    let model = args
        .model
        .as_deref()
        .context("expected --model BUNDLE")
        .wrong_use()?;
    let bundle = Bundle::load(model).wrong_use()?;
    let pictures = Pictures::open(args).wrong_use()?;
    let (config, recipe) = compose(args, &bundle, &pictures).wrong_use()?;
    let stop = Stop::on_signals().failed()?;
    let mailbox = Arc::new(Mailbox::new(usize::MAX));
    let gaps = bundle.proof_gaps().wrong_use()?;
    if !gaps.is_empty() {
        eprintln!(
            "warning: NOT PROVED, this model is measured here and inspects nowhere: {}",
            gaps.join("; ")
        );
    }
    let options = RunOptions {
        only_measures: true,
        mailbox: Some(mailbox.clone()),
        findings_below_limit: true,
        ..RunOptions::default()
    };
    let running = assemble::start(&config, &recipe, options).wrong_use()?;
    let count = running.cameras[0].images().map_or(0, |index| index.len());
    let bar = progress(count as u64);
    let mut results = Vec::with_capacity(count);
    let mut finished = false;
    while !finished && !stop.asked() {
        finished = running.finished();
        for (result, json) in mailbox.take() {
            if args.json {
                output::raw_line(&[&json, &b"\n"[..]].concat());
            }
            bar.inc(1);
            results.push(result);
        }
        if !finished {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    bar.finish_and_clear();
    running.stop(crate::station::running::LAST_PARTS);
    results.extend(mailbox.take().into_iter().map(|(result, _)| result));
    if stop.asked() {
        return Err(anyhow!(
            "stopped after {} of {count} pictures",
            results.len()
        ))
        .failed();
    }
    let mut summary = summary::summarise(&bundle, &recipe.value, &pictures, &results).failed()?;
    summary::tell_faults(&results, &mut summary);
    if args.json {
        output::json_line(&summary)
    } else {
        summary::print(&summary)
    }
    Ok(())
}

fn progress(count: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {per_sec}, {eta} left");
    ProgressBar::with_draw_target(Some(count), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What is shown: a source for the camera, and the truth, if there is any.
struct Pictures {
    source: PathBuf,
    truth: Option<CocoFile>,
    /// Holds the list written for `--images` and `--templates`.
    _scratch: Option<tempfile::TempDir>,
}

impl Pictures {
    fn open(args: &ReplayArgs) -> anyhow::Result<Self> {
        let Some(coco) = &args.coco else {
            let folder = args
                .images
                .as_ref()
                .context("expected --coco FILE, or --images DIR for pictures without truth")?;
            return Ok(Self {
                source: absolute(folder)?,
                truth: None,
                _scratch: None,
            });
        };
        let mut truth = CocoFile::load(coco, args.images.as_deref())?;
        if args.templates {
            truth.pictures.retain(|p| p.template.is_some());
            for picture in &mut truth.pictures {
                picture.path = picture.template.clone().unwrap_or_default();
                picture.boxes.clear();
            }
            if truth.pictures.is_empty() {
                bail!(
                    "{}: expected pictures with a template_file_name, found none",
                    coco.display()
                );
            }
        }
        if !args.templates && args.images.is_none() {
            return Ok(Self {
                source: absolute(coco)?,
                truth: Some(truth),
                _scratch: None,
            });
        }
        let scratch = tempfile::tempdir()?;
        let source = scratch.path().join("pictures.json");
        std::fs::write(&source, list(&truth)?.to_string())?;
        Ok(Self {
            source,
            truth: Some(truth),
            _scratch: Some(scratch),
        })
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{}", path.display()))
}

/// The pictures as a COCO file of its own, by absolute paths.
fn list(truth: &CocoFile) -> anyhow::Result<Value> {
    let image = |picture: &sightline_ingest::images::CocoPicture| -> anyhow::Result<Value> {
        let template = picture.template.as_ref().map(|t| absolute(t)).transpose()?;
        Ok(
            json!({"id": picture.id, "file_name": absolute(&picture.path)?, "template_file_name": template}),
        )
    };
    let images = truth
        .pictures
        .iter()
        .map(image)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let categories: Vec<Value> = truth
        .categories
        .iter()
        .map(|(id, name)| json!({"id": id, "name": name}))
        .collect();
    Ok(json!({"images": images, "annotations": [], "categories": categories}))
}

/// A station of one camera that shows the pictures, and a recipe of one view.
fn compose(
    args: &ReplayArgs,
    bundle: &Bundle,
    pictures: &Pictures,
) -> anyhow::Result<(Loaded<Station>, Loaded<Recipe>)> {
    let given: Option<Recipe> = match &args.recipe {
        None => None,
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
            Some(sightline_configs::read(path, &text)?.0)
        }
    };
    let recipe = one_view(bundle, given.as_ref())?;
    let base = args
        .recipe
        .as_deref()
        .and_then(Path::parent)
        .map(Path::to_path_buf)
        .unwrap_or_default();
    let loaded_recipe = Loaded {
        value: recipe,
        source: Default::default(),
        hash: "0".repeat(64),
        base,
    };
    Ok((
        Loaded {
            value: one_camera(args, bundle, pictures),
            source: Default::default(),
            hash: "0".repeat(64),
            base: PathBuf::new(),
        },
        loaded_recipe,
    ))
}

/// A station of one camera that shows the pictures, each once.
fn one_camera(args: &ReplayArgs, bundle: &Bundle, pictures: &Pictures) -> Station {
    let level = |s: &str| s.to_string();
    let identity = Identity {
        enterprise: level("sightline"),
        site: level("replay"),
        area: level("replay"),
        line: level("replay"),
        cell: level("replay"),
        name: level("replay"),
    };
    let precision = args.precision.as_deref().map(|p| match p {
        "int8" => settings::Precision::Int8,
        "fp16" => settings::Precision::Fp16,
        _ => settings::Precision::Fp32,
    });
    let camera = settings::Camera {
        source: settings::Source::Images {
            watch: false,
            path: pictures.source.clone(),
            rate_hz: None,
            repeat: false,
        },
        format: match bundle.manifest().input.color {
            Color::Gray => PixelFormat::Gray8,
            Color::Rgb | Color::Bgr => PixelFormat::Rgb,
        },
        slot_bytes: Some(LARGEST_PICTURE),
        slots: 8,
        // Pictures from a file are what they are: two may be the same, and dark is no fault of a lamp.
        health: settings::HealthLimits {
            dark_below: -1.0,
            bright_above: 256.0,
            flat_below: 0.0,
            frozen_after: 0,
            focus_share: 0.0,
            ..Default::default()
        },
        ..settings::Camera::named(CAMERA)
    };
    Station {
        station: identity,
        recipe: PathBuf::new(),
        cameras: vec![camera],
        trigger: settings::Trigger::EveryFrame {
            camera: CAMERA.into(),
        },
        engine: settings::Engine {
            name: args.engine.clone(),
            precision,
            ..Default::default()
        },
        threads: settings::Threads::default(),
        gate: settings::Gate {
            kind: settings::GateKind::None,
            at: settings::GateAt::DelayMs(DEADLINE_MS),
            lead_ms: 0.0,
            confirm_within_ms: None,
            mechanism: Default::default(),
            actuation_ms: None,
            max_counts_per_s: None,
        },
        console: None,
        mqtt: None,
        journal: None,
        sparkplug: None,
        models: None,
        simulation: None,
    }
}

/// A recipe of one view; limits, regions, tiles and the second look are those of the `given` one.
fn one_view(bundle: &Bundle, given: Option<&Recipe>) -> anyhow::Result<Recipe> {
    let view = given.and_then(|r| r.views.first()).cloned();
    let verifier = given
        .and_then(|r| r.models.first())
        .and_then(|m| m.verifier.clone());
    let wants_reference = bundle.manifest().input.wants_reference();
    Ok(Recipe {
        schema: "sightline.recipe.v1".into(),
        external_id: bundle.manifest().name.clone(),
        internal_id: "replay".into(),
        version: "1".into(),
        product_id: None,
        deadline_ms: DEADLINE_MS,
        models: vec![RecipeModel {
            name: "model".into(),
            bundle: absolute(bundle.dir())?,
            precision: None,
            verifier,
        }],
        views: vec![View {
            name: "picture".into(),
            camera: CAMERA.into(),
            model: "model".into(),
            offset_ms: 0.0,
            window_ms: 1_000.0,
            width: None,
            height: None,
            frame_per_trigger: false,
            presence: None,
            tiles: view.as_ref().and_then(|v| v.tiles),
            reference: wants_reference.then(Reference::default),
            include: view.as_ref().map(|v| v.include.clone()).unwrap_or_default(),
            exclude: view.map(|v| v.exclude).unwrap_or_default(),
        }],
        limits: given.map(|r| r.limits.clone()).unwrap_or_default(),
        combine: Default::default(),
        challenge: None,
    })
}
