//! What caps say about a picture, and how it becomes one of the camera's format.

use super::{
    convert::Planes,
    levels::{Said, Wanted},
};
use crate::{status::LevelsKnown, tap::Shape};
use gstreamer as gst;
use gstreamer_video::{VideoFormat, VideoInfo, VideoMeta};
use sightline_configs::station::Camera;
use sightline_domain::{LevelRange, Levels, PixelFormat, PlaneLayout};

/// How a source's pixels lie, where they are not the camera's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One plane, a byte a pixel.
    Plane,
    /// One plane, two bytes a pixel.
    Deep {
        /// The high byte first.
        big: bool,
    },
    /// RGB in some order: bytes a pixel, and the one of red; green is the second, blue opposite red.
    Packed {
        /// Bytes a pixel.
        channels: usize,
        /// Of red, 0 or 2.
        red: usize,
    },
    Nv12,
    I420,
    Y444,
    Yuy2,
}

/// What comes from the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    pub(super) kind: Kind,
    pub(super) levels: Levels,
    /// Deep samples that become 0 and 255.
    pub(super) window: [u16; 2],
    /// It is the camera's format already: nothing to do.
    pub(super) as_is: bool,
    /// Planes by the caps, and without any padding of rows.
    declared: PlaneLayout,
    packed: PlaneLayout,
}

/// What the camera wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    format: PixelFormat,
    wanted: Wanted,
    bits: Option<u8>,
    window: Option<[u16; 2]>,
}

impl Target {
    pub(super) fn of(camera: &Camera) -> Self {
        Self {
            format: camera.format,
            wanted: Wanted::of(camera),
            bits: camera.bits,
            window: camera.window,
        }
    }

    pub(super) fn format(&self) -> PixelFormat {
        self.format
    }

    fn window(&self, bits_of_format: u8) -> [u16; 2] {
        let bits = self.bits.unwrap_or(bits_of_format).clamp(1, 16);
        self.window.unwrap_or([0, (u32::MAX >> (32 - bits)) as u16])
    }
}

impl Kind {
    /// Rows and bytes of picture in each, per plane.
    fn planes(self, w: usize, h: usize) -> [(usize, usize); 3] {
        let (w2, h2) = (w.div_ceil(2), h.div_ceil(2));
        match self {
            Self::Plane => [(h, w), (0, 0), (0, 0)],
            Self::Deep { .. } => [(h, 2 * w), (0, 0), (0, 0)],
            Self::Packed { channels, .. } => [(h, channels * w), (0, 0), (0, 0)],
            Self::Yuy2 => [(h, 4 * w2), (0, 0), (0, 0)],
            Self::Nv12 => [(h, w), (h2, 2 * w2), (0, 0)],
            Self::I420 => [(h, w), (h2, w2), (h2, w2)],
            Self::Y444 => [(h, w); 3],
        }
    }

    /// Bytes a buffer needs that lies `at`.
    pub(super) fn needed(self, at: &Planes, w: usize, h: usize) -> usize {
        let planes = self.planes(w, h).into_iter().enumerate();
        let ends = planes
            .filter(|(_, (rows, _))| *rows > 0)
            .map(|(p, (rows, len))| {
                if at.strides[p] < len {
                    return usize::MAX;
                }
                let last = at.strides[p].saturating_mul(rows - 1);
                last.saturating_add(at.offsets[p]).saturating_add(len)
            });
        ends.max().unwrap_or(0)
    }

    /// One row right behind the other.
    fn packed(self, w: usize, h: usize) -> PlaneLayout {
        let mut layout = PlaneLayout::default();
        for (p, (rows, len)) in self.planes(w, h).into_iter().enumerate() {
            if rows > 0 {
                (layout.offsets[p], layout.strides[p]) = (layout.len, len);
                layout.len += rows * len;
            }
        }
        layout
    }
}

impl Incoming {
    /// Where a buffer's planes lie: as its own meta says, as the caps say, or without padding where its size proves it.
    pub(super) fn planes(&self, buffer: &gst::BufferRef) -> Planes {
        if let Some(video) = buffer.meta::<VideoMeta>() {
            let mut layout = PlaneLayout::default();
            for (to, from) in layout.offsets.iter_mut().zip(video.offset()) {
                *to = *from;
            }
            for (to, from) in layout.strides.iter_mut().zip(video.stride()) {
                *to = usize::try_from(*from).unwrap_or(usize::MAX);
            }
            return layout;
        }
        if self.is_packed(buffer) {
            return self.packed;
        }
        self.declared
    }

    /// Rows without padding: only such a picture has so many bytes.
    pub(super) fn is_packed(&self, buffer: &gst::BufferRef) -> bool {
        buffer.size() == self.packed.len && self.packed.len != self.declared.len
    }
}

/// What comes with these caps, and its shape in a slot; an error is for people.
pub(super) fn of_caps(
    caps: &gst::CapsRef,
    target: &Target,
    said: &Said,
) -> Result<(Incoming, Shape, LevelsKnown), String> {
    let unknown = || format!("expected raw pictures in a format of the station, found {caps}");
    let structure = caps.structure(0).ok_or_else(unknown)?;
    if structure.name() == "video/x-bayer" {
        return mosaic(structure, target).ok_or_else(unknown);
    }
    let info = VideoInfo::from_caps(caps).map_err(|_| unknown())?;
    let (kind, own) = kind_of(info.format()).ok_or_else(unknown)?;
    let known = said.levels(&info, target.wanted);
    let (w, h) = (info.width() as usize, info.height() as usize);
    let mut declared = PlaneLayout {
        len: info.size(),
        ..PlaneLayout::default()
    };
    for (to, from) in declared.offsets.iter_mut().zip(info.offset()) {
        *to = *from;
    }
    for (to, from) in declared.strides.iter_mut().zip(info.stride()) {
        *to = usize::try_from(*from).map_err(|_| unknown())?;
    }
    // grey of a video range is stretched, whatever it is
    let is_narrow = own == Some(PixelFormat::Gray8) && known.levels.range == LevelRange::Video;
    let as_is = own == Some(target.format) && !is_narrow;
    if !as_is && !target.takes(kind) {
        return Err(format!(
            "expected pictures that can become {}, found {caps}; set the camera's format to what it gives",
            target.format.name()
        ));
    }
    let levels = if target.format.is_yuv() {
        known.levels
    } else {
        Levels::default()
    };
    let incoming = Incoming {
        kind,
        levels: known.levels,
        window: target.window(16),
        as_is,
        declared,
        packed: kind.packed(w, h),
    };
    let shape = Shape {
        width: info.width(),
        height: info.height(),
        format: target.format,
        levels,
        layout: declared,
    };
    Ok((incoming, shape, known))
}

impl Target {
    /// Pictures of this kind become the camera's format in [`super::convert`].
    fn takes(&self, kind: Kind) -> bool {
        match self.format {
            PixelFormat::Gray8 => true,
            PixelFormat::Rgb | PixelFormat::Bgr => {
                !matches!(kind, Kind::Deep { .. } | Kind::Packed { .. })
            }
            _ => false,
        }
    }
}

/// How a format lies, and the format of ours that it is.
fn kind_of(format: VideoFormat) -> Option<(Kind, Option<PixelFormat>)> {
    let packed = |channels, red| Kind::Packed { channels, red };
    Some(match format {
        VideoFormat::Gray8 => (Kind::Plane, Some(PixelFormat::Gray8)),
        VideoFormat::Gray16Le => (Kind::Deep { big: false }, None),
        VideoFormat::Gray16Be => (Kind::Deep { big: true }, None),
        VideoFormat::Rgb => (packed(3, 0), Some(PixelFormat::Rgb)),
        VideoFormat::Bgr => (packed(3, 2), Some(PixelFormat::Bgr)),
        VideoFormat::Rgbx | VideoFormat::Rgba => (packed(4, 0), None),
        VideoFormat::Bgrx | VideoFormat::Bgra => (packed(4, 2), None),
        VideoFormat::Nv12 => (Kind::Nv12, Some(PixelFormat::Nv12)),
        VideoFormat::I420 => (Kind::I420, Some(PixelFormat::I420)),
        VideoFormat::Yuy2 => (Kind::Yuy2, Some(PixelFormat::Yuy2)),
        VideoFormat::Y444 => (Kind::Y444, None),
        _ => return None,
    })
}

/// Mosaics of 8 bits, and of 10 to 16 in two bytes: `rggb`, `rggb12le`.
fn mosaic(
    structure: &gst::StructureRef,
    target: &Target,
) -> Option<(Incoming, Shape, LevelsKnown)> {
    let name = structure.get::<&str>("format").ok()?.to_uppercase();
    let (order, depth) = name.split_at_checked(4)?;
    let format = format!("BAYER_{order}");
    if format != target.format.name() {
        return None;
    }
    let side = |name| u32::try_from(structure.get::<i32>(name).ok()?).ok();
    let (width, height) = (side("width")?, side("height")?);
    let (w, h) = (width as usize, height as usize);
    let (kind, bits) = match depth {
        "" => (Kind::Plane, 8),
        _ => {
            let (bits, end) = depth.split_at_checked(2)?;
            let bits = bits.parse().ok().filter(|b| (9..=16).contains(b))?;
            let big = match end {
                "LE" => false,
                "BE" => true,
                _ => return None,
            };
            (Kind::Deep { big }, bits)
        }
    };
    let row = kind.planes(w, h)[0].1.next_multiple_of(4);
    let declared = PlaneLayout {
        offsets: [0; 3],
        strides: [row, 0, 0],
        len: row * h,
    };
    let levels = Levels::default();
    let incoming = Incoming {
        kind,
        levels,
        window: target.window(bits),
        as_is: kind == Kind::Plane,
        declared,
        packed: kind.packed(w, h),
    };
    let shape = Shape {
        width,
        height,
        format: target.format,
        levels,
        layout: declared,
    };
    let known = LevelsKnown {
        levels,
        range: crate::status::KnownFrom::Source,
        matrix: None,
    };
    Some((incoming, shape, known))
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
