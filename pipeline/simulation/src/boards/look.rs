//! How a part's picture differs from its design when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// A picture's look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// Two grey levels, as DeepPCB.
    TwoLevel(EdgeLook),
    /// As a camera sees it.
    Camera(CameraLook),
}

impl Default for Look {
    fn default() -> Self {
        Self::TwoLevel(EdgeLook::default())
    }
}

/// Edges of a two-level part against its golden picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeLook {
    /// Standard deviation of the whole picture's misplacement per axis, pixels; one part in twelve has four times as much.
    pub misplacement_px: f32,
    /// Standard deviation, at the picture's border, of the misplacement that grows from its middle (turn, stretch), pixels.
    pub warp_px: f32,
    /// Standard deviation of the copper's growth on every edge of a part, pixels.
    pub growth_px: f32,
    /// Standard deviation of the edges' own roughness, pixels.
    pub roughness_px: f32,
}

impl EdgeLook {
    /// Farthest a part's edge lies from the golden picture's, pixels per axis.
    pub const MAX_MISPLACEMENT_PX: f32 = 6.0;

    /// A part drawn exactly as its design.
    pub fn exact() -> Self {
        Self {
            misplacement_px: 0.0,
            warp_px: 0.0,
            growth_px: 0.0,
            roughness_px: 0.0,
        }
    }
}

impl Default for EdgeLook {
    /// As DeepPCB's pairs differ: their shift has a standard deviation of 0.35 pixels with rare 2.7, it varies by about a
    /// pixel within a picture, copper grows by 0.1 to 0.2, and 0.57 pixels change per edge pixel in the median pair.
    fn default() -> Self {
        Self {
            misplacement_px: 0.3,
            warp_px: 0.75,
            growth_px: 0.13,
            roughness_px: 0.33,
        }
    }
}

/// A camera's picture of a part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraLook {
    /// Factor on the two levels.
    pub gain: f32,
    /// Added after the gain, grey levels.
    pub offset: f32,
    /// Standard deviation of the noise, grey levels.
    pub noise_sigma: f32,
    /// Standard deviation of the blur, pixels, at most 3.
    pub blur_sigma_px: f32,
    /// Brightness lost at the dimmest corner, share of 1.
    pub uneven_light: f32,
    /// Largest shift per axis, pixels, at most 12.
    pub max_shift_px: f32,
    /// Largest rotation, degrees, at most 1.5.
    pub max_rotation_deg: f32,
}

impl Default for CameraLook {
    fn default() -> Self {
        Self {
            gain: 0.62,
            offset: 48.0,
            noise_sigma: 4.0,
            blur_sigma_px: 0.9,
            uneven_light: 0.25,
            max_shift_px: 4.0,
            max_rotation_deg: 0.5,
        }
    }
}
