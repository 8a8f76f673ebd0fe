//! `sightline model golden`: golden pictures for a bundle. What the model says of each picture is drawn onto it for a person to
//! accept, or held against labels; only then it becomes what the model must say from now on.

mod draw;
mod few;

use crate::cli::args::GoldenArgs;
use crate::cli::labels;
use crate::cli::output::{Blame, Outcome};
use crate::models::backend::Backend;
use crate::models::proving::worker;
use anyhow::{Context, anyhow, bail, ensure};
use few::Few;
use sightline_configs::recipe::Tiles;
use sightline_engine::bundle::golden::{Expected, Golden};
use sightline_engine::bundle::{MANIFEST_FILE, Tolerance, list_files};
use sightline_engine::{Bundle, Engine, EngineSettings, Precision, RegionOutput, Task};
use sightline_ingest::images::{CocoFile, CocoPicture};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Overlap from which a finding is the labelled one.
const SAME: f32 = 0.5;
/// A picture that is to become a golden one.
struct Candidate {
    golden: Golden,
    output: RegionOutput,
}

/// Does it.
pub fn golden(args: &GoldenArgs) -> Outcome {
    let bundle = Bundle::load(&args.bundle).wrong_use()?;
    let truth = args.coco.as_deref();
    let truth = truth.map(|f| CocoFile::load(f, args.images.as_deref()));
    let truth = truth.transpose().wrong_use()?;
    let pictures = pictures(args, truth.as_ref()).wrong_use()?;
    let mut looking = Looking::open(&bundle, &args.engine, args.tiles).failed()?;
    let mut candidates = Vec::new();
    let mut left_out = 0;
    let few = if args.pictures.is_empty() {
        args.each
    } else {
        0
    };
    let mut few = Few::new(few, bundle.manifest());
    for (path, template) in pictures {
        let labels = truth
            .as_ref()
            .map(|t| labels_of(t, &path))
            .transpose()
            .wrong_use()?;
        let kinds = match (&truth, labels) {
            (Some(truth), Some(labels)) => {
                Few::kinds(bundle.manifest(), truth, labels).wrong_use()?
            }
            _ => Vec::new(),
        };
        if !kinds.is_empty() && !few.wants(&kinds) {
            continue;
        }
        let candidate = candidate(&mut looking, &path, template, args).failed()?;
        say(&bundle, &candidate);
        let wrong = match (&truth, labels) {
            (Some(truth), Some(labels)) => {
                against(&bundle, truth, labels, &candidate).wrong_use()?
            }
            _ => Vec::new(),
        };
        if wrong.is_empty() {
            few.take(&kinds);
            candidates.push(candidate);
        } else {
            left_out += 1;
            eprintln!(
                "    LEFT OUT, the labels say otherwise: {}",
                wrong.join("; ")
            );
        }
    }
    (!candidates.is_empty())
        .then_some(())
        .context("no picture is left: the model says of none what its labels say")
        .failed()?;
    let review = args.review.clone().unwrap_or_else(|| {
        let name = bundle
            .dir()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        PathBuf::from(format!("{name}-golden-review"))
    });
    draw::draw_all(&bundle, &candidates, &review).failed()?;
    if !accepted(args, &review).failed()? {
        return Ok(());
    }
    let bundle = write(&bundle, &candidates).failed()?;
    eprintln!(
        "{} golden pictures are in {}, {left_out} were left out",
        candidates.len(),
        bundle.dir().display()
    );
    match bundle.proof_gaps().failed()?.as_slice() {
        [] => eprintln!(
            "they can prove the model: sightline model verify {}",
            bundle.dir().display()
        ),
        gaps => gaps
            .iter()
            .for_each(|gap| eprintln!("not yet a proof: {gap}")),
    }
    Ok(())
}

/// Shows pictures to a bundle's model.
pub struct Looking<'b> {
    pub bundle: &'b Bundle,
    engine: Box<dyn Engine>,
    tiles: Option<Tiles>,
}

impl<'b> Looking<'b> {
    /// On the engine called `name`, in FP32 where the bundle has it.
    pub fn open(bundle: &'b Bundle, name: &str, tiles: Option<Tiles>) -> anyhow::Result<Self> {
        ensure!(
            tiles.is_none() || bundle.manifest().task == Task::Detect,
            "--tiles: expected a detector, found a classifier, which names whole pictures"
        );
        let backend = Backend::open(name, None)?;
        let settings = EngineSettings {
            precision: bundle
                .model_file(Some(Precision::Fp32))
                .ok()
                .map(|f| f.precision),
            provider: backend.provider().to_owned(),
            ..EngineSettings::default()
        };
        let engine = backend.build(bundle, &settings)?;
        Ok(Self {
            bundle,
            engine,
            tiles,
        })
    }

    /// What the model says of a picture.
    pub fn at(&mut self, image: &Path, reference: Option<&Path>) -> anyhow::Result<RegionOutput> {
        let wants = self.bundle.manifest().input.wants_reference();
        ensure!(
            wants == reference.is_some(),
            "{}: expected {}",
            image.display(),
            if wants {
                "a reference beside it, NAME-reference, as the model compares two pictures; found none"
            } else {
                "no reference, as the model looks at one picture; found one"
            }
        );
        let golden = Golden {
            image: image.to_owned(),
            reference: reference.map(Path::to_owned),
            tiles: self.tiles,
            expected: Expected::Detections {
                detections: Vec::new(),
            },
            tolerance: Tolerance {
                score: 0.0,
                box_px: 0.0,
            },
        };
        worker::answer(self.bundle, &golden, &mut *self.engine)
    }
}

/// The pictures, each with its reference.
fn pictures(
    args: &GoldenArgs,
    truth: Option<&CocoFile>,
) -> anyhow::Result<Vec<(PathBuf, Option<PathBuf>)>> {
    if args.pictures.is_empty() {
        let truth = truth.context("expected pictures, or --coco FILE; found neither")?;
        let usable = truth.pictures.iter().filter(|p| !p.spoiled);
        return Ok(usable
            .map(|p| (p.path.clone(), p.template.clone()))
            .collect());
    }
    let with_reference = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let end = path.extension().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!("{stem}-reference.{end}"));
        let labelled = truth.and_then(|t| labels_of(t, path).ok());
        let template = labelled.and_then(|p| p.template.clone());
        (
            path.clone(),
            template.or_else(|| beside.exists().then_some(beside)),
        )
    };
    Ok(args.pictures.iter().map(with_reference).collect())
}

fn labels_of<'t>(truth: &'t CocoFile, path: &Path) -> anyhow::Result<&'t CocoPicture> {
    let name = path.file_name();
    let same = |p: &&CocoPicture| p.path == path || p.path.file_name() == name;
    let found = truth.pictures.iter().find(same);
    found.with_context(|| format!("{}: the COCO file has no such picture", path.display()))
}

/// Refuses an answer with numbers that are none.
pub fn ensure_sound(image: &Path, output: &RegionOutput) -> anyhow::Result<()> {
    ensure!(
        output.dropped_nonfinite == 0,
        "{}: the model gave {} outputs that say nothing (NaN, infinite, or no probabilities, classes or boxes); do not use it",
        image.display(),
        output.dropped_nonfinite
    );
    Ok(())
}

fn candidate(
    looking: &mut Looking<'_>,
    image: &Path,
    reference: Option<PathBuf>,
    args: &GoldenArgs,
) -> anyhow::Result<Candidate> {
    let reference = reference.filter(|_| looking.bundle.manifest().input.wants_reference());
    let output = looking.at(image, reference.as_deref())?;
    ensure_sound(image, &output)?;
    let golden = Golden {
        image: image.to_owned(),
        reference,
        tiles: args.tiles,
        expected: Expected::Detections {
            detections: Vec::new(),
        },
        tolerance: Tolerance {
            score: args.score_tolerance,
            box_px: args.box_tolerance_px,
        },
    };
    let golden = golden.expecting(&output, looking.bundle.manifest());
    let golden = golden.with_context(|| format!("{}: the model said nothing", image.display()))?;
    Ok(Candidate { golden, output })
}

fn say(bundle: &Bundle, candidate: &Candidate) {
    let name = candidate.golden.image.display();
    match &candidate.golden.expected {
        Expected::Class { class, score } => eprintln!("{name}: {class} at {score:.3}"),
        Expected::Detections { detections } if detections.is_empty() => {
            let best = candidate.output.detections.first();
            let best = best.map(|d| {
                let code = bundle.manifest().classes.get(d.class.index());
                let code = code.map_or("?", |c| &c.code);
                format!(" (the best below its limit: {code} at {:.3})", d.score)
            });
            eprintln!("{name}: clean{}", best.unwrap_or_default());
        }
        Expected::Detections { detections } => {
            eprintln!("{name}:");
            for d in detections {
                let b = d.bbox_px;
                eprintln!(
                    "    {} at {:.3}, ({:.0}, {:.0}) {:.0} x {:.0} px",
                    d.class, d.score, b.x, b.y, b.w, b.h
                );
            }
        }
    }
}

/// What the labels say otherwise.
fn against(
    bundle: &Bundle,
    truth: &CocoFile,
    picture: &CocoPicture,
    candidate: &Candidate,
) -> anyhow::Result<Vec<String>> {
    let name_of = |id: u64| {
        let class = labels::class_of(bundle.manifest(), truth, id)?;
        anyhow::Ok(bundle.manifest().classes[class].code.as_str())
    };
    match &candidate.golden.expected {
        Expected::Class { class, .. } => {
            let id = picture.class_id.with_context(|| {
                format!(
                    "{}: expected a class_id for a classifier, found none",
                    picture.file_name
                )
            })?;
            let wanted = name_of(id)?;
            Ok((wanted != class)
                .then(|| format!("it is {wanted}"))
                .into_iter()
                .collect())
        }
        Expected::Detections { detections } => {
            let mut left: Vec<_> = detections.iter().collect();
            let mut wrong = Vec::new();
            for label in &picture.boxes {
                let wanted = name_of(label.category)?;
                let hit = left
                    .iter()
                    .position(|d| d.class == wanted && d.bbox_px.iou(&label.bbox) >= SAME);
                match hit {
                    Some(at) => {
                        left.remove(at);
                    }
                    None => wrong.push(format!(
                        "the labelled {wanted} at ({:.0}, {:.0}) was not found",
                        label.bbox.x, label.bbox.y
                    )),
                }
            }
            let extra = left.iter().map(|d| {
                format!(
                    "{} at ({:.0}, {:.0}) is not labelled",
                    d.class, d.bbox_px.x, d.bbox_px.y
                )
            });
            wrong.extend(extra);
            Ok(wrong)
        }
    }
}

/// A person has looked at what was drawn, and it is right.
fn accepted(args: &GoldenArgs, review: &Path) -> anyhow::Result<bool> {
    if args.accept {
        return Ok(true);
    }
    let drawn = format!("look at the pictures in {}", review.display());
    if !std::io::stdin().is_terminal() {
        eprintln!(
            "{drawn}; where every box is right and none is missing, run this again with --accept"
        );
        return Ok(false);
    }
    eprint!("{drawn}. Is every box right and none missing? [y/N] ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().eq_ignore_ascii_case("y"))
}

/// As manifests and recipes have it, a line.
pub fn in_toml(tiles: Tiles) -> String {
    let Tiles {
        width,
        height,
        overlap_px,
    } = tiles;
    format!("tiles = {{ width = {width}, height = {height}, overlap_px = {overlap_px} }}\n")
}

/// Copies pictures and answers into the bundle and names them in its manifest, each with its digest.
fn write(bundle: &Bundle, candidates: &[Candidate]) -> anyhow::Result<Bundle> {
    let folder = bundle.dir().join("golden");
    std::fs::create_dir_all(&folder)?;
    let (mut tables, mut names) = (String::new(), Vec::new());
    for candidate in candidates {
        let golden = &candidate.golden;
        let stem = golden
            .image
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let mut take = |from: &Path, suffix: &str| -> anyhow::Result<String> {
            let end = from.extension().unwrap_or_default().to_string_lossy();
            let name = format!("golden/{stem}{suffix}.{end}");
            let to = bundle.dir().join(&name);
            let same = to.exists() && std::fs::canonicalize(&to)? == std::fs::canonicalize(from)?;
            if !same {
                ensure!(
                    !to.exists(),
                    "{name} is in the bundle already; rename the new picture"
                );
                std::fs::copy(from, &to).with_context(|| from.display().to_string())?;
            }
            names.push(name.clone());
            Ok(name)
        };
        let image = take(&golden.image, "")?;
        let reference = golden
            .reference
            .as_deref()
            .map(|r| take(r, "-reference"))
            .transpose()?;
        let expected = format!("golden/{stem}.json");
        let json = serde_json::to_string_pretty(&golden.expected)? + "\n";
        std::fs::write(bundle.dir().join(&expected), json)?;
        names.push(expected.clone());
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        tables += &format!("\n[[golden]]\nimage = {}\n", quoted(&image));
        if let Some(reference) = reference {
            tables += &format!("reference = {}\n", quoted(&reference));
        }
        if let Some(tiles) = golden.tiles {
            tables += &in_toml(tiles);
        }
        tables += &format!(
            "expected = {}\ntolerance = {{ score = {:?}, box_px = {:?} }}\n",
            quoted(&expected),
            golden.tolerance.score,
            if bundle.manifest().task == Task::Classify {
                0.0
            } else {
                golden.tolerance.box_px
            }
        );
    }
    let manifest = bundle.dir().join(MANIFEST_FILE);
    let before = std::fs::read_to_string(&manifest)?;
    std::fs::write(&manifest, format!("{}\n{tables}", before.trim_end()))?;
    let loaded = Bundle::load(bundle.dir()).and_then(|bundle| list_files(&bundle, &names));
    match loaded {
        Ok(bundle) => Ok(bundle),
        Err(error) => {
            std::fs::write(&manifest, before)?;
            bail!(anyhow!(error).context("the manifest is left as it was"))
        }
    }
}
