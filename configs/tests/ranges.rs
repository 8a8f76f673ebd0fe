//! Every number of configuration and recipe has a range that `check` holds: whatever passes can be made durations, bytes and
//! capacities. Each number is set to each extreme, one after the other.

use serde::de::DeserializeOwned;
use sightline_configs::station::{Arrangement, Fault, FaultKind, Source};
use sightline_configs::{Problem, Recipe, Station, check_recipe, check_station, read};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::Value;

const EXTREMES: [f64; 16] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e300,
    -1e300,
    1e30,
    1e19,
    9.3e18,
    4.3e9,
    1e-300,
    -1e-300,
    -1.0,
    -1e9,
    f64::MAX,
    f64::MIN_POSITIVE,
    17_592_186_044_416.0,
];
/// The largest number that any range takes, `simulation.seed` apart: bytes of a frame.
const LARGEST: f64 = (1u64 << 30) as f64;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn load<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(file(name)).unwrap();
    read::<T>(Path::new(name), &text)
        .unwrap_or_else(|p| panic!("{p}"))
        .0
}

/// The reference with every number written, also those that may be absent.
fn station() -> Station {
    let mut station: Station = load("reference.toml");
    let camera = &mut station.cameras[0];
    (camera.width, camera.height) = (Some(640), Some(640));
    (camera.slot_bytes, camera.core) = (Some(1 << 20), Some(0));
    camera.bits = Some(12);
    camera.retry.give_up_after = Some(3);
    camera.source = Source::Simulated { face: Some(0) };
    let mut more = vec![
        Source::Images {
            path: "x".into(),
            rate_hz: Some(1.0),
            repeat: false,
            watch: false,
        },
        Source::Rtsp {
            url: "rtsp://x".into(),
            latency_ms: 1,
            tcp: true,
            multicast: false,
            timeout_ms: 5_000,
            stream: None,
            ca_file: None,
        },
        Source::V4l2 {
            device: "x".into(),
            fps: Some(1),
        },
    ];
    for (i, source) in more.drain(..).enumerate() {
        let mut camera = station.cameras[0].clone();
        (camera.name, camera.source) = (format!("more{i}"), source);
        station.cameras.push(camera);
    }
    station.engine.cores = vec![0];
    station.engine.max_batch = Some(1);
    station.engine.arrangement = Arrangement::Fixed {
        instances: 1,
        threads: 1,
    };
    station.threads.stage_core = Some(0);
    station.gate.confirm_within_ms = Some(100.0);
    station.gate.actuation_ms = Some(2.5);
    station.gate.max_counts_per_s = Some(10_000.0);
    let simulation = station.simulation.get_or_insert_default();
    simulation.faults = vec![Fault {
        kind: FaultKind::Burst,
        camera: None,
        at_s: 1.0,
        for_s: 1.0,
    }];
    station
}

/// Where numbers stand.
fn numbers(value: &Value, at: Vec<String>, into: &mut Vec<Vec<String>>) {
    let below = |key: String| [at.clone(), vec![key]].concat();
    match value {
        Value::Integer(_) | Value::Float(_) => into.push(at),
        Value::Table(table) => {
            table
                .iter()
                .for_each(|(k, v)| numbers(v, below(k.clone()), into));
        }
        Value::Array(list) => {
            let each = list.iter().enumerate();
            each.for_each(|(i, v)| numbers(v, below(i.to_string()), into));
        }
        _ => {}
    }
}

fn place<'v>(value: &'v mut Value, path: &[String]) -> &'v mut Value {
    path.iter().fold(value, |value, key| match value {
        Value::Table(table) => table.get_mut(key).unwrap(),
        Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
        _ => panic!("{key}"),
    })
}

/// Sets every number to every extreme; `problems` must find all that are taken as of their type.
fn attack(whole: &Value, problems: impl Fn(&str) -> Option<Vec<Problem>>) {
    let mut all = Vec::new();
    numbers(whole, Vec::new(), &mut all);
    let mut refused = 0;
    for path in &all {
        if path.last().is_some_and(|p| p == "seed") {
            continue;
        }
        for extreme in EXTREMES {
            let whole_number =
                extreme.is_finite() && extreme.fract() == 0.0 && extreme.abs() < 9.2e18;
            let mut forms = vec![Value::Float(extreme)];
            if whole_number {
                forms.push(Value::Integer(extreme as i64));
            }
            for form in forms {
                let mut changed = whole.clone();
                *place(&mut changed, path) = form.clone();
                let text = toml::to_string(&changed).unwrap();
                match problems(&text) {
                    None => refused += 1,
                    Some(found) if found.is_empty() => {
                        // -1 switches a health limit off
                        let off = path.iter().any(|p| p == "health") && extreme == -1.0;
                        let small = extreme.abs() <= LARGEST && extreme != -1.0 && extreme != -1e9;
                        let small = small || off;
                        assert!(small, "{path:?} = {form} is taken");
                    }
                    Some(found) => {
                        refused += 1;
                        let said = |p: &Problem| p.message.contains("expected");
                        assert!(found.iter().any(said), "{path:?} = {form}: {found:?}");
                    }
                }
            }
        }
    }
    assert!(
        all.len() > 10 && refused > all.len() * 8,
        "{refused} of {}",
        all.len()
    );
}

#[test]
fn no_number_of_a_configuration_passes_that_cannot_be_used() {
    let whole = Value::try_from(station()).unwrap();
    let good: Station = toml::from_str(&toml::to_string(&whole).unwrap()).unwrap();
    let text = toml::to_string(&whole).unwrap();
    let (_, source) = read::<Station>(Path::new("x"), &text).unwrap();
    assert_eq!(check_station(&good, &source), []);
    attack(&whole, |text| {
        let (station, source) = read::<Station>(Path::new("x"), text).ok()?;
        Some(check_station(&station, &source))
    });
}

#[test]
fn no_number_of_a_recipe_passes_that_cannot_be_used() {
    let station: Station = load("demo.toml");
    let text = r#"
        schema = "sightline.recipe.v1"
        external_id = "A"
        internal_id = "a"
        version = "1"
        deadline_ms = 400.0
        combine = { kind = "at-least", views = 1 }
        [[models]]
        name = "m"
        bundle = "b"
        verifier = { bundle = "v", context = 2.0, min_crop_px = 48.0, dismiss_at = 0.5 }
        [[views]]
        name = "v"
        camera = "cam1"
        model = "m"
        offset_ms = 1.0
        window_ms = 20.0
        width = 4000
        height = 4000
        tiles = { width = 640, height = 640, overlap_px = 64 }
        include = [{ x = 0.0, y = 0.0, w = 1.0, h = 1.0 }]
        exclude = [{ x = 0.0, y = 0.0, w = 1.0, h = 1.0 }]
        reference = { max_shift_px = 1.0, max_rotation_deg = 1.0, min_correlation = 0.5 }
        [challenge]
        every_parts = 5000
        every_hours = 8.0
        grace_parts = 20
        parts = [{ part_id = "c", findings = ["scratch"] }]
        [limits.scratch]
        score = 0.5
        min_area_px = 1.0
        max_area_px = 400.0
        count = 1
    "#;
    let whole: Value = toml::from_str(text).unwrap();
    attack(&whole, |text| {
        let (recipe, source) = read::<Recipe>(Path::new("x"), text).ok()?;
        Some(check_recipe(&recipe, &source, &station))
    });
}

/// A number that is added to the types and not to [`station`] is not attacked: this finds it.
#[test]
fn every_number_of_the_types_is_attacked() {
    fn names(schema: &serde_json::Value, into: &mut BTreeSet<String>) {
        match schema {
            serde_json::Value::Object(map) => {
                let is_number = |s: &serde_json::Value| {
                    let kind = s["type"].to_string();
                    kind.contains("integer") || kind.contains("number")
                };
                if let Some(serde_json::Value::Object(fields)) = map.get("properties") {
                    let numbers = fields.iter().filter(|(_, s)| is_number(s));
                    into.extend(numbers.map(|(name, _)| name.clone()));
                }
                map.values().for_each(|v| names(v, into));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|v| names(v, into)),
            _ => {}
        }
    }
    let mut known = BTreeSet::new();
    names(schemars::schema_for!(Station).as_value(), &mut known);
    let mut written = Vec::new();
    numbers(
        &Value::try_from(station()).unwrap(),
        Vec::new(),
        &mut written,
    );
    let written: BTreeSet<_> = written.into_iter().flatten().collect();
    // Alternatives of the reference's trigger and gate, checked by name below.
    let apart = [
        "hz",
        "delay_ms",
        "encoder_counts",
        "uncertainty_ms",
        "spacing_ms",
    ];
    let missing: Vec<_> = known
        .iter()
        .filter(|n| !written.contains(*n) && !apart.contains(&n.as_str()))
        .collect();
    assert!(missing.is_empty(), "not attacked: {missing:?}");
    for (of, text) in [
        (
            "trigger.uncertainty_ms",
            "trigger = { kind = \"command\", uncertainty_ms = 1e300 }",
        ),
        (
            "trigger.spacing_ms",
            "trigger = { kind = \"command\", spacing_ms = 1e300 }",
        ),
        ("trigger.hz", "trigger = { kind = \"rate\", hz = 1e300 }"),
        (
            "gate.at.delay_ms",
            "gate = { kind = \"none\", at = { delay_ms = 1e300 } }",
        ),
        (
            "gate.at.encoder_counts",
            "gate = { kind = \"none\", at = { encoder_counts = 9000000000000000000 } }",
        ),
    ] {
        let mut whole = Value::try_from(load::<Station>("demo.toml")).unwrap();
        let change: toml::Table = toml::from_str(text).unwrap();
        whole.as_table_mut().unwrap().extend(change);
        let text = toml::to_string(&whole).unwrap();
        let (station, source) = read::<Station>(Path::new("x"), &text).unwrap();
        let found = check_station(&station, &source);
        assert!(found.iter().any(|p| p.field == of), "{of}: {found:?}");
    }
}
