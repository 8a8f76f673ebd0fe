//! What the factory is told: schema, golden, numbers without a gap, the same bytes from the same inputs.

use crate::common::*;
use sightline_domain::result::StagesUs;
use sightline_domain::{
    Detection, Health, InspectionResult, MissReason, TrackId, Trigger, VerifierOutcome, ViewId,
};
use sightline_verdict::{Dossier, Judge, Outcome, ResultConfig, ResultMaker, SeededIds};
use std::path::{Path, PathBuf};
use uuid::Uuid;

fn maker(seed: u64) -> ResultMaker {
    let config = ResultConfig {
        station: "station1".to_owned(),
        boot_id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001),
        configuration_hash: "ef".repeat(32),
        is_simulated: true,
        with_findings_below_limit: false,
        first_seq: 41,
    };
    ResultMaker::new(config, Box::new(SeededIds::from_number(seed)))
}

/// A part of three views: a counted defect among others, a dark picture, a missing one.
fn mixed(judge: &mut Judge) -> Box<Dossier> {
    let plan = plan(3);
    let t = Trigger {
        part_id: Some("SN-00\"17".into()),
        ..trigger(7, ms(0))
    };
    judge.open(&plan, &t).unwrap();
    let dismissed = Detection {
        verifier: Some(VerifierOutcome::Dismissed { score: 0.9 }),
        ..finding(0, 0.97)
    };
    let found = [
        dismissed,
        finding(1, 0.8),
        finding(0, 0.75),
        finding(0, 0.2),
    ];
    let stages = StagesUs {
        capture: 3_000,
        infer: 9_000,
        ..StagesUs::default()
    };
    let meta = frame(0, Health::Ok);
    judge.seen(&tag(7, 0), &meta, answer(&found), stages, ms(20));
    let meta = frame(1, Health::TooDark);
    let stages = StagesUs::default();
    judge.seen(&tag(7, 1), &meta, answer(&[]), stages, ms(20));
    judge.missed(TrackId(7), ViewId(2), MissReason::CameraDown, None, ms(60));
    judge.next_decided(ms(61)).unwrap()
}

fn clean(judge: &mut Judge, track: u64) -> Box<Dossier> {
    judge.open(&plan(1), &trigger(track, ms(0))).unwrap();
    see(judge, track, 0, &[], ms(20));
    judge.next_decided(ms(21)).unwrap()
}

fn schema_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/schemas/sightline.result.v1.json")
}

/// Compares with a file of the project, or writes it where `SIGHTLINE_UPDATE_GOLDENS` is set.
fn golden(path: &Path, found: &str) {
    if std::env::var_os("SIGHTLINE_UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, found).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == found,
        "{} differs from what the types say now; look at the difference, then run the test with \
         SIGHTLINE_UPDATE_GOLDENS=1. Found:\n{found}",
        path.display()
    );
}

fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let schema = settings
        .into_generator()
        .into_root_schema_for::<InspectionResult>();
    let mut schema = serde_json::to_value(schema).unwrap();
    schema["$id"] = "sightline.result.v1".into();
    schema
}

#[test]
fn the_schema_in_the_project_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    golden(&schema_path(), &text);
}

#[test]
fn results_are_valid_by_the_schema_and_what_is_not_is_refused() {
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema())
        .unwrap();
    let (mut judge, mut maker) = (Judge::new(4), maker(1));
    let overflow = judge
        .overflow_dossier(&plan(2), &trigger(9, ms(0)), ms(1))
        .unwrap();
    for dossier in [mixed(&mut judge), clean(&mut judge, 8), overflow] {
        let asked = dossier.decision().asked;
        let result = maker.make(&dossier, asked);
        let bytes = maker.encode(&result).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&json)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        let back: InspectionResult = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(back, result);
        let mut broken = json.clone();
        broken["times"]["decided"] = "yesterday".into();
        assert!(!validator.is_valid(&broken));
        for break_it in ["schema", "event_id", "disposition", "views", "times"] {
            let mut broken = json.clone();
            broken[break_it] = "nonsense".into();
            assert!(!validator.is_valid(&broken), "{break_it}");
            broken.as_object_mut().unwrap().remove(break_it);
            assert!(!validator.is_valid(&broken), "without {break_it}");
        }
    }
}

#[test]
fn a_mixed_part_is_told_as_the_golden_says() {
    let mut judge = Judge::new(4);
    let dossier = mixed(&mut judge);
    let mut maker = maker(1);
    maker.set_job(Some("lot-9".to_owned()));
    let result = maker.make(&dossier, dossier.decision().asked);
    let text = serde_json::to_string_pretty(&result).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdict/goldens/mixed-part.json");
    golden(&path, &text);
}

#[test]
fn numbers_have_no_gap_and_ids_are_version_7_and_different() {
    let (mut judge, mut maker) = (Judge::new(4), maker(3));
    let mut ids = Vec::new();
    for track in 1..=100 {
        let dossier = clean(&mut judge, track);
        let result = maker.make(&dossier, Outcome::PASS);
        judge.recycle(dossier);
        assert_eq!(result.seq, 40 + track);
        assert_eq!(result.event_id.get_version_num(), 7);
        let (secs, nanos) = result.event_id.get_timestamp().unwrap().to_unix();
        let at_ms = secs as i64 * 1_000 + i64::from(nanos) / 1_000_000;
        assert_eq!(at_ms, UTC_START / 1_000 + 20);
        ids.push(result.event_id);
    }
    assert_eq!(maker.next_seq(), 141);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

#[test]
fn a_wall_clock_that_steps_back_does_not_bring_ids_out_of_order() {
    let (mut judge, mut maker) = (Judge::new(4), maker(3));
    let first = clean(&mut judge, 1);
    let first = maker.make(&first, Outcome::PASS).event_id;
    let mut back = trigger(2, ms(0));
    back.at_utc.0 -= 3_600_000_000;
    judge.open(&plan(1), &back).unwrap();
    see(&mut judge, 2, 0, &[], ms(20));
    let second = judge.next_decided(ms(21)).unwrap();
    let second = maker.make(&second, Outcome::PASS);
    assert_eq!(first.get_timestamp(), second.event_id.get_timestamp());
    assert_eq!(second.times.trigger, "2026-01-31T07:00:00.000000Z");
    assert_eq!(second.times.decided, "2026-01-31T07:00:00.020000Z");
    assert_eq!(second.times.margin_ms, 80.0);
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_another_seed_only_other_ids() {
    let run = |seed| {
        let (mut judge, mut maker) = (Judge::new(4), maker(seed));
        let dossiers = [mixed(&mut judge), clean(&mut judge, 8)];
        dossiers.map(|d| {
            let result = maker.make(&d, d.decision().asked);
            (maker.encode(&result).unwrap(), result)
        })
    };
    assert_eq!(run(5), run(5));
    for ((_, mut a), (_, b)) in run(5).into_iter().zip(run(6)) {
        assert_ne!(a.event_id, b.event_id);
        a.event_id = b.event_id;
        assert_eq!(a, b);
    }
}

#[test]
fn what_the_gate_really_did_is_told_not_what_was_asked() {
    let mut judge = Judge::new(4);
    let dossier = clean(&mut judge, 1);
    let late = Outcome::reject(sightline_domain::DispositionReason::Late);
    let result = maker(1).make(&dossier, late);
    assert_eq!(result.evaluation, sightline_domain::Evaluation::OK);
    assert_eq!(
        (result.disposition, result.disposition_reason),
        (late.disposition, late.reason)
    );
}
