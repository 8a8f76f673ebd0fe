//! What exporters leave, in networks of a few kilobytes (`models/make_contracts.py`): each is drafted without an edit and
//! says what it was made to say, or is refused by the name of its kind. Nothing passes in silence.

mod common;

use common::{factory, lease_of, pool, view};
use serde_json::Value;
use sightline_domain::PixelFormat;
use sightline_engine::bundle::draft::{Choice, Draft, draft};
use sightline_engine::{Batch, Bundle, Engine, EngineSettings, RegionOutput};
use sightline_onnx::inspect;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/contracts")
}

fn contracts(wanted: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join("contracts.json")).expect("the list");
    let all: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let some: Vec<Value> = all.into_iter().filter(|c| !c[wanted].is_null()).collect();
    assert!(!some.is_empty(), "no contract with {wanted}");
    some
}

fn name(contract: &Value) -> &str {
    contract["name"].as_str().expect("a name")
}

fn drafted(name: &str, choice: Option<&str>) -> Result<Draft, String> {
    let path = folder().join(format!("{name}.onnx"));
    let info = inspect(factory().runtime(), &path).map_err(|e| e.to_string())?;
    let choice = Choice {
        decoder: choice.map(str::to_owned),
        // for those that name none
        classes: match info.metadata.contains_key("names")
            || is_classifier(name)
            || is_ambiguous(name, choice)
        {
            true => Vec::new(),
            false => ["a", "b", "c"].map(str::to_owned).to_vec(),
        },
    };
    draft(&info, &choice).map_err(|e| e.to_string())
}

/// The number of its classes would tell what it is.
fn is_ambiguous(name: &str, choice: Option<&str>) -> bool {
    name == "v8-transposed-bare" || (name == "hugging-face" && choice.is_none())
}

fn is_classifier(name: &str) -> bool {
    contracts("scores").iter().any(|c| c["name"] == name)
}

/// The draft as it is, in a bundle beside the model.
fn bundle(name: &str, choice: Option<&str>) -> (TempDir, Bundle, Draft) {
    let draft = drafted(name, choice).unwrap_or_else(|e| panic!("{name}: {e}"));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = format!("{name}.onnx");
    std::fs::copy(folder().join(&file), dir.path().join(&file)).expect("room for a model");
    std::fs::write(dir.path().join("manifest.toml"), &draft.manifest_toml).expect("room");
    let bundle =
        Bundle::load(dir.path()).unwrap_or_else(|e| panic!("{e}\n{}", draft.manifest_toml));
    (dir, bundle, draft)
}

/// What an engine of the draft says of a picture of one colour.
fn says(bundle: &Bundle, width: u32, height: u32) -> RegionOutput {
    let mut engine = factory()
        .engine(bundle, &EngineSettings::default())
        .unwrap_or_else(|e| panic!("{e}"));
    let pixels = [200, 100, 50].repeat((width * height) as usize);
    let pool = pool(1, pixels.len());
    let mut batch = Batch::default();
    batch.push_whole(view(lease_of(
        &pool,
        width,
        height,
        PixelFormat::Rgb,
        &pixels,
    )));
    engine.submit(batch).expect("room for one");
    let batch = engine.collect().expect("one in flight").expect("it runs");
    batch.outputs[0].clone()
}

#[test]
fn each_head_is_read_as_its_exporter_meant_it() {
    for contract in contracts("findings") {
        let name = name(&contract);
        let (_dir, bundle, draft) = bundle(name, contract["choice"].as_str());
        let m = bundle.manifest();
        assert_eq!(
            contract["head"],
            m.decoder.kind.name(),
            "{name}: {}",
            draft.read_as
        );
        let color = format!("{:?}", m.input.color).to_lowercase();
        assert_eq!(contract["color"], color, "{name}");
        let scale = contract["scale"].as_f64().expect("a scale");
        assert!(
            (f64::from(m.input.scale) - scale).abs() < 1e-6,
            "{name}: {}",
            m.input.scale
        );
        if contract["names"] == true {
            let codes: Vec<&str> = m.classes.iter().map(|c| c.code.as_str()).collect();
            assert_eq!(codes, ["Mouse_bite", "Open_Circuit", "划痕"], "{name}");
            assert_eq!(m.classes[1].name.en, "Open Circuit");
        }
        if let Some(guess) = contract["guess"].as_str() {
            assert!(
                draft.guesses.iter().any(|g| g.contains(guess)),
                "{:?}",
                draft.guesses
            );
            assert_eq!(m.classes.len(), 3);
        }
        let said = says(&bundle, 128, 96);
        assert_eq!(said.dropped_nonfinite, 0, "{name}");
        let things = contract["findings"].as_array().expect("findings");
        let found = &said.detections;
        assert_eq!(found.len(), things.len(), "{name}: {found:?}");
        for thing in things {
            let number = |v: &Value| v.as_f64().expect("a number") as f32;
            let like = found.iter().any(|d| {
                let b = d.bbox_view;
                let edges = [b.x, b.y, b.x + b.w, b.y + b.h];
                let wanted = thing["edges"].as_array().expect("edges");
                thing["class"] == d.class.0
                    && (d.score - number(&thing["score"])).abs() < 0.01
                    && edges
                        .iter()
                        .zip(wanted)
                        .all(|(e, w)| (e - number(w)).abs() < 0.1)
            });
            assert!(like, "{name}: {thing} is not among {found:?}");
        }
    }
}

#[test]
fn each_kind_that_is_not_read_is_refused_by_name_with_advice() {
    for contract in contracts("refused") {
        let name = name(&contract);
        let said = match drafted(name, None) {
            Ok(draft) => panic!("{name} was drafted: {}", draft.manifest_toml),
            Err(said) => said,
        };
        for word in contract["refused"].as_array().expect("words") {
            let word = word.as_str().expect("a word");
            assert!(said.contains(word), "{name}: `{word}` is not in: {said}");
        }
        let wrong = drafted(name, Some("classifier"));
        assert!(
            wrong.is_err(),
            "{name}: a choice that does not fit was taken"
        );
    }
}

#[test]
fn pictures_come_in_the_type_order_and_range_that_the_file_wants() {
    for contract in contracts("looks") {
        let name = name(&contract);
        let (_dir, bundle, _) = bundle(name, None);
        let said = says(&bundle, 64, 64);
        let mut scores: Vec<(u16, f32)> = said
            .detections
            .iter()
            .map(|d| (d.class.0, d.score))
            .collect();
        scores.sort_by_key(|s| s.0);
        for (class, level) in [200.0, 100.0, 50.0].into_iter().enumerate() {
            let found = scores.get(class).copied().unwrap_or_default();
            let near = found.0 as usize == class && (found.1 - level / 255.0).abs() < 0.002;
            assert!(near, "{name}: {scores:?}");
        }
    }
    let (_dir, bundle, _) = bundle("one-channel", None);
    let said = says(&bundle, 64, 64);
    // 0.299, 0.587 and 0.114 of the three
    let luminance = (0.299 * 200.0 + 0.587 * 100.0 + 0.114 * 50.0) / 255.0;
    assert!(
        (said.detections[0].score - luminance).abs() < 0.002,
        "{said:?}"
    );
}

#[test]
fn classifiers_give_probabilities_and_know_the_class_of_good_parts() {
    for contract in contracts("scores") {
        let name = name(&contract);
        let (_dir, bundle, _) = bundle(name, None);
        let said = says(&bundle, 64, 64).class_scores;
        for (found, wanted) in said
            .iter()
            .zip(contract["scores"].as_array().expect("scores"))
        {
            let wanted = wanted.as_f64().expect("a number") as f32;
            assert!((found - wanted).abs() < 0.01, "{name}: {said:?}");
        }
        let m = bundle.manifest();
        let good: Vec<&str> = m
            .classes
            .iter()
            .filter(|c| c.good)
            .map(|c| c.code.as_str())
            .collect();
        assert_eq!(
            good,
            contract["good"].as_str().into_iter().collect::<Vec<_>>(),
            "{name}"
        );
        if contract["imagenet"] == true {
            assert_eq!((m.input.resize_to, m.input.antialias), (Some(73), true));
            assert_eq!(m.input.mean, [0.485, 0.456, 0.406]);
        }
    }
}

#[test]
fn what_is_no_finding_and_not_nothing_is_counted() {
    for contract in contracts("broken") {
        let name = name(&contract);
        let (_dir, bundle, _) = bundle_of_the_sound_one(name);
        let said = says(&bundle, 128, 96);
        assert!(said.dropped_nonfinite > 0, "{name}: {said:?}");
    }
}

/// The draft of a sound twin, for a file whose numbers are broken: it is drafted for none.
fn bundle_of_the_sound_one(name: &str) -> (TempDir, Bundle, Draft) {
    let twin = if name.starts_with("rows") {
        "rt-detr-rows"
    } else {
        "v10"
    };
    let (dir, _, draft) = bundle(twin, None);
    let bytes = std::fs::read(folder().join(format!("{name}.onnx"))).expect("a model");
    let (old, new) = (
        sightline_engine::bundle::draft::ModelInfo::of_bytes(
            "",
            &std::fs::read(folder().join(format!("{twin}.onnx"))).expect("a model"),
        ),
        sightline_engine::bundle::draft::ModelInfo::of_bytes("", &bytes),
    );
    let text = draft.manifest_toml.replace(&old.sha256, &new.sha256);
    let text = text.replace(
        &format!("size = {}", old.size),
        &format!("size = {}", new.size),
    );
    std::fs::write(dir.path().join(format!("{twin}.onnx")), bytes).expect("room");
    std::fs::write(dir.path().join("manifest.toml"), text).expect("room");
    let bundle = Bundle::load(dir.path()).expect("a sound bundle");
    (dir, bundle, draft)
}

#[test]
fn weights_beside_the_model_come_from_the_bundle_and_nowhere_else() {
    let draft = drafted("external", None).expect("a known head");
    assert!(
        draft.manifest_toml.contains("role = \"weights\""),
        "{}",
        draft.manifest_toml
    );
    let dir = tempfile::tempdir().expect("a temporary folder");
    for file in ["external.onnx", "external.data"] {
        std::fs::copy(folder().join(file), dir.path().join(file)).expect("room");
    }
    let manifest = dir.path().join("manifest.toml");
    std::fs::write(&manifest, &draft.manifest_toml).expect("room");
    let sound = Bundle::load(dir.path()).expect("a sound bundle");
    assert_eq!(says(&sound, 128, 96).detections.len(), 3);
    let settings = EngineSettings::default();
    let digest = |b: &Bundle| b.engine_info("onnx", &settings).expect("a model").digest;
    let other = sound.manifest().files[0].sha256.clone();
    assert_ne!(digest(&sound), other, "the digest is of model and weights");

    // changed weights are found, also after the bundle was loaded
    std::fs::write(
        dir.path().join("external.data"),
        vec![0; sound.manifest().files[1].size as usize],
    )
    .expect("room");
    let said = Bundle::load(dir.path())
        .expect_err("they were changed")
        .to_string();
    assert!(
        said.contains("external.data") && said.contains("SHA-256"),
        "{said}"
    );
    assert!(factory().engine(&sound, &settings).is_err());

    // a manifest that does not list them is refused, whatever lies beside the model or in the working directory
    let unlisted: String = {
        let start = draft
            .manifest_toml
            .find("\n[[files]]\npath = \"external.data\"")
            .expect("an entry");
        let end = start
            + draft.manifest_toml[start..]
                .find("\n[input]")
                .expect("the next section");
        format!(
            "{}{}",
            &draft.manifest_toml[..start],
            &draft.manifest_toml[end..]
        )
    };
    std::fs::write(&manifest, unlisted).expect("room");
    let said = Bundle::load(dir.path())
        .expect_err("they are not listed")
        .to_string();
    assert!(
        said.contains("`external.data`, which the manifest does not list"),
        "{said}"
    );
}

#[test]
fn a_manifest_that_contradicts_its_file_is_refused_when_the_engine_is_built() {
    let contradicts = |name: &str, from: &str, to: &str, words: &str| {
        let (dir, _, draft) = bundle(name, None);
        let (start, _) = draft.manifest_toml.split_once(from).expect("it is there");
        let rest = &draft.manifest_toml[start.len()..];
        let line_end = if from.starts_with("kind") {
            rest.find("\n[[classes]]").expect("classes")
        } else {
            from.len()
        };
        let text = format!("{start}{to}{}", &rest[line_end..]);
        std::fs::write(dir.path().join("manifest.toml"), &text).expect("room");
        let bundle = Bundle::load(dir.path()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let said = match factory().engine(&bundle, &EngineSettings::default()) {
            Ok(_) => panic!("{name} was taken"),
            Err(e) => e.to_string(),
        };
        assert!(said.contains(words), "{name}: {said}");
    };
    let v10 = "kind = \"yolo-v10\"\nversion = 1\n";
    contradicts(
        "rt-detr-rows",
        "kind = \"rows\"",
        v10,
        "the exporter's metadata says RT-DETR",
    );
    contradicts(
        "scaled-inside",
        "scale = 1.0 ",
        "scale = 0.00392156862745098 ",
        "input.scale = 0.003921569 does it again",
    );
    let yolox = "kind = \"yolox\"\nversion = 1\n";
    contradicts(
        "v8-transposed",
        "kind = \"yolo-v8\"",
        yolox,
        "the exporter's metadata says YOLOv8",
    );
}
