//! The configuration of one box: cameras, trigger, engine, gate, MQTT, simulated line.

pub use crate::engine::{Arrangement, Automatic, Engine, Precision, Priority, Threads};
pub use crate::health::HealthLimits;
use crate::journal::Journal;
pub use crate::models::Models;
pub use crate::mqtt::{Embedded, Mqtt, Protocol, Sparkplug, Tls, Verb};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sightline_domain::{ColorMatrix, LevelRange, PixelFormat};
use std::path::PathBuf;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Who and where the box is.
    pub station: Identity,
    /// The recipe that is active at start, a path relative to this file.
    pub recipe: PathBuf,
    /// The cameras, in the order of their ids.
    pub cameras: Vec<Camera>,
    /// What opens a part.
    pub trigger: Trigger,
    /// Which engine runs the models, and how.
    #[serde(default)]
    pub engine: Engine,
    /// How the operating system runs our threads.
    #[serde(default)]
    pub threads: Threads,
    /// The reject gate.
    pub gate: Gate,
    /// Where results go. Absent: nowhere, and `sightline check` says so.
    #[serde(default)]
    pub mqtt: Option<Mqtt>,
    /// Where results are kept on disk. Absent: in memory only, and `sightline check` says so.
    #[serde(default)]
    pub journal: Option<Journal>,
    /// Consoles. Absent: none can connect.
    #[serde(default)]
    pub console: Option<crate::console::Console>,
    /// The same events as Sparkplug B, on a connection of its own. Absent: not.
    #[serde(default)]
    pub sparkplug: Option<Sparkplug>,
    /// Where model bundles are kept that can be activated and rolled back. Absent: only the recipe's own.
    #[serde(default)]
    pub models: Option<Models>,
    /// The simulated line, needed by `simulated` cameras, triggers and gates.
    #[serde(default)]
    pub simulation: Option<Simulation>,
}

/// Who and where the box is: ISA-95 levels of the MQTT root, each without spaces, `/`, `+`, `#`, `$`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Enterprise level.
    pub enterprise: String,
    /// Site level.
    pub site: String,
    /// Area level.
    pub area: String,
    /// Line level.
    pub line: String,
    /// Cell level.
    pub cell: String,
    /// The station's own name.
    pub name: String,
}

impl Identity {
    /// `{enterprise}/{site}/{area}/{line}/{cell}/vision/{station}`, without a slash at the end.
    pub fn topic_root(&self) -> String {
        let Self {
            enterprise,
            site,
            area,
            line,
            cell,
            name,
        } = self;
        format!("{enterprise}/{site}/{area}/{line}/{cell}/vision/{name}")
    }
}

/// One camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Its name, unique.
    pub name: String,
    /// Where its frames come from.
    pub source: Source,
    /// Pixel format the station works with; the pipeline converts if the source has another.
    #[serde(default = "default_format")]
    pub format: PixelFormat,
    /// Width in pixels; absent: whatever the source gives first.
    #[serde(default)]
    pub width: Option<u32>,
    /// Height in pixels; absent: whatever the source gives first.
    #[serde(default)]
    pub height: Option<u32>,
    /// Largest frame the slots must hold, bytes; absent: worked out from format, width and height (8 MiB without them).
    #[serde(default)]
    pub slot_bytes: Option<usize>,
    /// Frames that can be in memory at once.
    #[serde(default = "default_slots")]
    pub slots: usize,
    /// Core that the camera's thread is pinned to.
    #[serde(default)]
    pub core: Option<usize>,
    /// What the camera does by itself: `stream`, or one frame a trigger and silence between.
    #[serde(default)]
    pub expects: Expects,
    /// No frame for so long means stalled; not for a camera that is triggered.
    #[serde(default = "default_stall_ms")]
    pub stall_ms: u64,
    /// A source without usable time stamps: its frames arrive at most so long after others of their age, ms.
    #[serde(default = "default_arrival_uncertainty_ms")]
    pub arrival_uncertainty_ms: f64,
    /// Whether it is accepted that nothing proves its pictures to be whole.
    #[serde(default)]
    pub integrity: Integrity,
    /// How it comes back after a failure.
    #[serde(default)]
    pub retry: Retry,
    /// Range of levels where the source says none; absent: guessed.
    #[serde(default)]
    pub range: Option<LevelRange>,
    /// Matrix of YUV where the source says none; absent: guessed by the picture's height.
    #[serde(default)]
    pub matrix: Option<ColorMatrix>,
    /// Samples of more than 8 bits have so many; absent: what the format says, or 16.
    #[serde(default)]
    pub bits: Option<u8>,
    /// Samples of more than 8 bits that become 0 and 255, instead of `bits`.
    #[serde(default)]
    pub window: Option<[u16; 2]>,
    /// When a picture is unfit to be judged.
    #[serde(default)]
    pub health: HealthLimits,
}

impl Camera {
    /// A simulated camera with every field at its default, to be changed by struct update.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            source: Source::Simulated { face: None },
            format: default_format(),
            width: None,
            height: None,
            slot_bytes: None,
            slots: default_slots(),
            core: None,
            expects: Expects::default(),
            stall_ms: default_stall_ms(),
            arrival_uncertainty_ms: default_arrival_uncertainty_ms(),
            integrity: Integrity::default(),
            retry: Retry::default(),
            range: None,
            matrix: None,
            bits: None,
            window: None,
            health: HealthLimits::default(),
        }
    }
}

fn default_format() -> PixelFormat {
    PixelFormat::Gray8
}
fn default_slots() -> usize {
    8
}
fn default_stall_ms() -> u64 {
    2_000
}
fn default_arrival_uncertainty_ms() -> f64 {
    10.0
}

/// What a camera does by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expects {
    /// Frames come all the time; silence is a fault.
    #[default]
    Stream,
    /// A frame comes for a trigger; silence between triggers is normal, and a trigger without a frame is the miss.
    Trigger,
}

/// What is asked of the proof that a camera's pictures are whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Integrity {
    /// `check` and the log warn of a source without one.
    #[default]
    Proved,
    /// It has none, and that is accepted.
    Unproved,
}

/// Where a camera's frames come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// The simulated line draws them, one a part.
    Simulated {
        /// Which face of the board the camera sees; absent: the camera's own number.
        #[serde(default)]
        face: Option<u16>,
    },
    /// Pictures from a folder, a glob or a COCO file.
    Images {
        /// Folder, glob, or COCO `.json`.
        path: PathBuf,
        /// Pictures per second; absent: as fast as the line takes them.
        #[serde(default)]
        rate_hz: Option<f64>,
        /// Begin again at the end.
        #[serde(default)]
        repeat: bool,
        /// A hot folder: every picture that is put into it from now on is shown once.
        #[serde(default)]
        watch: bool,
    },
    /// A video file.
    Video {
        /// The file.
        path: PathBuf,
        /// Play at the file's own pace (true) or as fast as the line takes it.
        #[serde(default = "yes")]
        paced: bool,
        /// Begin again at the end.
        #[serde(default)]
        repeat: bool,
    },
    /// An RTSP camera.
    Rtsp {
        /// `rtsp://…`
        url: String,
        /// Jitter buffer, ms.
        #[serde(default)]
        latency_ms: u32,
        /// TCP (true) or UDP first.
        #[serde(default = "yes")]
        tcp: bool,
        /// UDP multicast alone; needs `tcp = false`.
        #[serde(default)]
        multicast: bool,
        /// Longest wait for the server's answer, ms; the first attempts wait less.
        #[serde(default = "default_rtsp_timeout_ms")]
        timeout_ms: u64,
        /// Which of the server's video streams: its number, or its encoding, e.g. `H264`; absent: the first.
        #[serde(default)]
        stream: Option<StreamChoice>,
        /// `rtsps://`: the authority that signed the server's certificate, PEM; absent: the system's.
        #[serde(default)]
        ca_file: Option<PathBuf>,
    },
    /// A V4L2 device.
    V4l2 {
        /// e.g. `/dev/video0`.
        device: PathBuf,
        /// Frames per second asked for.
        #[serde(default)]
        fps: Option<u32>,
    },
    /// Any GStreamer description that ends in raw video, without the sink.
    Pipeline {
        /// e.g. `videotestsrc is-live=true ! video/x-raw,framerate=30/1`.
        description: String,
        /// Its end is the end; otherwise it is opened again.
        #[serde(default)]
        ends: bool,
    },
}

fn yes() -> bool {
    true
}
fn default_rtsp_timeout_ms() -> u64 {
    10_000
}

/// One of a server's video streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StreamChoice {
    /// Its number among the video streams, from 0.
    Number(u32),
    /// Its encoding as the server names it, e.g. `H264`, `H265`, `JPEG`.
    Encoding(String),
}

/// Back-off between attempts to reconnect, doubled each time, with jitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// First wait, ms.
    pub first_ms: u64,
    /// Longest wait, ms.
    pub max_ms: u64,
    /// Random share of the wait added or taken, 0..=1.
    pub jitter: f64,
    /// Give up after so many attempts without a frame (state `failed`); absent: never.
    pub give_up_after: Option<u32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first_ms: 250,
            max_ms: 4_000,
            jitter: 0.2,
            give_up_after: None,
        }
    }
}

/// What opens a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// The simulated belt's photo-eye.
    Simulated {},
    /// Every frame of one camera is a part.
    EveryFrame {
        /// The camera's name.
        camera: String,
    },
    /// A fixed rate.
    Rate {
        /// Parts per second.
        hz: f64,
    },
    /// A command from outside (MQTT, socket).
    Command {
        /// The trigger's time is known to so many ms: how late commands come, or how far the sender's clock is off.
        #[serde(default = "default_trigger_uncertainty_ms")]
        uncertainty_ms: f64,
        /// Parts come at least so far apart, ms, so that windows can be checked; absent: not known.
        #[serde(default)]
        spacing_ms: Option<f64>,
    },
}

fn default_trigger_uncertainty_ms() -> f64 {
    5.0
}

/// The reject gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What drives it: `simulated`, or `none` (results only, `sightline check` warns).
    pub kind: GateKind,
    /// When a part is at the gate.
    pub at: GateAt,
    /// The command is given so long before the part is at the gate, ms.
    #[serde(default = "default_lead_ms")]
    pub lead_ms: f64,
    /// Expect the confirmation sensor within so long after a reject, ms; absent: no sensor.
    #[serde(default)]
    pub confirm_within_ms: Option<f64>,
    /// What a gate that nothing is done to does with a part.
    #[serde(default)]
    pub mechanism: GateMechanism,
    /// From a command to the gate standing as commanded, ms, at most `lead_ms`; a pass that is commanded later than this
    /// before its part is a reject. Absent: half of `lead_ms`.
    #[serde(default)]
    pub actuation_ms: Option<f64>,
    /// Encoder counts a second that the belt never exceeds: what is faster is a fault of the encoder. Absent: learned.
    #[serde(default)]
    pub max_counts_per_s: Option<f64>,
}

/// What a gate that nothing is done to does with a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateMechanism {
    /// Rests in reject and opens for a part that passes, then closes by itself: without power, command or knowledge parts
    /// are rejected.
    #[default]
    Divert,
    /// Rests in pass and pushes a part off: what it does not act on goes on, so that the line is held wherever that may
    /// have happened.
    Kick,
}

fn default_lead_ms() -> f64 {
    5.0
}

/// What drives the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// The simulated line's gate.
    Simulated,
    /// No gate: dispositions are reported only.
    None,
}

/// When a part is at the gate, counted from its trigger.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GateAt {
    /// After so many encoder counts.
    EncoderCounts(i64),
    /// After so many ms.
    DelayMs(f64),
}

/// The simulated line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Simulation {
    /// Same seed, same line.
    pub seed: u64,
    /// Belt speed, mm/s.
    pub speed_mm_s: f64,
    /// Encoder counts per mm.
    pub counts_per_mm: f64,
    /// Smallest distance between parts, mm.
    pub spacing_min_mm: f64,
    /// Largest distance between parts, mm.
    pub spacing_max_mm: f64,
    /// Share of parts with defects, 0..=1.
    pub defective_share: f64,
    /// Most defects on a defective part.
    pub max_defects: u32,
    /// Board pictures are squares of so many pixels.
    pub board_px: u32,
    /// Camera-like pictures (gain, noise, blur, uneven light, shift, rotation) instead of two-level ones.
    pub camera_look: bool,
    /// Real pictures from a COCO file on the belt instead of drawn boards.
    pub images: Option<PathBuf>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            seed: 1,
            speed_mm_s: 200.0,
            counts_per_mm: 10.0,
            spacing_min_mm: 40.0,
            spacing_max_mm: 80.0,
            defective_share: 0.2,
            max_defects: 4,
            board_px: 640,
            camera_look: false,
            images: None,
            faults: Vec::new(),
        }
    }
}

/// Something that goes wrong on the simulated line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Which camera, by name, for camera faults.
    #[serde(default)]
    pub camera: Option<String>,
    /// Seconds after the start.
    pub at_s: f64,
    /// For how long, seconds.
    pub for_s: f64,
}

impl FaultKind {
    /// It is a camera's.
    pub fn is_of_a_camera(self) -> bool {
        matches!(
            self,
            Self::Unplugged | Self::Frozen | Self::Dark | Self::Bright | Self::Blurred
        )
    }
}

/// Kinds of scripted faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The camera gives no frames.
    Unplugged,
    /// The camera repeats its last picture with running numbers.
    Frozen,
    /// The light is off.
    Dark,
    /// The light is far too strong.
    Bright,
    /// The lens is out of focus.
    Blurred,
    /// Parts arrive faster than the engines can look.
    Burst,
    /// The gate does not move.
    GateStuck,
    /// The encoder starts from 0 again.
    EncoderReset,
    /// The encoder's 32 bits are full, and it goes on from the other end.
    EncoderWrap,
    /// The belt runs and the encoder counts nothing; what it missed is lost.
    EncoderLoss,
    /// The encoder counts backwards.
    EncoderReverse,
    /// The encoder's counts are far off now and then.
    EncoderNoise,
    /// The encoder does not answer.
    EncoderSilent,
    /// The belt stands, and nobody ordered it.
    BeltStop,
}
