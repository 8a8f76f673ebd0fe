//! Bundles that load, and what is said of those that do not.

use sightline_domain::{BoxView, ClassId, Detection, Severity};
use sightline_engine::bundle::{Problem, archive, draft::ModelInfo};
use sightline_engine::{Bundle, ClassInfo, EngineSettings, Precision, RegionOutput};
use std::path::Path;
use tempfile::TempDir;

const MODEL: &[u8] = b"not read by the bundle";
const INT8: &[u8] = b"neither is this";

/// A detector's manifest; the first line is line 1.
fn manifest() -> String {
    let (a, b) = (
        ModelInfo::of_bytes("", MODEL),
        ModelInfo::of_bytes("", INT8),
    );
    format!(
        r#"schema = "sightline.bundle.v1"
name = "pcb-detector"
version = "0.1.0"
task = "detect"
license = "Apache-2.0"
source = "drawn"
min_app = "0.1.0"

[[files]]
path = "model.onnx"
role = "model"
precision = "fp32"
sha256 = "{}"
size = {}
[[files]]
path = "int8/model.onnx"
role = "model"
precision = "int8"
sha256 = "{}"
size = {}

[input]
name = "images"
width = 640
height = 640
layout = "nchw"
dtype = "f32"
color = "gray"
scale = 0.00392156862745098
mean = [0.0]
std = [1.0]
resize = "letterbox"
pad_value = 114
channels = ["image", "reference"]

[decoder]
kind = "yolo-v8"
version = 1
score_floor = 0.05

[[classes]]
id = 0
code = "open"
name = {{ en = "open circuit", zh = "断路" }}
severity = "critical"
default_limit = 0.35
[[classes]]
id = 1
code = "spur"
name = {{ en = "spur" }}
severity = "minor"
default_limit = 0.5

[[golden]]
image = "golden/a.png"
reference = "golden/a-reference.png"
expected = "golden/a.json"
tolerance = {{ score = 0.02, box_px = 1.0 }}

[metrics]
data = "drawn"
ap50 = 0.98
"#,
        a.sha256, a.size, b.sha256, b.size
    )
}

const GOLDEN: &str =
    r#"{"detections":[{"class":"open","score":0.9,"bbox_px":{"x":10,"y":20,"w":30,"h":40}}]}"#;

fn write(manifest: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("room");
        std::fs::write(path, bytes).expect("room");
    };
    put("manifest.toml", manifest.as_bytes());
    put("model.onnx", MODEL);
    put("int8/model.onnx", INT8);
    put("golden/a.png", b"a picture");
    put("golden/a-reference.png", b"its reference");
    put("golden/a.json", GOLDEN.as_bytes());
    put("secret.txt", b"not of the bundle");
    dir
}

fn refusal(edit: impl Fn(String) -> String) -> String {
    let edited = edit(manifest());
    assert_ne!(edited, manifest(), "the edit must change something");
    Bundle::load(write(&edited).path())
        .expect_err("it is wrong")
        .to_string()
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn a_sound_bundle_loads_and_prefers_int8() {
    let dir = write(&manifest());
    let bundle = Bundle::load(dir.path()).expect("a sound bundle");
    assert_eq!(
        bundle.model_file(None).expect("two files").precision,
        Precision::Int8
    );
    let fp32 = bundle
        .model_file(Some(Precision::Fp32))
        .expect("it has one");
    assert_eq!(bundle.read_model(&fp32).expect("unchanged"), MODEL);
    let info = bundle
        .engine_info("onnx-cpu", &EngineSettings::default())
        .expect("a model");
    assert_eq!(
        (info.name.as_str(), info.wants_reference),
        ("onnx-cpu/int8", true)
    );
    assert_eq!(
        (
            info.classes[0].name_zh.as_str(),
            info.classes[1].name_zh.as_str()
        ),
        ("断路", "spur")
    );
    let defaults = &bundle.manifest().decoder;
    assert_eq!(
        (defaults.iou_threshold, defaults.max_detections),
        (0.5, 300)
    );
}

#[test]
fn a_misspelt_field_or_word_is_told_with_its_line_and_the_nearest_name() {
    let field = refusal(|m| m.replace("score_floor", "score_flor"));
    says(
        &field,
        &[
            "manifest.toml:39:",
            "`score_flor`",
            "did you mean `score_floor`?",
        ],
    );
    let word = refusal(|m| m.replace("\"yolo-v8\"", "\"yolov8\""));
    says(
        &word,
        &[
            "manifest.toml:37:",
            "`yolov8`",
            "did you mean `yolo-v8`?",
            "yolo-v10",
        ],
    );
    let kind = refusal(|m| m.replace("width = 640", "width = \"640\""));
    says(&kind, &["manifest.toml:24:", "width: ", "expected u32"]);
    let missing = refusal(|m| m.replace("license = \"Apache-2.0\"\n", ""));
    says(&missing, &["the field `license` is missing"]);
}

#[test]
fn everything_wrong_is_told_at_once_each_with_line_and_advice() {
    let text = refusal(|m| {
        m.replace("id = 1", "id = 2")
            .replace("std = [1.0]", "std = [0.0]")
            .replace("version = \"0.1.0\"\ntask", "version = \"one\"\ntask")
            .replace("min_app = \"0.1.0\"", "min_app = \"99.0.0\"")
            .replace("default_limit = 0.35", "default_limit = 35")
    });
    says(
        &text,
        &[
            "manifest.toml:3: version: expected major.minor.patch, found \"one\"",
            "manifest.toml:7: min_app: expected at most",
            "input.std: expected no zero",
            "manifest.toml:46: classes[0].default_limit: expected 0 to 1, found 35",
            "manifest.toml:48: classes[1].id: expected 1, found 2; number the classes from 0 without a gap",
        ],
    );
    let task = refusal(|m| m.replace("\"detect\"", "\"classify\""));
    says(
        &task,
        &["decoder.kind: expected \"classifier\" for task \"classify\", found \"yolo-v8\""],
    );
    let activation = refusal(|m| {
        m.replace("\"detect\"", "\"classify\"")
            .replace("\"yolo-v8\"", "\"classifier\"")
    });
    says(
        &activation,
        &[
            "decoder.activation",
            "\"softmax\" or \"sigmoid\" if the outputs are logits",
        ],
    );
    let colours = refusal(|m| m.replace("color = \"gray\"", "color = \"rgb\""));
    says(
        &colours,
        &[
            "input.mean: expected 3 finite number(s)",
            "input.std: expected 3",
        ],
    );
    let golden = refusal(|m| {
        m.replace(
            "channels = [\"image\", \"reference\"]",
            "channels = [\"image\"]",
        )
    });
    says(&golden, &["golden[0].reference: expected nothing"]);
}

#[test]
fn no_path_leads_out_of_the_bundle() {
    for path in [
        "../model.onnx",
        "/etc/passwd",
        "a/../../b",
        "",
        ".",
        "a\\\\b",
    ] {
        let text = refusal(|m| m.replace("\"model.onnx\"", &format!("\"{path}\"")));
        says(&text, &["files[0].path: expected a path inside the bundle"]);
        let text = refusal(|m| m.replace("\"golden/a.png\"", &format!("\"{path}\"")));
        says(
            &text,
            &["golden[0].image: expected a path inside the bundle"],
        );
    }
}

#[test]
fn missing_and_changed_files_are_refused_by_name() {
    let dir = write(&manifest());
    std::fs::write(dir.path().join("model.onnx"), b"NOT read by the bundle").expect("room");
    std::fs::write(dir.path().join("int8/model.onnx"), b"cut").expect("room");
    let text = Bundle::load(dir.path())
        .expect_err("both are wrong")
        .to_string();
    says(
        &text,
        &[
            "model.onnx: expected SHA-256",
            "int8/model.onnx: expected 15 bytes, found 3",
        ],
    );
    let dir = write(&manifest());
    std::fs::remove_file(dir.path().join("golden/a.png")).expect("it was there");
    says(
        &Bundle::load(dir.path()).expect_err("gone").to_string(),
        &["golden/a.png", "cannot be read"],
    );
    let dir = write(&manifest());
    std::fs::write(
        dir.path().join("golden/a.json"),
        GOLDEN.replace("open", "opne"),
    )
    .expect("room");
    says(
        &Bundle::load(dir.path())
            .expect_err("no such class")
            .to_string(),
        &["a.json", "did you mean `open`?"],
    );
    let nowhere = Bundle::load(Path::new("/nowhere")).expect_err("there is none");
    assert!(matches!(nowhere.problems[..], [Problem::Unreadable { .. }]));
}

#[test]
fn a_packed_bundle_is_the_same_bytes_each_time_and_comes_back_whole() {
    let dir = write(&manifest());
    let bundle = Bundle::load(dir.path()).expect("a sound bundle");
    let out = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (
        out.path().join("one.tar.zst"),
        out.path().join("two.tar.zst"),
    );
    archive::pack(&bundle, &one).expect("room");
    archive::pack(&bundle, &two).expect("room");
    assert_eq!(
        std::fs::read(&one).expect("there"),
        std::fs::read(&two).expect("there")
    );
    let back = archive::unpack(&one, &out.path().join("back")).expect("it was sound");
    assert_eq!(back.manifest(), bundle.manifest());
    assert!(
        !out.path().join("back/secret.txt").exists(),
        "only what the manifest names"
    );
    let again = archive::unpack(&one, &out.path().join("back")).expect_err("not empty");
    says(&again.to_string(), &["to be empty"]);
    let cut = out.path().join("cut.tar.zst");
    let bytes = std::fs::read(&one).expect("there");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("room");
    assert!(archive::unpack(&cut, &out.path().join("cut")).is_err());
}

/// An archive of one entry, its name written as it is.
fn hostile(name: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(if kind.is_file() { 4 } else { 0 });
    header.set_mode(0o644);
    if !kind.is_file() {
        header.set_link_name("/etc/passwd").expect("short");
    }
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    if kind.is_file() {
        bytes.extend([7; 4]);
        bytes.resize(1_024, 0);
    }
    bytes.resize(bytes.len() + 1_024, 0);
    zstd::encode_all(bytes.as_slice(), 3).expect("small")
}

#[test]
fn an_archive_that_reaches_outside_or_holds_links_is_refused() {
    let out = tempfile::tempdir().expect("a temporary folder");
    for (i, (name, kind)) in [
        ("../evil", tar::EntryType::Regular),
        ("/tmp/evil", tar::EntryType::Regular),
        ("a/../../evil", tar::EntryType::Regular),
        ("link", tar::EntryType::Symlink),
        ("hard", tar::EntryType::Link),
    ]
    .into_iter()
    .enumerate()
    {
        let file = out.path().join(format!("{i}.tar.zst"));
        std::fs::write(&file, hostile(name, kind)).expect("room");
        let inside = out.path().join(format!("inside/{i}"));
        let refused = archive::unpack(&file, &inside)
            .expect_err("hostile")
            .to_string();
        says(&refused, &["expected plain files inside the bundle", name]);
        assert_eq!(std::fs::read_dir(&inside).expect("made").count(), 0);
    }
    assert!(!out.path().join("evil").exists() && !out.path().join("inside/evil").exists());
    assert!(!Path::new("/tmp/evil").exists());
}

fn output(found: &[(u16, f32, [f32; 4])]) -> RegionOutput {
    let detections = found.iter().map(|&(class, score, [x, y, w, h])| Detection {
        class: ClassId(class),
        score,
        bbox_view: BoxView { x, y, w, h },
        area: None,
        verifier: None,
    });
    RegionOutput {
        detections: detections.collect(),
        ..RegionOutput::default()
    }
}

#[test]
fn a_golden_run_may_be_off_by_its_tolerance_and_no_more() {
    let dir = write(&manifest());
    let bundle = Bundle::load(dir.path()).expect("a sound bundle");
    let goldens = bundle.goldens().expect("one");
    let classes: Vec<ClassInfo> = bundle.manifest().classes.iter().map(|c| c.info()).collect();
    assert_eq!(classes[0].severity, Severity::Critical);
    let wrong = |found: &[_]| goldens[0].differences(&output(found), &classes).len();
    let near = (0, 0.885, [10.5, 19.5, 30.0, 40.0]);
    assert_eq!(wrong(&[near]), 0);
    // below its class's limit, or above by less than the tolerance: does not count
    assert_eq!(wrong(&[near, (1, 0.51, [0.0, 0.0, 5.0, 5.0])]), 0);
    assert_eq!(wrong(&[near, (1, 0.6, [0.0, 0.0, 5.0, 5.0])]), 1);
    assert_eq!(wrong(&[]), 1);
    // another class, another place, another score: the one is missing and what is there should not be
    assert_eq!(wrong(&[(1, 0.885, near.2)]), 2);
    assert_eq!(wrong(&[(0, 0.9, [12.0, 20.0, 30.0, 40.0])]), 2);
    assert_eq!(wrong(&[(0, 0.8, near.2)]), 2);
    let mut nan = output(&[near]);
    nan.dropped_nonfinite = 1;
    assert_eq!(goldens[0].differences(&nan, &classes).len(), 1);
}
