//! docs/models.md names every field of a manifest, and every word that a field of few words can have.

use sightline_configs::recipe::Tiles;
use sightline_domain::Severity;
use sightline_engine::bundle::*;
use std::collections::BTreeSet;
use std::path::Path;

/// With every field written: one that is added to the types does not compile until it stands here, too.
fn every_field() -> Manifest {
    let text = String::new;
    Manifest {
        schema: text(),
        name: text(),
        version: text(),
        task: Task::Detect,
        license: text(),
        source: text(),
        min_app: text(),
        files: vec![FileEntry {
            path: text(),
            role: text(),
            precision: Some(Precision::Fp32),
            sha256: text(),
            size: 1,
        }],
        input: InputSpec {
            name: text(),
            width: 1,
            height: 1,
            layout: Layout::Nchw,
            dtype: Dtype::F32,
            color: Color::Gray,
            scale: 1.0,
            mean: vec![],
            std: vec![],
            resize: Resize::Crop,
            resize_to: Some(1),
            antialias: true,
            pad_value: 1,
            channels: vec![],
        },
        decoder: DecoderSpec {
            kind: DecoderKind::Rows,
            version: 1,
            score_floor: 0.1,
            iou_threshold: 0.1,
            merge: true,
            max_detections: 1,
            activation: Some(Activation::None),
            transposed: true,
            boxes: Some(BoxFormat::Corners),
            unit: Some(BoxUnit::Pixels),
            columns: vec![Column::Box],
            outputs: Some(OutputNames {
                boxes: text(),
                scores: Some(text()),
                labels: Some(text()),
                masks: Some(text()),
            }),
            mask_weights: Some(1),
            background: Some(Background::First),
        },
        classes: vec![ClassSpec {
            id: 0,
            code: text(),
            name: ClassName {
                en: text(),
                zh: Some(text()),
            },
            severity: Severity::Major,
            default_limit: 0.5,
            good: true,
        }],
        golden: vec![GoldenSpec {
            image: text(),
            reference: Some(text()),
            tiles: Some(Tiles {
                width: 1,
                height: 1,
                overlap_px: 1,
            }),
            expected: text(),
            tolerance: Tolerance {
                score: 0.1,
                box_px: 1.0,
            },
        }],
        metrics: toml::Table::from_iter([("free".to_owned(), 1.into())]),
    }
}

fn keys(value: &toml::Value, into: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                into.insert(key.clone());
                if key != "metrics" {
                    keys(value, into);
                }
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|v| keys(v, into)),
        _ => {}
    }
}

#[test]
fn the_page_names_every_field_and_word() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, page) = page.split_once("## The manifest").unwrap();
    let named: BTreeSet<&str> = page
        .split(|c: char| !(c.is_alphanumeric() || "_-".contains(c)))
        .collect();
    let mut wanted = BTreeSet::new();
    keys(&toml::Value::try_from(every_field()).unwrap(), &mut wanted);
    assert!(wanted.len() > 50, "{}", wanted.len());
    let words = [
        "detect",
        "classify",
        "fp32",
        "fp16",
        "int8",
        "nchw",
        "nhwc",
        "f32",
        "f16",
        "u8",
        "gray",
        "rgb",
        "bgr",
        "letterbox",
        "letterbox-top-left",
        "stretch",
        "crop",
        "image",
        "reference",
        "softmax",
        "sigmoid",
        "none",
        "corners",
        "centre",
        "pixels",
        "normalized",
        "picture",
        "box",
        "score",
        "class",
        "first",
        "last",
        "minor",
        "major",
        "critical",
    ];
    wanted.extend(words.map(str::to_owned));
    let kinds = [
        DecoderKind::YoloV5,
        DecoderKind::YoloV8,
        DecoderKind::YoloV10,
        DecoderKind::YoloX,
        DecoderKind::Rows,
        DecoderKind::BoxesScores,
        DecoderKind::BoxesLabels,
        DecoderKind::Classifier,
    ];
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|w| !named.contains(w.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/models.md does not name {missing:?}"
    );
    let whole =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md"));
    let whole = whole.unwrap();
    let unnamed = kinds
        .iter()
        .filter(|k| !whole.contains(&format!("`{}`", k.name())));
    assert_eq!(unnamed.count(), 0);
}
