//! What goes wrong in one run, drawn from its seed.

use crate::disk::DiskFault;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sightline_domain::MonoTime;
use sightline_simulation::{EncoderFault, Fault, FaultKind, GatePosition, Window};
use std::time::Duration;

/// What lasts for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A camera's frames do not come.
    FramesLost(usize),
    /// They come up to 400 ms late.
    FramesLate(usize),
    /// They come twice.
    FramesTwice(usize),
    /// The camera says that it lost them.
    FramesReportedLost(usize),
    /// The camera is not live.
    CameraDown(usize),
    /// It repeats its picture, which its health check says.
    Frozen(usize),
    /// Triggers come up to 120 ms late, after frames.
    TriggersLate,
    /// Triggers come twice under their number.
    TriggersTwice,
    /// Triggers do not come.
    TriggersLost,
    /// Between parts the eye sees some that are not there.
    Ghosts,
    /// The encoder.
    Encoder(EncoderFault),
    /// The flap.
    GateStuck(GatePosition),
    /// The gate does not take commands.
    GateRefuses,
    /// The bin's sensor reports up to 400 ms late.
    SensorLate,
    /// It reports nothing.
    SensorBlind,
    /// A batch takes up to 40 ms, and everything else with it.
    EngineSlow,
    /// Every other picture makes the engine panic.
    EngineDies,
    /// The disk.
    Disk(DiskFault),
    /// Nothing listens.
    BrokerAway,
    /// The broker says no to results and copies.
    BrokerRefuses,
    /// It takes messages, and its answers are lost with the connection.
    AnswersLost,
}

/// What happens at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blow {
    /// The process stands still, ms.
    Freeze(u64),
    /// `kill -9` after so many more writes of a commit, and a start so many ms later.
    Kill { writes: u32, down_ms: u64 },
    /// An end in order, and a start so many ms later.
    Restart { down_ms: u64 },
    /// Somebody deletes the journal's file.
    FileDeleted,
    /// The wall clock jumps, µs.
    ClockStep(i64),
    /// Another recipe takes over.
    Changeover,
    /// `stop`, the belt stands, and `start` so many ms later.
    StopStart(u64),
    /// The belt stands though nobody ordered it, ms.
    BeltStops(u64),
}

/// A trouble and when.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// What.
    pub kind: Kind,
    /// From.
    pub from: MonoTime,
    /// To.
    pub until: MonoTime,
}

/// Everything that goes wrong in a run.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    /// What lasts.
    pub lasting: Vec<Trouble>,
    /// What happens at a moment.
    pub blows: Vec<(MonoTime, Blow)>,
}

const MS: u64 = 1_000_000;
/// No trouble lasts longer.
const LONGEST: Duration = Duration::from_secs(12);

impl Troubles {
    /// Draws them for a run that is disturbed from 2 s to `until`: about one in two seconds.
    pub fn draw(dice: &mut ChaCha8Rng, until: MonoTime, by_encoder: bool) -> Self {
        let seconds = until.0 / (1_000 * MS);
        let mut drawn = Self::default();
        for _ in 0..seconds / 2 {
            let from = MonoTime(dice.random_range(2_000 * MS..until.0));
            if dice.random_bool(0.35) {
                let blow = blow(dice, by_encoder);
                drawn.blows.push((from, blow));
                continue;
            }
            let kind = kind(dice, by_encoder);
            let long = match kind {
                Kind::Encoder(_) => dice.random_range(60..2_000),
                Kind::GateStuck(_) => dice.random_range(300..3_000),
                Kind::BrokerAway | Kind::Disk(_) => dice.random_range(200..12_000),
                _ => dice.random_range(100..4_000),
            };
            let until = MonoTime((from.0 + long * MS).min(until.0));
            drawn.lasting.push(Trouble { kind, from, until });
        }
        drawn.blows.sort_by_key(|(at, _)| *at);
        drawn.lasting.sort_by_key(|t| t.from);
        drawn
    }

    /// Whether `kind` holds at `now`.
    pub fn is(&self, kind: Kind, now: MonoTime) -> bool {
        self.any(now, now, |k| k == kind)
    }

    /// Those that hold at any time from `since` to `until`.
    fn within(&self, since: MonoTime, until: MonoTime) -> impl Iterator<Item = &Trouble> {
        let first = self.lasting.partition_point(|t| t.from < since - LONGEST);
        let end = self.lasting.partition_point(|t| t.from <= until);
        self.lasting[first..end]
            .iter()
            .filter(move |t| since < t.until)
    }

    /// Whether one that `of` takes held at any time from `since` to `until`.
    pub fn any(&self, since: MonoTime, until: MonoTime, of: impl Fn(Kind) -> bool) -> bool {
        self.within(since, until).any(|t| of(t.kind))
    }

    /// The disk at `now`.
    pub fn disk(&self, now: MonoTime) -> DiskFault {
        let here = self.within(now, now);
        let disk = |t: &Trouble| match t.kind {
            Kind::Disk(fault) => Some(fault),
            _ => None,
        };
        here.filter_map(disk).next().unwrap_or(DiskFault::None)
    }

    /// What the plant itself plays: the encoder and the flap.
    pub fn script(&self) -> Vec<Fault> {
        let fault = |t: &Trouble| {
            let what = match t.kind {
                Kind::Encoder(fault) => FaultKind::Encoder { fault },
                Kind::GateStuck(at) => FaultKind::GateStuck { at },
                _ => return None,
            };
            let (from_ms, end_ms) = (t.from.0 / MS, t.until.0 / MS);
            let window = Window::Time {
                from_ms,
                for_ms: end_ms - from_ms,
            };
            Some(Fault { what, window })
        };
        self.lasting.iter().filter_map(fault).collect()
    }
}

fn blow(dice: &mut ChaCha8Rng, by_encoder: bool) -> Blow {
    match dice.random_range(0..10u32) {
        0 | 1 => Blow::Freeze(dice.random_range(5..700)),
        2 | 3 => Blow::Kill {
            writes: dice.random_range(0..40),
            down_ms: dice.random_range(100..4_000),
        },
        4 => Blow::Restart {
            down_ms: dice.random_range(100..4_000),
        },
        5 => Blow::FileDeleted,
        6 => Blow::ClockStep(dice.random_range(-86_400_000_000..86_400_000_000)),
        7 => Blow::Changeover,
        8 if by_encoder => Blow::BeltStops(dice.random_range(20..3_000)),
        // as short as from the eye to a camera, too
        _ => Blow::StopStart(match dice.random_bool(0.5) {
            true => dice.random_range(20..300),
            false => dice.random_range(300..3_000),
        }),
    }
}

fn kind(dice: &mut ChaCha8Rng, by_encoder: bool) -> Kind {
    use EncoderFault as E;
    let camera = dice.random_range(0..crate::plant::CAMERAS);
    match dice.random_range(0..23u32) {
        0 => Kind::FramesLost(camera),
        1 => Kind::FramesLate(camera),
        2 => Kind::FramesTwice(camera),
        3 => Kind::FramesReportedLost(camera),
        4 => Kind::CameraDown(camera),
        5 => Kind::Frozen(camera),
        6 => Kind::TriggersLate,
        7 => Kind::TriggersTwice,
        8 => Kind::TriggersLost,
        9 => Kind::Ghosts,
        10..=12 if by_encoder => {
            let all = [
                E::Reset,
                E::Wraps,
                E::LosesCounts,
                E::Reversed,
                E::Noisy,
                E::Silent,
            ];
            Kind::Encoder(all[dice.random_range(0..all.len())])
        }
        10..=13 => Kind::GateStuck(match dice.random_bool(0.5) {
            true => GatePosition::Pass,
            false => GatePosition::Reject,
        }),
        14 => Kind::GateRefuses,
        15 => Kind::SensorLate,
        16 => Kind::SensorBlind,
        17 => Kind::EngineSlow,
        18 => Kind::EngineDies,
        19 => Kind::Disk(match dice.random_bool(0.5) {
            true => DiskFault::Full,
            false => DiskFault::Io,
        }),
        20 => Kind::BrokerAway,
        21 => Kind::BrokerRefuses,
        _ => Kind::AnswersLost,
    }
}
