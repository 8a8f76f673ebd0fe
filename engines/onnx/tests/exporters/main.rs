//! Real exports of many tools with random weights (`make.py`): each is drafted without an edit and says what an independent
//! reading of the same file says, or is refused by the name of its kind. Nothing passes in silence.
//!
//! The tools are several gigabytes, so they are only fetched where `SIGHTLINE_EXPORTERS` asks for it: `1` makes a virtual
//! environment of its own below `.sightline/`, a path is that of a Python that has them. Otherwise the test says so and passes.

#[path = "../common/mod.rs"]
mod common;

use common::{factory, lease_of, pool, view};
use serde_json::Value;
use sightline_domain::PixelFormat;
use sightline_engine::bundle::draft::{Choice, draft};
use sightline_engine::{Batch, Bundle, Engine, EngineSettings, RegionOutput};
use sightline_onnx::inspect;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGES: [&str; 17] = [
    "torch",
    "torchvision",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "ultralytics",
    "timm",
    "transformers",
    "rfdetr",
    // of the next two
    "setuptools<81",
    "wheel",
    "pandas",
    "seaborn",
    "loguru",
    "tabulate",
    "gitpython",
    "thop",
];
/// What these ask for besides is not needed to export.
const WITHOUT_NEEDS: [&str; 2] = ["yolov5", "yolox"];
/// Exports that must be there for the figures to mean something.
const AT_LEAST: usize = 40;

fn say(words: &str) {
    // not `eprintln!`, which the test harness keeps to itself
    drop(writeln!(std::io::stderr(), "{words}"));
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&done.stderr);
    Err(words.lines().last().unwrap_or("no words").to_owned())
}

/// A Python that has the tools.
fn python(own: &Path) -> Result<PathBuf, String> {
    let asked = std::env::var("SIGHTLINE_EXPORTERS").unwrap_or_default();
    match asked.as_str() {
        "" | "0" => {
            return Err(
                "set SIGHTLINE_EXPORTERS=1 to fetch the tools (several gigabytes)".to_owned(),
            );
        }
        "1" => {}
        python => return Ok(PathBuf::from(python)),
    }
    let python = own.join("venv/bin/python");
    if !python.exists() {
        run(Command::new("python3")
            .args(["-m", "venv"])
            .arg(own.join("venv")))?;
        let pip = || {
            let mut command = Command::new(&python);
            command.args(["-m", "pip", "install", "--quiet"]);
            command
        };
        run(pip().args(PACKAGES))?;
        for package in WITHOUT_NEEDS {
            let mut command = pip();
            command.args(["--no-deps", "--no-build-isolation", package]);
            if let Err(why) = run(&mut command) {
                say(&format!("{package} cannot be had: {why}"));
            }
        }
    }
    Ok(python)
}

/// The folder with the exports, or why there is none.
fn exports() -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = here.join("../../.sightline/test-downloads/exporters");
    std::fs::create_dir_all(&own).map_err(|e| e.to_string())?;
    let own = own.canonicalize().map_err(|e| e.to_string())?;
    let python = python(&own)?;
    let out = own.join("made");
    std::fs::create_dir_all(&out).map_err(|e| e.to_string())?;
    let make = here.join("tests/exporters/make.py");
    run(Command::new(python).arg(make).arg(&out).current_dir(&out))?;
    Ok(out)
}

/// What became of one export.
enum Judged {
    Right(String),
    Refused(String),
    Wrong(String),
    /// It could not be made here.
    Absent(String),
}

fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

fn judge(out: &Path, said: &Value) -> Judged {
    if let Some(why) = said["cannot"].as_str() {
        return Judged::Absent(why.to_owned());
    }
    let name = said["name"].as_str().expect("a name");
    let model = out.join(name).join(format!("{name}.onnx"));
    let drafted = drafted(&model, said);
    let words = strings(&said["refused"]);
    match drafted {
        Err(reason) if !words.is_empty() => match words.iter().find(|w| !reason.contains(*w)) {
            None => Judged::Refused(reason),
            Some(word) => Judged::Wrong(format!("`{word}` is not in the refusal: {reason}")),
        },
        Ok((text, _)) if !words.is_empty() => Judged::Wrong(format!("drafted: {text}")),
        Err(reason) => Judged::Wrong(format!("refused: {reason}")),
        Ok((text, asked)) => match compared(&model, text, said) {
            Ok(what) => Judged::Right(format!("{what}{asked}")),
            Err(what) => Judged::Wrong(what),
        },
    }
}

/// The manifest, and whether it had to be asked which head it is.
fn drafted(model: &Path, said: &Value) -> Result<(String, &'static str), String> {
    let info = inspect(factory().runtime(), model).map_err(|e| e.to_string())?;
    let mut choice = Choice {
        decoder: None,
        classes: strings(&said["classes"]),
    };
    match draft(&info, &choice) {
        Ok(draft) => Ok((draft.manifest_toml, "")),
        Err(reason) => {
            let Some(decoder) = said["decoder"].as_str() else {
                return Err(reason.to_string());
            };
            choice.decoder = Some(decoder.to_owned());
            let draft = draft(&info, &choice).map_err(|again| format!("{reason}; {again}"))?;
            Ok((draft.manifest_toml, ", asked which head"))
        }
    }
}

fn compared(model: &Path, text: String, said: &Value) -> Result<String, String> {
    let floor = said["floor"].as_f64().unwrap_or(0.05);
    let text = text.replace("score_floor = 0.05", &format!("score_floor = {floor:.9}"));
    let manifest = model.with_file_name("manifest.toml");
    std::fs::write(&manifest, &text).map_err(|e| e.to_string())?;
    let folder = model.parent().unwrap_or(Path::new(""));
    let bundle = Bundle::load(folder).map_err(|e| format!("{e}\n{text}"))?;
    let names = strings(&said["names"]);
    let found: Vec<&str> = (bundle.manifest().classes.iter())
        .map(|c| c.name.en.as_str())
        .collect();
    if !names.is_empty() && found != names {
        return Err(format!("expected the names {names:?}, found {found:?}"));
    }
    let output = says(&bundle, folder)?;
    if said["broken"] == true {
        return match output.dropped_nonfinite {
            0 => Err("expected answers that say nothing to be counted, found none".to_owned()),
            n => Ok(format!("{n} answers that say nothing are counted")),
        };
    }
    if output.dropped_nonfinite > 0 {
        return Err(format!(
            "{} answers that say nothing",
            output.dropped_nonfinite
        ));
    }
    if said["scores"].is_array() {
        same_scores(&output, said)
    } else {
        same_findings(&output, said)
    }
}

fn says(bundle: &Bundle, folder: &Path) -> Result<RegionOutput, String> {
    let words = |e: sightline_engine::EngineError| e.to_string();
    let mut engine = factory()
        .engine(bundle, &EngineSettings::default())
        .map_err(words)?;
    let raw = folder.with_file_name("picture.rgb");
    let raw = std::fs::read(raw).map_err(|e| e.to_string())?;
    let side = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    let (width, height) = (side(0), side(4));
    let row = width as usize * 3;
    let mut padded = Vec::new();
    for pixels in raw[8..].chunks(row) {
        padded.extend_from_slice(pixels);
        padded.resize(padded.len().next_multiple_of(4), 0);
    }
    let pool = pool(1, padded.len());
    let lease = lease_of(&pool, width, height, PixelFormat::Rgb, &padded);
    let mut batch = Batch::default();
    batch.push_whole(view(lease));
    engine.submit(batch).map_err(|r| r.error.to_string())?;
    let done = engine.collect().ok_or("nothing in flight")?;
    Ok(done.map_err(|r| r.error.to_string())?.outputs[0].clone())
}

fn same_scores(output: &RegionOutput, said: &Value) -> Result<String, String> {
    let wanted = said["scores"].as_array().into_iter().flatten();
    let wanted: Vec<f32> = wanted.filter_map(Value::as_f64).map(|v| v as f32).collect();
    let found = &output.class_scores;
    let off = found.iter().zip(&wanted).map(|(f, w)| (f - w).abs());
    let off = off.fold(0.0, f32::max);
    match found.len() == wanted.len() && off <= 0.01 {
        true => Ok(format!("{} classes, off by {off:.4}", found.len())),
        false => Err(format!("expected {wanted:?}, found {found:?}")),
    }
}

/// Class, score, edges, area; 0 without.
type Box_ = (u64, f64, [f64; 4], f64);

fn same_findings(output: &RegionOutput, said: &Value) -> Result<String, String> {
    let ours: Vec<Box_> = (output.detections.iter())
        .map(|d| {
            let b = d.bbox_view;
            let edges = [b.x, b.y, b.x + b.w, b.y + b.h].map(f64::from);
            let area = d.area.map_or(0.0, |a| f64::from(a.px));
            (u64::from(d.class.0), f64::from(d.score), edges, area)
        })
        .collect();
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    let theirs: Vec<Box_> = (said["findings"].as_array().into_iter().flatten())
        .map(|f| {
            let edges = std::array::from_fn(|i| number(&f["edges"][i]));
            let class = f["class"].as_u64().unwrap_or(99);
            let area = f["area"].as_f64().unwrap_or(0.0);
            (class, number(&f["score"]), edges, area)
        })
        .collect();
    if theirs.is_empty() {
        return Err("there is nothing to compare".to_owned());
    }
    let off = |a: &Box_, b: &Box_| {
        let px = a.2.iter().zip(b.2).map(|(p, q)| (p - q).abs());
        (px.fold(0.0, f64::max), (a.1 - b.1).abs())
    };
    // pixels at an edge or a zero crossing may fall either way
    let covers = |a: &Box_, b: &Box_| (a.3 - b.3).abs() <= 10.0 + 0.03 * a.3.max(b.3);
    let mut most = (0.0_f64, 0.0_f64);
    for (whose, some, others) in [("ours", &ours, &theirs), ("theirs", &theirs, &ours)] {
        for one in some {
            let like = others.iter().filter(|o| o.0 == one.0 && covers(one, o));
            let like = like.map(|o| off(one, o));
            let like = like.filter(|(px, score)| *px <= 2.0 && *score <= 0.01);
            let Some((px, score)) = like.min_by(|a, b| a.0.total_cmp(&b.0)) else {
                return Err(format!(
                    "{whose} alone: {one:?}; ours {ours:?} theirs {theirs:?}"
                ));
            };
            most = (most.0.max(px), most.1.max(score));
        }
    }
    Ok(format!(
        "{} findings, off by {:.2} px and {:.4}",
        ours.len(),
        most.0,
        most.1
    ))
}

#[test]
fn every_real_export_is_judged_rightly_or_refused_by_name() {
    let out = match exports() {
        Ok(out) => out,
        Err(why) => {
            say(&format!("SKIPPED: no exports of real tools: {why}"));
            return;
        }
    };
    let mut all: Vec<PathBuf> = (std::fs::read_dir(&out).expect("a folder"))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    all.sort();
    let (mut judged, mut wrong) = (0, Vec::new());
    for path in all {
        let said: Value =
            serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("JSON");
        let name = said["name"].as_str().unwrap_or("?").to_owned();
        let line = match judge(&out, &said) {
            Judged::Right(what) => format!("right    {name}: {what}"),
            Judged::Refused(what) => format!("refused  {name}: {what}"),
            Judged::Absent(why) => {
                say(&format!("ABSENT   {name}: {why}"));
                continue;
            }
            Judged::Wrong(what) => {
                wrong.push(name.clone());
                format!("WRONG    {name}: {what}")
            }
        };
        judged += 1;
        say(&line.chars().take(400).collect::<String>());
    }
    assert!(wrong.is_empty(), "{} of {judged}: {wrong:?}", wrong.len());
    assert!(
        judged >= AT_LEAST,
        "{judged} of at least {AT_LEAST} could be made"
    );
}
