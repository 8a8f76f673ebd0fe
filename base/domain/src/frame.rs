//! What a frame is: pixel format, layout in memory, identity, capture time, health.

use crate::{CameraId, FrameId, Levels, MonoTime, Timing, UtcMicros};
use serde::{Deserialize, Serialize};

/// Pixel formats the station takes, by their GStreamer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum PixelFormat {
    /// One plane, 8-bit luminance.
    #[serde(rename = "GRAY8")]
    Gray8,
    /// Packed, 3 bytes a pixel, red first.
    #[serde(rename = "RGB")]
    Rgb,
    /// Packed, 3 bytes a pixel, blue first.
    #[serde(rename = "BGR")]
    Bgr,
    /// Planar Y then interleaved UV at half resolution (4:2:0).
    #[serde(rename = "NV12")]
    Nv12,
    /// Planar Y, U, V at half resolution (4:2:0).
    #[serde(rename = "I420")]
    I420,
    /// Packed Y0 U Y1 V (4:2:2).
    #[serde(rename = "YUY2")]
    Yuy2,
    /// Bayer mosaic, 8 bits, first row `RGRG`.
    #[serde(rename = "BAYER_RGGB")]
    BayerRggb,
    /// Bayer mosaic, 8 bits, first row `BGBG`.
    #[serde(rename = "BAYER_BGGR")]
    BayerBggr,
    /// Bayer mosaic, 8 bits, first row `GRGR`.
    #[serde(rename = "BAYER_GRBG")]
    BayerGrbg,
    /// Bayer mosaic, 8 bits, first row `GBGB`.
    #[serde(rename = "BAYER_GBRG")]
    BayerGbrg,
}

impl PixelFormat {
    /// Every format, in an order that stays: recordings number formats by it. New ones go to the end.
    pub const ALL: [Self; 10] = [
        Self::Gray8,
        Self::Rgb,
        Self::Bgr,
        Self::Nv12,
        Self::I420,
        Self::Yuy2,
        Self::BayerRggb,
        Self::BayerBggr,
        Self::BayerGrbg,
        Self::BayerGbrg,
    ];

    /// Luminance and chroma.
    pub fn is_yuv(self) -> bool {
        matches!(self, Self::Nv12 | Self::I420 | Self::Yuy2)
    }

    /// The GStreamer name, e.g. `GRAY8`; Bayer formats are `BAYER_RGGB` and the like.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gray8 => "GRAY8",
            Self::Rgb => "RGB",
            Self::Bgr => "BGR",
            Self::Nv12 => "NV12",
            Self::I420 => "I420",
            Self::Yuy2 => "YUY2",
            Self::BayerRggb => "BAYER_RGGB",
            Self::BayerBggr => "BAYER_BGGR",
            Self::BayerGrbg => "BAYER_GRBG",
            Self::BayerGbrg => "BAYER_GBRG",
        }
    }

    /// The layout of a picture without row padding beyond GStreamer's own rounding to 4 bytes.
    pub fn default_layout(self, width: u32, height: u32) -> PlaneLayout {
        let (w, h) = (width as usize, height as usize);
        let up4 = |n: usize| n.next_multiple_of(4);
        let (w2, h2) = (w.div_ceil(2), h.div_ceil(2));
        let (offsets, strides, len) = match self {
            Self::Rgb | Self::Bgr => ([0; 3], [up4(w * 3), 0, 0], up4(w * 3) * h),
            Self::Yuy2 => ([0; 3], [up4(w2 * 4), 0, 0], up4(w2 * 4) * h),
            Self::Nv12 => {
                let (s, rows) = (up4(w), h.next_multiple_of(2));
                ([0, s * rows, 0], [s, s, 0], s * rows + s * h2)
            }
            Self::I420 => {
                let (s, sc, rows) = (up4(w), up4(w.div_ceil(2)), h.next_multiple_of(2));
                (
                    [0, s * rows, s * rows + sc * h2],
                    [s, sc, sc],
                    s * rows + 2 * sc * h2,
                )
            }
            _ => ([0; 3], [up4(w), 0, 0], up4(w) * h),
        };
        PlaneLayout {
            offsets,
            strides,
            len,
        }
    }
}

/// Where the planes of a picture lie in its slot, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlaneLayout {
    /// Byte offset of each plane from the slot's start; unused planes are 0.
    pub offsets: [usize; 3],
    /// Bytes from one row to the next, per plane; unused planes are 0.
    pub strides: [usize; 3],
    /// Bytes from the slot's start to the end of the last plane.
    pub len: usize,
}

/// What was found out about a view's picture before any model saw it. Anything but `Ok` can never become an OK part.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Fit to be judged.
    #[default]
    Ok,
    /// The same picture or the same frame number again.
    Frozen,
    /// Mean level below the configured floor, in a range of 0..=255.
    TooDark,
    /// Mean level above the configured ceiling, or more pixels at white than are allowed.
    TooBright,
    /// Sharpness far below the learned baseline.
    OutOfFocus,
    /// The decoder reported damage.
    Corrupt,
    /// The recipe's golden picture could not be registered to it, or it does not look like a part.
    Misaligned,
    /// Hardly any contrast: nothing is to be seen on it.
    Flat,
}

/// Why an expected view is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissReason {
    /// No frame fell into the view's window before the deadline.
    NotArrived,
    /// The camera is not live.
    CameraDown,
    /// Every slot of the camera was in use.
    NoFreeSlot,
    /// A frame came, but its number says it belongs to another part.
    OutOfStep,
    /// Its queue was full.
    Overflow,
    /// The source could not be decoded.
    Undecodable,
    /// The engine failed on it.
    EngineFault,
    /// The engine had not answered by the deadline.
    Late,
    /// A frame came that may be another part's, or an older picture: its time, or the windows, leave a doubt.
    Ambiguous,
    /// A frame came in another size than the view's.
    Geometry,
}

/// Identity, time and shape of one captured frame, taken in the capture callback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameMeta {
    /// Which camera.
    pub camera: CameraId,
    /// Its number: the source's own if `numbered`, counted by us otherwise.
    pub frame_id: FrameId,
    /// When it was captured, monotonic.
    pub captured: MonoTime,
    /// When it was captured, UTC.
    pub captured_utc: UtcMicros,
    /// How that time is known.
    pub timing: Timing,
    /// The source counts its frames itself, so that a gap in the numbers is a lost frame.
    pub numbered: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format.
    pub format: PixelFormat,
    /// What its numbers mean.
    pub levels: Levels,
    /// Where its planes lie in the slot.
    pub layout: PlaneLayout,
    /// Fit to be judged, or why not.
    pub health: Health,
    /// Times the host copied the pixels on their way into the slot (0 when the source wrote there).
    pub host_copies: u8,
}

/// A picture in memory, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct PictureRef<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format.
    pub format: PixelFormat,
    /// What its numbers mean.
    pub levels: Levels,
    /// Where the planes lie in `bytes`.
    pub layout: PlaneLayout,
    /// The pixels, `layout.len` bytes at least.
    pub bytes: &'a [u8],
}
