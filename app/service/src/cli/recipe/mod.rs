//! `sightline recipe new`: a recipe for a model, with limits from labelled pictures by the overkill that is allowed.

mod classes;

use crate::cli::args::{NewRecipe, RecipeCommand};
use crate::cli::golden::{self, Looking};
use crate::cli::labels;
use crate::cli::output::{self, Blame, Outcome};
use anyhow::ensure;
use sightline_domain::BoxView;
use sightline_engine::bundle::ClassSpec;
use sightline_engine::{Bundle, Task};
use sightline_ingest::images::CocoFile;
use std::fmt::Write;
use std::path::Path;

/// Overlap from which a finding is the labelled one.
const SAME: f32 = 0.5;
/// How far a limit stays above the false findings below it, where nothing else says how far.
const STEP: f32 = 0.01;
/// Class codes that name a good part.
const GOOD: [&str; 5] = ["ok", "good", "pass", "normal", "clean"];

/// Does it.
pub fn recipe(command: &RecipeCommand) -> Outcome {
    let RecipeCommand::New(args) = command;
    let bundle = Bundle::load(&args.model).wrong_use()?;
    check(args, &bundle).wrong_use()?;
    let good = good_classes(args, &bundle);
    let limits = match (&args.coco, bundle.manifest().task) {
        (Some(coco), Task::Detect) => {
            let all = measured(args, &bundle, coco).failed()?;
            all.into_iter().map(Some).collect()
        }
        (Some(coco), Task::Classify) => classes::measured(args, &bundle, coco, &good).failed()?,
        (None, _) => good.iter().map(|_| None).collect(),
    };
    let text = text(args, &bundle, &good, &limits).wrong_use()?;
    match &args.out {
        None => output::raw_line(text.as_bytes()),
        Some(out) => {
            ensure_new(out).wrong_use()?;
            std::fs::write(out, text).failed()?;
            eprintln!("wrote {}", out.display());
        }
    }
    Ok(())
}

fn ensure_new(out: &Path) -> anyhow::Result<()> {
    ensure!(
        !out.exists(),
        "{} is there already; name another file, or remove it",
        out.display()
    );
    Ok(())
}

fn check(args: &NewRecipe, bundle: &Bundle) -> anyhow::Result<()> {
    ensure!(
        (0.0..1.0).contains(&args.overkill),
        "--overkill: expected a share of 0 to 1, e.g. 0.01 for one good part of a hundred, found {}",
        args.overkill
    );
    let m = bundle.manifest();
    for code in &args.good {
        let codes: Vec<&str> = m.classes.iter().map(|c| c.code.as_str()).collect();
        ensure!(
            codes.contains(&code.as_str()),
            "--good: expected a class of the model ({}), found `{code}`",
            codes.join(", ")
        );
    }
    Ok(())
}

/// Which classes a good part may have, in the bundle's order.
fn good_classes(args: &NewRecipe, bundle: &Bundle) -> Vec<bool> {
    let m = bundle.manifest();
    let by_name =
        |code: &str| m.task == Task::Classify && GOOD.contains(&code.to_lowercase().as_str());
    let is_good = |c: &ClassSpec| match args.good.is_empty() {
        true => c.good || by_name(&c.code),
        false => args.good.contains(&c.code),
    };
    m.classes.iter().map(is_good).collect()
}

/// The least score of each class that counts, and what that costs.
struct Limit {
    score: f32,
    why: String,
}

/// What the model says of the pictures.
#[derive(Default)]
struct Seen {
    /// Of each good picture, the best score of each class.
    good: Vec<Vec<f32>>,
    /// Of each picture with defects, the scores of those that were found, by class.
    defective: Vec<Vec<(usize, f32)>>,
    /// Labelled defects, by class.
    labelled: Vec<usize>,
}

fn look(args: &NewRecipe, bundle: &Bundle, truth: &CocoFile) -> anyhow::Result<Seen> {
    let classes = &bundle.manifest().classes;
    let mut looking = Looking::open(bundle, &args.engine, args.tiles)?;
    let wants = bundle.manifest().input.wants_reference();
    let mut seen = Seen {
        labelled: vec![0; classes.len()],
        ..Seen::default()
    };
    for picture in truth.pictures.iter().filter(|p| !p.spoiled) {
        let reference = picture.template.as_deref().filter(|_| wants);
        let output = looking.at(&picture.path, reference)?;
        golden::ensure_sound(&picture.path, &output)?;
        if picture.boxes.is_empty() {
            let mut best = vec![0.0_f32; classes.len()];
            for d in &output.detections {
                best[d.class.index()] = best[d.class.index()].max(d.score);
            }
            seen.good.push(best);
            continue;
        }
        let mut found = Vec::new();
        for label in &picture.boxes {
            let class = labels::class_of(bundle.manifest(), truth, label.category)?;
            seen.labelled[class] += 1;
            let same = |b: &BoxView| b.iou(&label.bbox) >= SAME;
            let hits = output
                .detections
                .iter()
                .filter(|d| d.class.index() == class && same(&d.bbox_view));
            if let Some(score) = hits.map(|d| d.score).reduce(f32::max) {
                found.push((class, score));
            }
        }
        seen.defective.push(found);
    }
    Ok(seen)
}

/// Limits by which at most the allowed share of the good pictures is stopped: those pictures that are the most like
/// defective ones are given up, then each class's limit lies in the middle between the best score on the other good ones and
/// a weak true finding.
fn measured(args: &NewRecipe, bundle: &Bundle, coco: &Path) -> anyhow::Result<Vec<Limit>> {
    let truth = CocoFile::load(coco, args.images.as_deref())?;
    let seen = look(args, bundle, &truth)?;
    ensure!(
        !seen.good.is_empty(),
        "{}: expected pictures without a label among them, found none; without good parts nobody knows the overkill",
        coco.display()
    );
    let limits = limits(&seen, &bundle.manifest().classes, args.overkill);
    let stops = |p: &Vec<f32>| p.iter().zip(&limits).any(|(s, l)| *s >= l.score);
    let stopped = seen.good.iter().filter(|p| stops(p)).count();
    let escapes = |p: &&Vec<(usize, f32)>| {
        !p.iter()
            .any(|(class, score)| *score >= limits[*class].score)
    };
    let passed = seen.defective.iter().filter(escapes).count();
    tell(args, stopped, seen.good.len(), passed, seen.defective.len());
    Ok(limits)
}

/// What the limits cost on the labelled pictures.
fn tell(args: &NewRecipe, stopped: usize, good: usize, passed: usize, defective: usize) {
    eprintln!(
        "with these limits {stopped} of {good} good pictures are stopped, {passed} of {defective} defective ones pass"
    );
    let allowed = (args.overkill * good as f64).floor() as usize;
    if allowed == 0 {
        eprintln!(
            "warning: {good} good pictures are too few to measure an overkill of {}: the limits give none of them up",
            args.overkill
        );
    }
}

fn limits(seen: &Seen, classes: &[ClassSpec], overkill: f64) -> Vec<Limit> {
    let allowed = (overkill * seen.good.len() as f64).floor() as usize;
    // Beside its own limit each score weighs alike, whatever its class.
    let weight = |p: &&Vec<f32>| {
        let beside = p
            .iter()
            .zip(classes)
            .map(|(s, c)| s / c.default_limit.max(STEP));
        beside.fold(0.0_f32, f32::max)
    };
    let mut good: Vec<&Vec<f32>> = seen.good.iter().collect();
    good.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let kept = &good[allowed.min(good.len())..];
    let one = |(class, spec): (usize, &ClassSpec)| {
        let highest = kept.iter().map(|p| p[class]).fold(0.0_f32, f32::max);
        let mut found: Vec<f32> = (seen.defective.iter().flatten())
            .filter(|(c, _)| *c == class)
            .map(|(_, score)| *score)
            .collect();
        found.sort_by(f32::total_cmp);
        // One of twenty true findings may be weaker: it may be a slip of the label.
        let weak = found.get(found.len() / 20).copied();
        let score = match weak {
            Some(weak) if weak > highest => (weak + highest) / 2.0,
            Some(_) => highest + STEP,
            None => spec.default_limit.max(highest + STEP),
        };
        // Two digits, never below.
        let score = (score.min(1.0) * 100.0 - 0.01).ceil() / 100.0;
        let why = match weak {
            Some(weak) => format!(
                "best on good pictures {highest:.2}, weak true findings {weak:.2}, {} of {} labelled found",
                found.iter().filter(|s| **s >= score).count(),
                seen.labelled[class]
            ),
            None => format!(
                "best on good pictures {highest:.2}; no labelled one was found: the bundle's own, or above"
            ),
        };
        Limit { score, why }
    };
    classes.iter().enumerate().map(one).collect()
}

fn text(
    args: &NewRecipe,
    bundle: &Bundle,
    good: &[bool],
    limits: &[Option<Limit>],
) -> anyhow::Result<String> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let m = bundle.manifest();
    let id = args.id.clone().unwrap_or_else(|| m.name.clone());
    let folder = std::path::absolute(bundle.dir())?;
    let mut out = format!(
        "# A recipe for {} {}, written by `sightline recipe new`. configs/reference-recipe.toml shows every field.\n\n\
         schema = \"sightline.recipe.v1\"\nexternal_id = {}\ninternal_id = {}\nversion = \"1\"\ndeadline_ms = {:?}\n\n\
         [[models]]\nname = \"model\"\nbundle = {}\n",
        m.name,
        m.version,
        quoted(&id),
        quoted(&id),
        args.deadline_ms,
        quoted(&folder.to_string_lossy()),
    );
    for (i, camera) in args.camera.iter().enumerate() {
        write!(
            out,
            "\n[[views]]\nname = \"view{}\"\ncamera = {}\nmodel = \"model\"\n",
            i + 1,
            quoted(camera)
        )?;
        if let Some(tiles) = args.tiles {
            out += &golden::in_toml(tiles);
        }
        if m.input.wants_reference() {
            out += "reference = {}                       # the source brings a golden picture; or { picture = \"golden.png\" }\n\
                    presence = { like_reference = {} }   # a picture that is not like it shows no part\n";
        }
    }
    if m.task == Task::Classify && !good.contains(&true) {
        eprintln!(
            "warning: no class names a good part, so every part is rejected; write --good CLASS"
        );
    }
    for ((class, good), limit) in m.classes.iter().zip(good).zip(limits) {
        write!(out, "\n[limits.{}]\n", quoted(&class.code))?;
        out += &match limit {
            Some(Limit { score, why }) => {
                format!("score = {score:?}                         # {why}\n")
            }
            None if *good => String::new(),
            None => format!(
                "score = {:?}                         # the bundle's own\n",
                class.default_limit
            ),
        };
        out += match good {
            true => "count = 0                            # a part of this class is good\n",
            false => "count = 1\n",
        };
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightline_domain::Severity;
    use sightline_engine::bundle::ClassName;

    fn class(code: &str) -> ClassSpec {
        ClassSpec {
            id: 0,
            code: code.into(),
            name: ClassName {
                en: code.into(),
                zh: None,
            },
            severity: Severity::Major,
            default_limit: 0.5,
            good: false,
        }
    }

    #[test]
    fn the_allowed_overkill_decides_which_false_findings_count() {
        let classes = [class("open"), class("spur")];
        let mut good = vec![vec![0.1, 0.0]; 98];
        good.push(vec![0.8, 0.0]);
        good.push(vec![0.3, 0.0]);
        let seen = Seen {
            good,
            defective: vec![vec![(0, 0.9)]; 30],
            labelled: vec![30, 0],
        };
        let scores = |overkill| -> Vec<f32> {
            limits(&seen, &classes, overkill)
                .iter()
                .map(|l| l.score)
                .collect()
        };
        assert_eq!(
            scores(0.0),
            [0.85, 0.5],
            "between 0.8 and 0.9; nothing is known of the other"
        );
        assert_eq!(
            scores(0.01),
            [0.6, 0.5],
            "the one picture at 0.8 is given up"
        );
        assert_eq!(scores(0.02), [0.5, 0.5]);
    }
}
