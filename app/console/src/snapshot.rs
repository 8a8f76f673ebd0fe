//! How the station stands, in the words of the wire.

use crate::context::ConsoleContext;
use crate::host_status::{disk, kib, os_name, temperatures};
use crate::installed;
use crate::station::{ActiveSet, CameraReading, Readings};
use sightline_configs::Loaded;
use sightline_configs::Station as Configuration;
use sightline_domain::{MonoTime, UtcMicros};
use sightline_flow::{FlowCounters, StageSummary};
use sightline_wire::snapshot::RecipeCard;
use sightline_wire::snapshot::{self as wire, Section, Stage};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two looks at what changes slowly.
const SLOW: Duration = Duration::from_secs(1);
/// Between two looks at the folders of recipes and bundles.
const VERY_SLOW: Duration = Duration::from_secs(20);

const DAY_US: i64 = 86_400_000_000;

/// Makes the sections.
pub struct Snapshots {
    context: Arc<ConsoleContext>,
    station: wire::StationFacts,
    base: PathBuf,
    broker: String,
    topic_root: String,
    last: Mutex<LastLook>,
}

/// What was seen at the last look.
#[derive(Default)]
struct LastLook {
    slow: Option<MonoTime>,
    very_slow: Option<MonoTime>,
    generation: u32,
    cpu: Option<(MonoTime, Duration)>,
    engines: usize,
    /// Results acknowledged, and when that number was last seen to grow.
    acknowledged: (u64, Option<UtcMicros>),
    /// An installation had ended.
    installed: bool,
}

impl Snapshots {
    pub fn new(station: &Loaded<Configuration>, context: Arc<ConsoleContext>) -> Self {
        let id = &station.value.station;
        let mqtt = station.value.mqtt.as_ref();
        Self {
            station: wire::StationFacts {
                name: id.name.clone(),
                place: [id.area.as_str(), &id.line, &id.cell].join(" / "),
                version: env!("CARGO_PKG_VERSION").into(),
                simulated: station.value.simulation.is_some(),
                configuration_hash: station.hash.clone(),
                users: Vec::new(),
                has_journal: context.journal.is_some(),
                can_export: context.exports.is_some(),
                can_install: context.has_store
                    && (context.inbox.is_some() || context.sticks.is_some()),
            },
            base: station.base.clone(),
            broker: mqtt.map(|m| m.broker.clone()).unwrap_or_default(),
            topic_root: id.topic_root(),
            last: Mutex::default(),
            context,
        }
    }

    /// Everything that changed, as often as it is worth it.
    pub fn post(&self, readings: &Readings<'_>, consoles: usize) {
        let (board, counters) = (&self.context.board, readings.counters);
        let now = self.context.clock.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.engines = last.engines.max(counters.workers);
        board.post(Section::Line(self.line(readings, last.engines)));
        board.post(Section::Cameras(cameras(&readings.cameras, counters)));
        board.post(Section::Parts(self.context.parts().last()));
        let standing = self.context.handle.alarms();
        board.post(Section::Alarms(crate::alarms::cards(standing)));
        let install = self.context.handle.installation();
        let going = Some(wire::InstallState::Running);
        let installed = install.is_some() && install.as_ref().map(|i| i.state) != going;
        board.post(Section::Install(install));
        board.post(Section::Pulse(wire::Pulse {
            at: self.context.utc(),
            uptime_s: now.since(self.context.start).as_secs(),
        }));
        let is_due =
            |last: Option<MonoTime>, every| last.is_none_or(|last| now.since(last) >= every);
        if is_due(last.slow, SLOW) {
            last.slow = Some(now);
            board.post(Section::Station(wire::StationFacts {
                users: self.context.users.facts(),
                ..self.station.clone()
            }));
            board.post(Section::Timing(timing(readings)));
            board.post(Section::Uplink(
                self.uplink(readings, &mut last.acknowledged),
            ));
            board.post(Section::System(self.system(
                readings,
                &mut last.cpu,
                now,
                consoles,
            )));
        }
        let new_model = installed && !last.installed;
        last.installed = installed;
        let changed = last.generation != counters.generation.0 || new_model;
        if changed || is_due(last.very_slow, VERY_SLOW) {
            last.very_slow = Some(now);
            last.generation = counters.generation.0;
            board.post(Section::Recipes(self.recipes(&readings.active)));
            board.post(Section::Models(self.models(readings)));
        }
    }

    fn line(&self, readings: &Readings<'_>, engines: usize) -> wire::LineFacts {
        let counters = readings.counters;
        let line = &counters.line;
        let mut parts = self.context.parts();
        let uptime = self.context.clock.now().since(self.context.start);
        wire::LineFacts {
            state: match (readings.takes_parts, readings.is_held) {
                (false, _) => wire::LineState::Stopped,
                (true, true) => wire::LineState::Held,
                (true, false) => wire::LineState::Running,
            },
            triggers: line.triggers,
            results: line.results,
            ok: line.ok,
            not_ok: line.not_ok,
            not_decidable: line.not_decidable,
            passed: line.passed,
            rejected: line.rejected,
            per_minute: parts.per_minute(self.context.utc(), uptime.as_secs_f32()),
            reject_streak: parts.streak,
            open_parts: counters.open_parts as u32,
            engines: (counters.workers as u32, engines as u32),
        }
    }

    fn uplink(
        &self,
        readings: &Readings<'_>,
        seen: &mut (u64, Option<UtcMicros>),
    ) -> Option<wire::UplinkFacts> {
        let uplink = readings.uplink.as_ref()?;
        let counters = &uplink.counters;
        if counters.acknowledged > seen.0 {
            *seen = (counters.acknowledged, Some(self.context.utc()));
        }
        let now = self.context.utc();
        let certificate = |v: &sightline_uplink::Validity| wire::CertificateFacts {
            field: v.field.into(),
            path: v.path.display().to_string(),
            days_left: (v.not_after.0 - now.0).div_euclid(DAY_US) as i32,
        };
        Some(wire::UplinkFacts {
            broker: self.broker.clone(),
            topic_root: self.topic_root.clone(),
            connected: counters.connected,
            connections: counters.connections,
            published: counters.published,
            acknowledged: counters.acknowledged,
            last_acknowledged: seen.1,
            pending: counters.pending,
            refused: counters.refused,
            certificates: uplink.certificates.iter().map(certificate).collect(),
        })
    }

    fn recipes(&self, active: &ActiveSet) -> wire::RecipeFacts {
        let plan = &active.plan;
        let name = active.file.file_name().unwrap_or_default();
        let model = |v: &sightline_verdict::PlannedView| match plan.models.get(v.model) {
            Some(model) => model.name.clone(),
            None => String::new(),
        };
        let view =
            |v: &sightline_verdict::PlannedView| (v.name.clone(), v.camera_name.clone(), model(v));
        wire::RecipeFacts {
            active: RecipeCard {
                file: name.to_string_lossy().into_owned(),
                external_id: plan.recipe.external_id.clone(),
                version: plan.recipe.version.clone(),
                hash: plan.recipe.hash.clone(),
                problem: None,
            },
            generation: plan.generation.0,
            deadline_ms: plan.deadline.as_secs_f32() * 1e3,
            views: plan.views.iter().map(view).collect(),
            known: installed::recipes(&self.context.recipes, &*self.context.handle),
        }
    }

    fn models(&self, readings: &Readings<'_>) -> wire::ModelFacts {
        let active = &readings.active;
        let installed = installed::all(&self.context);
        let installed: Vec<_> = installed.into_iter().map(|i| i.card).collect();
        let refs = active.plan.models.iter().flat_map(|m| &m.refs);
        let looks = |r: &sightline_domain::result::ModelRef| {
            let known = installed
                .iter()
                .find(|c| c.name == r.name && c.version == r.version);
            wire::ModelCard {
                name: r.name.clone(),
                version: r.version.clone(),
                digest: r.digest.clone(),
                engine: r.engine.clone(),
                ..known.cloned().unwrap_or_default()
            }
        };
        wire::ModelFacts {
            active: refs.map(looks).collect(),
            previous: match installed::before(&self.context, active) {
                Some(version) => vec![version],
                None => readings.previous.clone(),
            },
            installed,
        }
    }

    fn system(
        &self,
        readings: &Readings<'_>,
        last: &mut Option<(MonoTime, Duration)>,
        now: MonoTime,
        consoles: usize,
    ) -> wire::SystemFacts {
        let used = readings.cpu;
        let before = last.replace((now, used));
        let cpu = before.map_or(0.0, |(at, before)| {
            let wall = now.since(at).as_secs_f32().max(1e-3);
            used.saturating_sub(before).as_secs_f32() / wall
        });
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        wire::SystemFacts {
            os: os_name(),
            cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
            cpu,
            memory: kib(&status, "VmRSS:"),
            box_memory: (kib(&meminfo, "MemAvailable:"), kib(&meminfo, "MemTotal:")),
            disk: disk(&self.base),
            temperatures: temperatures(),
            // timesyncd's mark; other daemons leave none.
            clock_synchronised: Path::new("/run/systemd/timesync/synchronized")
                .exists()
                .then_some(true),
            consoles: consoles as u32,
            pictures: self.context.picture_facts(),
        }
    }
}

fn cameras(cameras: &[CameraReading], counters: &FlowCounters) -> Vec<wire::CameraFacts> {
    use sightline_ingest::CameraState as From;
    use wire::CameraState as To;
    let camera = |(i, camera): (usize, &CameraReading)| {
        let status = &camera.status;
        let counts = &status.counts;
        let bad = &counts.unhealthy;
        wire::CameraFacts {
            name: camera.name.to_string(),
            state: match status.state {
                From::Connecting => To::Connecting,
                From::Live => To::Live,
                From::Stalled => To::Stalled,
                From::Retrying => To::Retrying,
                From::Failed => To::Failed,
                From::Ended => To::Ended,
                From::Unusable => To::Unusable,
            },
            reason: status.reason.to_string(),
            fps: (status.fps * 10.0).round() as f32 / 10.0,
            frames: counts.frames,
            lost: counts.lost,
            dropped: counts.missed_no_slot + counts.missed_overflow + counts.undecodable,
            missed_views: counters.cameras.get(i).map_or(0, |c| c.missed),
            unhealthy: [
                bad.frozen,
                bad.dark,
                bad.bright,
                bad.out_of_focus,
                bad.corrupt,
                bad.flat,
            ],
            levels: status
                .levels
                .as_ref()
                .map_or(String::new(), |l| l.to_string()),
            copied: counts.foreign,
        }
    };
    cameras.iter().enumerate().map(camera).collect()
}

fn timing(readings: &Readings<'_>) -> wire::TimingFacts {
    let counters = readings.counters;
    let s = &counters.stages;
    let stages = [
        (Stage::Capture, &s.capture),
        (Stage::BatchWait, &s.batch_wait),
        (Stage::Queue, &s.queue),
        (Stage::Preprocess, &s.preprocess),
        (Stage::Infer, &s.infer),
        (Stage::Postprocess, &s.postprocess),
        (Stage::Judge, &s.judge),
        (Stage::Whole, &s.trigger_to_verdict),
    ];
    let stage = |(stage, s): (Stage, &StageSummary)| wire::StageFacts {
        stage,
        p50_us: s.p50_us,
        p99_us: s.p99_us,
        max_us: s.max_us,
    };
    let queue = |q: &sightline_queue::QueueSnapshot| wire::QueueFacts {
        name: q.name.to_string(),
        depth: q.len as u32,
        high_water: q.high_water as u32,
        capacity: q.capacity as u32,
    };
    let part = |p: sightline_verdict::OnTheWay| wire::BeltPart {
        track: p.track.0,
        way: p.way,
        disposition: p.disposition,
    };
    let gate = counters.gate.map(|g| wire::GateFacts {
        coming: counters.at_gate as u32,
        rejects: g.rejected,
        confirmed: g.confirmed + g.confirmed_late,
        unconfirmed: g.unconfirmed,
        late: g.late_verdicts,
    });
    wire::TimingFacts {
        stages: stages.into_iter().map(stage).collect(),
        queues: counters.queues.iter().map(queue).collect(),
        gate,
        belt: (readings.on_the_way.iter().copied()).map(part).collect(),
    }
}
