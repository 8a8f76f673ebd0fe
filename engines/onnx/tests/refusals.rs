//! Files and settings that are refused, and the words they are refused with.

mod common;

use common::{CLASSIFIER, Spec, bundle, engine, factory, model_bytes};
use sightline_engine::{Bundle, EngineSettings};
use sightline_onnx::inspect;

fn refusal(spec: &Spec<'_>) -> String {
    match engine(spec, 1) {
        Ok(_) => panic!("the model was taken"),
        Err(error) => error.to_string(),
    }
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn an_input_of_another_shape_or_name_is_shown_from_both_sides() {
    let wrong_side = refusal(&Spec {
        side: 64,
        ..Spec::of("v8-fixed")
    });
    says(
        &wrong_side,
        &[
            "images float32[N, 1, 64, 64]",
            "images float32[1, 1, 32, 32]",
            "inputs",
        ],
    );
    let wrong_name = refusal(&Spec {
        input: "input",
        ..Spec::of("v8-fixed")
    });
    says(
        &wrong_name,
        &["input float32[N, 1, 32, 32]", "images float32"],
    );
    let no_reference = refusal(&Spec {
        channels: "[\"image\", \"reference\"]",
        ..Spec::of("v8-fixed")
    });
    says(&no_reference, &["[N, 2, 32, 32]", "[1, 1, 32, 32]"]);
}

#[test]
fn outputs_that_do_not_fit_the_decoder_are_shown_from_both_sides() {
    let classes = refusal(&Spec {
        classes: 5,
        ..Spec::of("v8-fixed")
    });
    says(
        &classes,
        &[
            "outputs",
            "[N, 9, A]: 4 and 5 classes",
            "output0 float32[1, 6, 21]",
        ],
    );
    let other_head = refusal(&Spec {
        decoder: CLASSIFIER,
        ..Spec::of("v8-fixed")
    });
    says(&other_head, &["[N, 2]", "output0 float32[1, 6, 21]"]);
}

#[test]
fn a_file_that_does_not_do_what_it_declares_is_found_by_running_it_once() {
    let text = refusal(&Spec::of("dishonest"));
    says(
        &text,
        &[
            "output0",
            "declared as output0 float32[1, 6, 4]",
            "[1, 6, 8]",
            "export the model again",
        ],
    );
}

#[test]
fn scores_that_are_no_probabilities_are_found_by_running_it_once() {
    let text = refusal(&Spec::of("v8-logits"));
    says(
        &text,
        &[
            "scores of a run on zeros",
            "scores in 0 to 1",
            "a score of -5",
        ],
    );
}

#[test]
fn a_truncated_file_is_refused_by_size_and_if_the_manifest_was_written_for_it_by_the_library() {
    let whole = model_bytes("v8-fixed");
    let cut = Spec {
        bytes: whole[..whole.len() - 100].to_vec(),
        ..Spec::of("v8-fixed")
    };
    says(
        &refusal(&cut),
        &["model.onnx", "not a model this engine can load"],
    );
    let (dir, sound) = bundle(&Spec::of("v8-fixed"));
    std::fs::write(dir.path().join("model.onnx"), &cut.bytes).expect("room");
    let expected = format!("expected {} bytes, found {}", whole.len(), cut.bytes.len());
    let load = Bundle::load(dir.path())
        .expect_err("it is short")
        .to_string();
    says(&load, &["model.onnx", &expected]);
    // it was whole when the bundle was loaded
    let built = factory().engine(&sound, &EngineSettings::default());
    says(
        &built.err().expect("it is short now").to_string(),
        &["model.onnx", &expected],
    );
}

#[test]
fn a_swapped_file_is_refused_by_its_hash() {
    let (dir, _) = bundle(&Spec::of("v8-fixed"));
    let mut bytes = model_bytes("v8-fixed");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(dir.path().join("model.onnx"), bytes).expect("room");
    let text = Bundle::load(dir.path())
        .expect_err("one bit is off")
        .to_string();
    says(
        &text,
        &["model.onnx", "expected SHA-256", "changed or swapped"],
    );
}

#[test]
fn a_provider_that_is_not_there_is_never_replaced_quietly() {
    let (_dir, bundle) = bundle(&Spec::of("v8-fixed"));
    for provider in ["cuda", "warp-drive"] {
        let settings = EngineSettings {
            provider: provider.to_owned(),
            ..EngineSettings::default()
        };
        let error = factory().engine(&bundle, &settings).err();
        let text = error.expect("this library has the CPU only").to_string();
        says(
            &text,
            &[
                &format!("provider `{provider}` is not there"),
                "this library has",
                "cpu",
            ],
        );
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let (_dir, bundle) = bundle(&Spec::of("v8-fixed"));
    for (threads, max_batch, field) in [
        (0, 1, "threads"),
        (1, 0, "max_batch"),
        (1, 9_999, "max_batch"),
    ] {
        let settings = EngineSettings {
            threads,
            max_batch,
            ..EngineSettings::default()
        };
        let error = factory().engine(&bundle, &settings).err();
        says(
            &error.expect("out of range").to_string(),
            &[field, "expected 1 to"],
        );
    }
}

#[test]
fn a_file_can_be_inspected_and_drafts_a_manifest_that_loads() {
    use sightline_engine::bundle::draft::{Choice, draft};
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("Board_v8.onnx");
    std::fs::write(&path, model_bytes("v8-open")).expect("room");
    let info = inspect(factory().runtime(), &path).expect("a model");
    assert_eq!(info.inputs[0].to_string(), "images float32[?, 1, 32, 32]");
    let draft = draft(&info, &Choice::default()).expect("a known head");
    std::fs::write(dir.path().join("manifest.toml"), &draft.manifest_toml).expect("room");
    let bundle = Bundle::load(dir.path()).expect("a draft loads");
    assert_eq!(bundle.manifest().name, "board-v8");
    assert_eq!(bundle.manifest().classes.len(), 2);
    assert!(
        factory()
            .engine(&bundle, &EngineSettings::default())
            .is_ok()
    );
    assert!(inspect(factory().runtime(), &dir.path().join("manifest.toml")).is_err());
}
