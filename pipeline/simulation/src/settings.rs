//! What a line is made of, and what is wrong with a line that cannot be built.

use crate::belt::BeltSettings;
use crate::boards::{BoardError, Look};
use crate::fault::Fault;
use crate::gate::GateSettings;
use crate::part::{MAX_CAMERAS, PartMix};
use serde::{Deserialize, Serialize};

/// One camera of the line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineCamera {
    /// From the photo-eye to the camera, mm.
    pub offset_mm: f64,
}

impl Default for LineCamera {
    fn default() -> Self {
        Self { offset_mm: 30.0 }
    }
}

/// A whole line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineSettings {
    /// Same seed, same line.
    pub seed: u64,
    /// The belt.
    pub belt: BeltSettings,
    /// The cameras; each sees its own face of the part.
    pub cameras: Vec<LineCamera>,
    /// Pictures are squares of so many pixels, 128..=4096.
    pub board_px: u32,
    /// How the cameras' pictures look.
    pub look: Look,
    /// How often parts are defective.
    pub mix: PartMix,
    /// The gate.
    pub gate: GateSettings,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// True when boards are drawn; false when the caller puts real pictures on the belt and tells their truth.
    pub drawn: bool,
}

impl Default for LineSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            belt: BeltSettings::default(),
            cameras: vec![LineCamera::default()],
            board_px: 640,
            look: Look::default(),
            mix: PartMix::default(),
            gate: GateSettings::default(),
            faults: Vec::new(),
            drawn: true,
        }
    }
}

/// A line that cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LineError {
    /// A number is out of range.
    #[error("simulated line: {field} must be {expected}, found {found}; correct the number")]
    Number {
        /// Which setting.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// A face cannot be drawn.
    #[error("simulated line: face {face}: {source}")]
    Board {
        /// The camera's number.
        face: usize,
        /// Why not.
        source: BoardError,
    },
}

/// Every number in its range.
pub(crate) fn check(settings: &LineSettings) -> Result<(), LineError> {
    let number = |field, found: f64, good: bool, expected| {
        if good && found.is_finite() {
            Ok(())
        } else {
            Err(LineError::Number {
                field,
                expected,
                found,
            })
        }
    };
    let (b, g) = (&settings.belt, &settings.gate);
    number("speed_mm_s", b.speed_mm_s, b.speed_mm_s > 0.0, "above 0")?;
    number(
        "counts_per_mm",
        b.counts_per_mm,
        b.counts_per_mm > 0.0,
        "above 0",
    )?;
    number(
        "spacing_min_mm",
        b.spacing_min_mm,
        b.spacing_min_mm > 0.0,
        "above 0",
    )?;
    let ordered = b.spacing_max_mm >= b.spacing_min_mm;
    number(
        "spacing_max_mm",
        b.spacing_max_mm,
        ordered,
        "at least spacing_min_mm",
    )?;
    let share = settings.mix.defective_share;
    number(
        "defective_share",
        share,
        (0.0..=1.0).contains(&share),
        "0 to 1",
    )?;
    number(
        "gate.position_mm",
        g.position_mm,
        g.position_mm >= 0.0,
        "0 or more",
    )?;
    number("gate.exit_mm", g.exit_mm, g.exit_mm >= 0.0, "0 or more")?;
    let cameras = settings.cameras.len();
    number(
        "cameras",
        cameras as f64,
        (1..=MAX_CAMERAS).contains(&cameras),
        "1 to 16",
    )?;
    settings.cameras.iter().try_for_each(|c| {
        number(
            "cameras.offset_mm",
            c.offset_mm,
            c.offset_mm >= 0.0,
            "0 or more",
        )
    })
}
