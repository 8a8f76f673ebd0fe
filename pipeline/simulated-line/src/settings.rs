//! From the configuration's `[simulation]`, `[gate]` and cameras to the line's settings.

use sightline_configs::station::{
    self, FaultKind as Scripted, Gate, GateAt, GateMechanism, Simulation,
};
use sightline_domain::{CameraId, Clock};
use sightline_frames::TriggerSink;
use sightline_simulation::{
    BeltSettings, Condition, EncoderFault, Fault, FaultKind, GatePosition, GateSettings,
    LineSettings, Look, PartMix, Window,
    boards::{CameraLook, EdgeLook},
    line::LineCamera,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How much closer parts come in a scripted burst.
const BURST_FACTOR: f64 = 4.0;

/// One camera over the belt.
#[derive(Clone, Debug)]
pub struct SimulatedCamera {
    /// Its place in the configuration.
    pub id: CameraId,
    /// Its name, by which faults call it.
    pub name: String,
    /// From the trigger to the part being before it, at the belt's speed.
    pub offset: Duration,
}

/// Everything a line needs.
pub struct LineSetup {
    /// The configuration's `[simulation]`.
    pub simulation: Simulation,
    /// The configuration's `[gate]`: the simulated flap stands where the station expects it.
    pub gate: Option<Gate>,
    /// Cameras with a simulated source.
    pub cameras: Vec<SimulatedCamera>,
    /// What `simulation.images` is relative to.
    pub base_dir: PathBuf,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where triggers go.
    pub triggers: Arc<dyn TriggerSink>,
}

impl LineSetup {
    pub(super) fn line(&self) -> LineSettings {
        let s = &self.simulation;
        let mm = |time: Duration| time.as_secs_f64() * s.speed_mm_s;
        let mut cameras: Vec<LineCamera> = self
            .cameras
            .iter()
            .map(|c| LineCamera {
                offset_mm: mm(c.offset),
            })
            .collect();
        // Where only trigger and gate are simulated, the line still wants a camera; nobody looks through it.
        let drawn = s.images.is_none() && !cameras.is_empty();
        if cameras.is_empty() {
            cameras.push(LineCamera { offset_mm: 0.0 });
        }
        LineSettings {
            seed: s.seed,
            belt: BeltSettings {
                speed_mm_s: s.speed_mm_s,
                counts_per_mm: s.counts_per_mm,
                spacing_min_mm: s.spacing_min_mm,
                spacing_max_mm: s.spacing_max_mm,
            },
            cameras,
            board_px: s.board_px,
            look: if s.camera_look {
                Look::Camera(CameraLook::default())
            } else {
                Look::TwoLevel(EdgeLook::default())
            },
            mix: PartMix {
                defective_share: s.defective_share,
                max_defects: s.max_defects,
                ..PartMix::default()
            },
            gate: self
                .gate
                .as_ref()
                .map_or_else(GateSettings::default, |gate| self.gate_settings(gate)),
            faults: s
                .faults
                .iter()
                .flat_map(|fault| self.faults(fault))
                .collect(),
            drawn,
        }
    }

    /// The flap is where the station expects it, is quicker than the station's lead, and closes again behind one part.
    fn gate_settings(&self, gate: &Gate) -> GateSettings {
        let s = &self.simulation;
        let defaults = GateSettings::default();
        GateSettings {
            position_mm: match gate.at {
                GateAt::EncoderCounts(counts) => counts as f64 / s.counts_per_mm,
                GateAt::DelayMs(ms) => ms / 1_000.0 * s.speed_mm_s,
            },
            actuation_ms: defaults
                .actuation_ms
                .min(gate.actuation_ms.unwrap_or(gate.lead_ms / 2.0)),
            rest: match gate.mechanism {
                GateMechanism::Divert => GatePosition::Reject,
                GateMechanism::Kick => GatePosition::Pass,
            },
            pass_hold_ms: 2.0 * gate.lead_ms + 10.0,
            sensor_ms: gate
                .confirm_within_ms
                .map_or(defaults.sensor_ms, |ms| defaults.sensor_ms.min(ms / 2.0)),
            ..defaults
        }
    }

    /// A camera fault without a camera is every camera's.
    fn faults(&self, fault: &station::Fault) -> Vec<Fault> {
        let window = Window::Time {
            from_ms: ms(fault.at_s),
            for_ms: ms(fault.for_s),
        };
        let of_cameras = |condition| {
            let meant = |c: &&(u16, &str)| fault.camera.as_deref().is_none_or(|name| name == c.1);
            let cameras: Vec<_> = (0u16..)
                .zip(self.cameras.iter().map(|c| c.name.as_str()))
                .collect();
            let one = |(camera, _): &(u16, &str)| Fault {
                what: FaultKind::Camera {
                    camera: *camera,
                    condition,
                },
                window,
            };
            cameras.iter().filter(meant).map(one).collect()
        };
        let line = |what| vec![Fault { what, window }];
        let encoder = |fault| line(FaultKind::Encoder { fault });
        match fault.kind {
            Scripted::Unplugged => of_cameras(Condition::Unplugged),
            Scripted::Frozen => of_cameras(Condition::Frozen),
            Scripted::Dark => of_cameras(Condition::Dark),
            Scripted::Bright => of_cameras(Condition::Bright),
            Scripted::Blurred => of_cameras(Condition::Blurred),
            Scripted::Burst => line(FaultKind::Burst {
                factor: BURST_FACTOR,
            }),
            Scripted::GateStuck => line(FaultKind::GateStuck {
                at: GatePosition::Pass,
            }),
            Scripted::EncoderReset => encoder(EncoderFault::Reset),
            Scripted::EncoderWrap => encoder(EncoderFault::Wraps),
            Scripted::EncoderLoss => encoder(EncoderFault::LosesCounts),
            Scripted::EncoderReverse => encoder(EncoderFault::Reversed),
            Scripted::EncoderNoise => encoder(EncoderFault::Noisy),
            Scripted::EncoderSilent => encoder(EncoderFault::Silent),
            Scripted::BeltStop => line(FaultKind::BeltStops),
        }
    }
}

fn ms(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1_000.0).round() as u64
}
