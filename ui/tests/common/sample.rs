//! A station in the middle of a shift, with something wrong on every screen, for pictures that are compared.

use sightline_console::view::Station;
use sightline_model::{
    AlarmSeverity, BoxView, Disposition, DispositionReason, Evaluation, Health, MissReason,
    Severity, UtcMicros,
};
use sightline_wire::ask::{AlarmHappening, AlarmRow, AuditRow, QualityFacts, UserFacts};
use sightline_wire::preview::{Judged, Pixels};
use sightline_wire::snapshot::*;
use sightline_wire::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// 2026-03-02 10:15:00 UTC.
pub const NOW: UtcMicros = UtcMicros(1_772_446_500_000_000);

/// Answers at once.
pub struct Still {
    pub snapshot: Snapshot,
    pub session: Session,
    pub age: Duration,
    pub link: Link,
    pub asked: RefCell<Vec<Ask>>,
    pub wishes: RefCell<Vec<Wish>>,
    answers: RefCell<Vec<(u64, Reply)>>,
}

impl Still {
    pub fn new() -> Self {
        Self {
            snapshot: snapshot(),
            session: Session {
                user: Some("Chen".into()),
                role: Role::Engineer,
            },
            age: Duration::from_millis(80),
            link: Link::Up,
            asked: RefCell::default(),
            wishes: RefCell::default(),
            answers: RefCell::default(),
        }
    }

    fn reply(&self, ask: &Ask) -> Reply {
        match ask {
            Ask::Rejects(_) => Answer::Parts(rejects()).into(),
            Ask::Picture { view, .. } => {
                let preview = preview(*view, 320, true);
                Reply {
                    answer: Answer::Picture(preview.head),
                    pixels: preview.bytes,
                }
            }
            Ask::Quality { .. } => Answer::Quality(Box::new(quality())).into(),
            Ask::Audit { .. } => Answer::Audit(audit()).into(),
            Ask::AlarmHistory { .. } => Answer::AlarmHistory(history()).into(),
            Ask::CompareRecipe { .. } => {
                let line = |sign, text: &str| (sign, text.to_owned());
                Answer::Difference(vec![
                    line('-', "version = \"3\""),
                    line('+', "version = \"4\""),
                    line('-', "deadline_ms = 800"),
                    line('+', "deadline_ms = 600"),
                ])
                .into()
            }
            _ => Answer::Done.into(),
        }
    }
}

impl Station for Still {
    fn link(&self) -> Link {
        self.link.clone()
    }
    fn look(&self) -> (Snapshot, Session, Option<Duration>) {
        (self.snapshot.clone(), self.session.clone(), Some(self.age))
    }
    fn take_previews(&self) -> BTreeMap<u16, Preview> {
        let wishes = self.wishes.borrow();
        let one = |w: &Wish| {
            (
                w.camera,
                preview(w.camera, w.width.min(w.height), w.camera == 2),
            )
        };
        wishes.iter().map(one).collect()
    }
    fn take_answers(&self) -> Vec<(u64, Reply)> {
        self.answers.take()
    }
    fn watch(&self, wishes: Vec<Wish>) {
        *self.wishes.borrow_mut() = wishes;
    }
    fn ask(&self, ask: Ask) -> Option<u64> {
        let mut asked = self.asked.borrow_mut();
        let id = asked.len() as u64;
        self.answers.borrow_mut().push((id, self.reply(&ask)));
        asked.push(ask);
        Some(id)
    }
}

/// Traces of a board in grey, and a box where a defect is.
pub fn preview(camera: u16, side: u16, bad: bool) -> Preview {
    let side = side.clamp(8, 640);
    let level = |i: usize| {
        let (x, y) = (i % usize::from(side), i / usize::from(side));
        let unit = usize::from(side).div_ceil(24).max(1);
        let (u, v) = (x / unit, y / unit + usize::from(camera));
        if (u + v / 3) % 5 < 2 || (v % 7 == 0 && u % 11 > 3) {
            205
        } else {
            52
        }
    };
    let finding = Finding {
        class: "open circuit".into(),
        severity: Severity::Critical,
        score: 0.93,
        bbox: BoxView {
            x: 250.0,
            y: 300.0,
            w: 60.0,
            h: 46.0,
        },
        counted: true,
    };
    let judged = Judged {
        track: 1_203,
        evaluation: if bad {
            Evaluation::NotOK
        } else {
            Evaluation::OK
        },
        findings: if bad { vec![finding] } else { Vec::new() },
    };
    let head = PreviewHead {
        camera,
        frame_id: 7,
        captured: NOW,
        width: side,
        height: side,
        view_width: 640,
        view_height: 640,
        pixels: Pixels::Gray,
        health: if camera == 3 {
            Health::TooDark
        } else {
            Health::Ok
        },
        judged: Some(judged),
    };
    let bytes = (0..head.bytes()).map(level).collect();
    Preview { head, bytes }
}

fn part(seq: u64, class: Option<&str>) -> PartCard {
    let view = |i: usize| ViewCard {
        view: format!("face{}", i + 1),
        camera: format!("cam{}", i + 1),
        health: Some(Health::Ok),
        missed: (class.is_none() && i == 3).then_some(MissReason::CameraDown),
        findings: (class.into_iter().filter(|_| i < 2))
            .map(|class| Finding {
                class: class.into(),
                severity: Severity::Critical,
                score: 0.9 - 0.2 * i as f32,
                bbox: BoxView::default(),
                counted: true,
            })
            .collect(),
        has_picture: i < 2,
    };
    PartCard {
        seq,
        event_id: format!("0195-{seq}"),
        track: seq,
        part_id: seq.is_multiple_of(2).then(|| format!("SN-{seq:06}")),
        recipe: "DEMO-BOARD 3".into(),
        decided: UtcMicros(NOW.0 - seq as i64 * 1_000_000),
        evaluation: class.map_or(Evaluation::NotDecidable, |_| Evaluation::NotOK),
        disposition: Disposition::Reject,
        reason: DispositionReason::Verdict,
        took_ms: 96.0,
        margin_ms: 704.0,
        views: (0..4).map(view).collect(),
        overruled: (seq == 1_199).then_some(true),
    }
}

fn rejects() -> Vec<PartCard> {
    let classes = [
        Some("open circuit"),
        Some("mouse bite"),
        None,
        Some("short circuit"),
    ];
    (0..14)
        .map(|i| part(1_203 - i, classes[i as usize % 4]))
        .collect()
}

fn alarms() -> Vec<AlarmCard> {
    let alarm = |id: &str, severity, state, active, message: &str| AlarmCard {
        id: id.into(),
        severity,
        state,
        active,
        since: UtcMicros(NOW.0 - 75_000_000),
        message: message.into(),
        by: matches!(state, AlarmState::Acknowledged | AlarmState::Shelved { .. })
            .then(|| "Chen".into()),
    };
    let until = UtcMicros(NOW.0 + 1_500_000_000);
    vec![
        alarm(
            "gate-unconfirmed",
            AlarmSeverity::Urgent,
            AlarmState::Unacknowledged,
            true,
            "part 1187: the sensor was to see this rejected part in time and did not; take the part off by hand, check gate and sensor, then acknowledge (1 so far)",
        ),
        alarm(
            "camera.cam4.down",
            AlarmSeverity::High,
            AlarmState::Acknowledged,
            true,
            "camera cam4: expected frames, found it stalled: no frame for 2.0 s; its parts are rejected until it is back",
        ),
        alarm(
            "engine.1.fault",
            AlarmSeverity::Low,
            AlarmState::Returned,
            false,
            "engine 1: expected an answer, found an error of the library; it was made anew",
        ),
        alarm(
            "outbox-full",
            AlarmSeverity::High,
            AlarmState::Shelved { until },
            true,
            "expected room for a result, found 100000 waiting",
        ),
    ]
}

fn history() -> Vec<AlarmRow> {
    let row = |seconds: i64, id: &str, what, by: Option<&str>| AlarmRow {
        at: UtcMicros(NOW.0 - seconds * 1_000_000),
        id: id.into(),
        what,
        severity: AlarmSeverity::High,
        by: by.map(Into::into),
    };
    vec![
        row(
            20,
            "camera.cam4.down",
            AlarmHappening::Acknowledged,
            Some("Chen"),
        ),
        row(75, "camera.cam4.down", AlarmHappening::Raised, None),
        row(900, "outbox-full", AlarmHappening::Shelved, Some("Li")),
        row(90_000, "camera.cam1.down", AlarmHappening::Cleared, None),
        row(90_060, "camera.cam1.down", AlarmHappening::Raised, None),
    ]
}

fn quality() -> QualityFacts {
    QualityFacts {
        parts: 4_210,
        pareto: [
            ("open circuit", 61),
            ("mouse bite", 34),
            ("short circuit", 21),
            ("missed:camera_down", 8),
            ("spur", 3),
        ]
        .map(|(c, n)| (c.to_owned(), n))
        .to_vec(),
        trend: (0..20)
            .map(|i| (57 - i * 3, 210, 6 + (i * 7) % 11))
            .collect(),
        scores: [0, 0, 0, 0, 3, 5, 9, 14, 38, 92],
        times: [120, 3_600, 420, 60, 8, 2, 0, 0, 0, 0],
        sampled: 500,
        rejects_reviewed: (31, 4),
        passes_reviewed: (12, 1),
    }
}

fn audit() -> Vec<AuditRow> {
    let row =
        |seconds: i64, actor: &str, action: &str, old: &str, new: &str, reason: &str| AuditRow {
            at: UtcMicros(NOW.0 - seconds * 1_000_000),
            actor: actor.into(),
            action: action.into(),
            old: old.into(),
            new: new.into(),
            reason: reason.into(),
        };
    vec![
        row(
            20,
            "Chen",
            "acknowledge-alarm camera.cam4.down",
            "active, unacknowledged",
            "active, acknowledged",
            "",
        ),
        row(
            64,
            "Chen",
            "review 0195-1199",
            "rejected",
            "good",
            "Inspection is wrong",
        ),
        row(
            300,
            "Chen",
            "activate-model",
            "pcb-detector 0.1.0",
            "pcb-detector 0.2.0",
            "Trial",
        ),
        row(420, "Chen", "log-in", "", "engineer", ""),
        row(
            900,
            "operator",
            "stop-line",
            "ContinuousExecution, recipe DEMO-BOARD, generation 3",
            "Ready, recipe DEMO-BOARD, generation 3",
            "",
        ),
        row(
            90_000,
            "mes",
            "install_model",
            "",
            "",
            "installed pcb-detector 0.2.0",
        ),
    ]
}

fn model(name: &str, version: &str) -> ModelCard {
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
            ("deeppcb.ap50".into(), "0.9840".into()),
            ("drawn.ap50".into(), "0.9930".into()),
        ],
        license: "Apache-2.0 for our part; trained on DeepPCB: evaluation and demonstration only"
            .into(),
    }
}

fn cameras() -> Vec<CameraFacts> {
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
        unhealthy: [0, i, 0, 1, 0],
        copied: 0,
    };
    (0..4).map(camera).collect()
}

fn timing() -> TimingFacts {
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
        },
        pulse: Pulse {
            at: NOW,
            uptime_s: 15_130,
        },
    }
}
