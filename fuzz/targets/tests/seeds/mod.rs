//! Sound inputs to begin from: what the project ships, and what it writes.

use sightline_domain::{CameraId, MockClock, MonoTime, TrackId, Trigger, UtcMicros};
use sightline_journal::{Journal, JournalSettings};
use sightline_wire::snapshot::{LineFacts, StationFacts};
use sightline_wire::{Ask, Section, ToConsole, ToStation, VERSION, framing};
use std::time::Duration;

/// Sound inputs of a target, and a few that are nearly.
pub fn of(name: &str) -> Vec<Vec<u8>> {
    match name {
        "archive" => archives(),
        "coco" => coco(),
        "command" => commands(),
        "journal" => journals(),
        "configuration" => files(&["configs/demo.toml", "configs/jetson-agx.toml"]),
        "manifest" => files(&[
            "models/steel-classifier/manifest.toml",
            "models/steel-detector/manifest.toml",
            "models/pcb-detector/manifest.toml",
        ]),
        "recipe" => files(&[
            "configs/recipes/demo-board.toml",
            "configs/recipes/board-cascade.toml",
        ]),
        "recording" => vec![recording()],
        "wire_to_console" => to_console(),
        "wire_to_station" => to_station(),
        _ => unreachable!("a target without inputs: {name}"),
    }
}

fn files(names: &[&str]) -> Vec<Vec<u8>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let read = |name: &&str| std::fs::read(format!("{root}{name}")).expect("a file that ships");
    names.iter().map(read).collect()
}

/// Commands as `docs/mes.md` shows them, behind their verbs.
fn commands() -> Vec<Vec<u8>> {
    let one = |verb: &str, rest: &str| {
        format!("{verb}\n{{\"schema\":\"sightline.command.v1\"{rest}}}").into_bytes()
    };
    vec![
        one("start", ",\"mode\":\"continuous\",\"job_id\":\"L-1\""),
        one("stop", ""),
        one(
            "trigger",
            ",\"part_id\":\"A1\",\"at\":\"2026-01-31T08:00:00Z\"",
        ),
        one(
            "prepare_recipe",
            ",\"external_id\":\"demo-board\",\"version\":\"1\"",
        ),
        one("ack_alarm", ",\"id\":\"camera.cam1.down\",\"shelve_s\":60"),
        one("resend", ",\"first\":1,\"last\":10"),
    ]
}

/// A journal with a few records of each kind, as it lies on the disk after an end in order.
fn journals() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = Journal::open(JournalSettings {
        folder: folder.path().to_path_buf(),
        marker: None,
        boot_id: uuid::Uuid::from_u128(7),
        clock: std::sync::Arc::new(MockClock::default()),
        deliver: true,
        commit_every: Duration::ZERO,
        queue: 100,
        queue_bytes: 1 << 20,
        keep: Duration::from_secs(90 * 86_400),
        max_bytes: 1 << 30,
        check_at_most: Duration::from_secs(10),
    })
    .expect("a journal");
    for n in 1..=3 {
        let said = journal.audit("anna", "recipe.changed", None, Some("1"), "test");
        said.expect("room for an entry");
        journal.note_gap(2 * n, 2 * n, "lost".into());
    }
    assert!(journal.flush(Duration::from_secs(60)));
    drop(journal);
    vec![std::fs::read(folder.path().join("journal.sqlite")).expect("its file")]
}

/// A bundle of text files, packed: unpacking is what is tried, the model inside is no model.
fn archives() -> Vec<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let manifest = files(&["models/steel-classifier/manifest.toml"]).remove(0);
    for (name, bytes) in [
        ("manifest.toml", manifest.as_slice()),
        ("model.onnx", b"none"),
        ("golden/one.json", b"{}"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes)
            .expect("memory takes it");
    }
    let tar = tar.into_inner().expect("memory takes it");
    let packed = zstd::encode_all(tar.as_slice(), 1).expect("memory takes it");
    // also without the compression's checksums in the way: a tar in one raw block
    let raw = zstd::bulk::compress(&tar, -50).expect("memory takes it");
    vec![packed, raw]
}

fn coco() -> Vec<Vec<u8>> {
    let text = r#"{"images":[{"id":1,"file_name":"a.png","width":64,"height":48,"template_file_name":"t.png"},
        {"id":2,"file_name":"b.png","class_id":1}],
        "annotations":[{"id":1,"image_id":1,"category_id":2,"bbox":[1.5,2,30,40],"area":1200,"iscrowd":0}],
        "categories":[{"id":1,"name":"open"},{"id":2,"name":"short"}]}"#;
    vec![text.into()]
}

fn recording() -> Vec<u8> {
    use sightline_flow::{CameraShape, Recorder};
    let shape = CameraShape {
        slots: 2,
        slot_bytes: 64,
    };
    let mut to = Recorder::new(Vec::new(), &[shape, shape]).expect("memory takes it");
    let trigger = Trigger {
        track_id: TrackId(9),
        part_id: Some("Ä-1".into()),
        at: MonoTime(3),
        at_utc: UtcMicros(-4),
        encoder: Some(-77),
        timing: sightline_domain::Timing::default(),
    };
    to.trigger(MonoTime(1), &trigger);
    to.write().expect("memory takes it");
    to.camera_down(MonoTime(4), CameraId(1));
    to.write().expect("memory takes it");
    to.finish(MonoTime(5)).expect("memory takes it")
}

fn to_console() -> Vec<Vec<u8>> {
    framed(&[
        ToConsole::Welcome {
            magic: *b"SLCW",
            version: VERSION,
        },
        ToConsole::Section(Section::Line(LineFacts::default())),
        ToConsole::Section(Section::Station(StationFacts::default())),
    ])
}

fn to_station() -> Vec<Vec<u8>> {
    framed(&[
        ToStation::hello("console"),
        ToStation::Ask {
            id: 5,
            ask: Ask::Shelve {
                alarm: "camera.cam1.down".into(),
                minutes: 300,
                reason: "known".into(),
            },
        },
        ToStation::Ask {
            id: 6,
            ask: Ask::Picture { seq: 9, view: 1 },
        },
        ToStation::Alive,
    ])
}

/// Each message in a frame of its own, and all of them one after the other.
fn framed(messages: &[impl serde::Serialize]) -> Vec<Vec<u8>> {
    let frame = |message| {
        let mut bytes = Vec::new();
        framing::write(&mut bytes, message, &[]).expect("memory takes it");
        bytes
    };
    let mut all: Vec<Vec<u8>> = messages.iter().map(frame).collect();
    all.push(all.concat());
    all
}
