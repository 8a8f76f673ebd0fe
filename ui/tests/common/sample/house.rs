//! The station itself: cameras, recipes, models, times, the box.

use super::NOW;
use super::parts::part;
use super::past::alarms;
use sightline_domain::{Disposition, UtcMicros};
use sightline_wire::ask::{BundleFile, UserFacts};
use sightline_wire::snapshot::*;
use sightline_wire::*;

pub fn model(name: &str, version: &str) -> ModelCard {
    let classes = [
        ("open circuit", "断路"),
        ("short circuit", "短路"),
        ("mouse bite", "鼠咬"),
        ("spur", "毛刺"),
        ("pinhole", "针孔"),
    ];
    ModelCard {
        name: name.into(),
        version: version.into(),
        digest: "1d0b41750692e8e655867b8f8b76f37e".into(),
        engine: "onnx-cpu/int8".into(),
        task: "detect".into(),
        classes: classes
            .map(|(en, zh)| (en.to_owned(), Some(zh.to_owned())))
            .to_vec(),
        metrics: vec![
            ("test-int8-deeppcb.ap50".into(), "0.9840".into()),
            (
                "test-int8-deeppcb.command".into(),
                "python -m sightline_training.evaluate pcb-detector --role test --precision int8"
                    .into(),
            ),
            ("test-int8-drawn.ap50".into(), "0.9930".into()),
        ],
        license: "Apache-2.0 for our part; trained on DeepPCB: evaluation and demonstration only"
            .into(),
    }
}

pub fn cameras() -> Vec<CameraFacts> {
    let camera = |i: u64| CameraFacts {
        name: format!("cam{}", i + 1),
        state: if i == 3 {
            CameraState::Stalled
        } else {
            CameraState::Live
        },
        reason: if i == 3 {
            "no frame for 2.0 s".into()
        } else {
            String::new()
        },
        fps: if i == 3 { 0.0 } else { 9.8 },
        frames: 4_210 - i,
        lost: i,
        dropped: 0,
        missed_views: i * 3,
        unhealthy: [0, i, 0, 1, 0, 0],
        levels: "video range (source), bt709 (source)".into(),
        copied: 0,
    };
    (0..4).map(camera).collect()
}

pub fn timing() -> TimingFacts {
    let stages = [
        (Stage::Capture, 12_400),
        (Stage::BatchWait, 1_900),
        (Stage::Queue, 8_800),
        (Stage::Preprocess, 2_100),
        (Stage::Infer, 61_200),
        (Stage::Postprocess, 800),
        (Stage::Judge, 40),
        (Stage::Whole, 96_300),
    ];
    let queue = |name: &str, depth, most, bound| QueueFacts {
        name: name.into(),
        depth,
        high_water: most,
        capacity: bound,
    };
    TimingFacts {
        stages: stages
            .map(|(stage, us)| StageFacts {
                stage,
                p50_us: us,
                p99_us: us * 2,
                max_us: us * 3,
            })
            .to_vec(),
        queues: vec![
            queue("flow-input", 0, 6, 4_096),
            queue("engine-0", 1, 2, 2),
            queue("engine-1", 0, 2, 2),
            queue("results", 0, 3, 1_024),
        ],
        gate: Some(GateFacts {
            coming: 3,
            rejects: 127,
            confirmed: 126,
            unconfirmed: 1,
            late: 0,
        }),
        belt: [
            (1_201, 0.93, Some(Disposition::Pass)),
            (1_202, 0.62, Some(Disposition::Reject)),
            (1_203, 0.33, Some(Disposition::Pass)),
            (1_204, 0.06, None),
        ]
        .map(|(track, way, disposition)| BeltPart {
            track,
            way,
            disposition,
        })
        .to_vec(),
    }
}

/// Everything at once.
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
pub fn snapshot() -> Snapshot {
    let user = |name: &str, role| UserFacts {
        name: name.into(),
        role,
    };
    let card = |file: &str, version: &str, problem: Option<&str>| RecipeCard {
        file: file.into(),
        external_id: "DEMO-BOARD".into(),
        version: version.into(),
        hash: "ab".repeat(32),
        problem: problem.map(Into::into),
    };
    let view = |i: usize| (format!("face{i}"), format!("cam{i}"), "pcb".to_owned());
    Snapshot {
        station: StationFacts {
            name: "station1".into(),
            place: "assembly / line1 / demo".into(),
            version: "0.1.0".into(),
            simulated: true,
            configuration_hash: "6f2e9e92a2505d6c".repeat(4),
            users: vec![
                user("Li", Role::Supervisor),
                user("Chen", Role::Engineer),
                user("Admin", Role::Administrator),
            ],
            has_journal: true,
            can_export: true,
            can_install: true,
        },
        line: LineFacts {
            state: LineState::Running,
            triggers: 4_213,
            results: 4_210,
            ok: 4_083,
            not_ok: 119,
            not_decidable: 8,
            passed: 4_083,
            rejected: 127,
            per_minute: 71.6,
            reject_streak: 2,
            open_parts: 3,
            engines: (2, 2),
        },
        cameras: cameras(),
        parts: vec![part(1_203, Some("open circuit"))],
        alarms: alarms(),
        recipes: RecipeFacts {
            active: card("demo-board.toml", "3", None),
            generation: 4,
            deadline_ms: 800.0,
            views: (1..=4).map(view).collect(),
            known: vec![
                card("demo-board.toml", "3", None),
                card("demo-board-fast.toml", "4", None),
                card(
                    "trial.toml",
                    "",
                    Some("trial.toml:12: deadline_ms: expected a number of more than 0, found -5"),
                ),
            ],
        },
        models: ModelFacts {
            active: vec![model("pcb-detector", "0.2.0")],
            installed: vec![
                model("pcb-detector", "0.1.0"),
                model("pcb-detector", "0.2.0"),
            ],
            previous: vec!["pcb-detector 0.1.0".into()],
        },
        install: Some(InstallFacts {
            file: "pcb-detector-0.3.0.tar.zst".into(),
            by: "mes".into(),
            state: InstallState::Running,
            took_s: 8,
            said: "proving it on its golden pictures".into(),
        }),
        timing: timing(),
        uplink: Some(UplinkFacts {
            broker: "mqtts://mes.plant.example:8883".into(),
            topic_root: "sightline/demo/assembly/line1/demo/vision/station1".into(),
            connected: false,
            connections: 2,
            published: 4_100,
            acknowledged: 4_096,
            last_acknowledged: Some(UtcMicros(NOW.0 - 114_000_000)),
            pending: 114,
            refused: 0,
            certificates: [
                ("cert_file", "station1.pem", 19),
                ("ca_file", "plant-ca.pem", 2_411),
            ]
            .map(|(field, name, days_left)| CertificateFacts {
                field: field.into(),
                path: format!("/etc/sightline/tls/{name}"),
                days_left,
            })
            .to_vec(),
        }),
        system: SystemFacts {
            os: "Debian GNU/Linux 12 (bookworm)".into(),
            cores: 8,
            cpu: 1.62,
            memory: 141 << 20,
            box_memory: (21 << 30, 32 << 30),
            disk: (6 << 30, 120 << 30),
            temperatures: vec![("cpu-thermal".into(), 61.0), ("gpu-thermal".into(), 57.0)],
            clock_synchronised: Some(true),
            consoles: 2,
            pictures: Some(PictureFacts {
                parts: 2_113,
                bytes: (407 << 20, 512 << 20),
                left_out: 3,
            }),
        },
        pulse: Pulse {
            at: NOW,
            uptime_s: 15_130,
        },
    }
}

/// What lies in the inbox and on a stick.
pub fn bundles() -> Vec<BundleFile> {
    let bundle = |stick: Option<&str>, file: &str, minutes: i64| BundleFile {
        stick: stick.map(Into::into),
        file: file.into(),
        bytes: 7_412_330,
        changed: UtcMicros(NOW.0 - minutes * 60_000_000),
    };
    vec![
        bundle(Some("chen/SIGHTLINE"), "pcb-detector-0.3.0.tar.zst", 9),
        bundle(None, "pcb-detector-0.2.0.tar.zst", 9_000),
    ]
}
