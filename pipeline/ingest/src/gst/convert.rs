//! Pictures of another format than the camera's, into a slot in one pass.
//!
//! GStreamer's converter takes 8-bit short cuts that are up to 5 levels off the ITU matrices and leaves the range of a
//! plane as it is, so that YUV becomes grey or RGB here, by the definition. Samples of more than 8 bits are cut down to 8
//! here, too.

use super::shape::{Incoming, Kind};
use gstreamer as gst;
use sightline_domain::{FrameMeta, LevelRange, Levels, PixelFormat, PlaneLayout};
use sightline_frames::{FramePool, Lease, LeaseError};

/// Where planes lie in a buffer.
pub(super) type Planes = PlaneLayout;

/// One picture to convert.
struct Picture<'a> {
    bytes: &'a [u8],
    at: Planes,
    width: usize,
    height: usize,
}

impl<'a> Picture<'a> {
    /// Row `y` of plane `p`, `len` bytes of it.
    fn row(&self, p: usize, y: usize, len: usize) -> &'a [u8] {
        &self.bytes[self.at.offsets[p] + y * self.at.strides[p]..][..len]
    }
}

/// Takes a buffer of `incoming` that lies as `meta.layout` says into a free slot, as `meta` says.
pub(super) fn convert(
    pool: &FramePool,
    buffer: gst::Buffer,
    incoming: &Incoming,
    meta: FrameMeta,
) -> Result<Lease, LeaseError> {
    let at = meta.layout;
    let tight = meta.format.default_layout(meta.width, meta.height);
    let too_small = |needed_bytes| LeaseError::SlotTooSmall {
        pool: pool.name().clone(),
        slot_bytes: pool.slot_bytes(),
        needed_bytes,
    };
    if tight.len > pool.slot_bytes() {
        return Err(too_small(tight.len));
    }
    let (width, height) = (meta.width as usize, meta.height as usize);
    let needed = incoming.kind.needed(&at, width, height);
    if needed > buffer.size() {
        return Err(LeaseError::ShortBuffer {
            needed_bytes: needed,
            found_bytes: buffer.size(),
        });
    }
    let Some(mut slot) = pool.open() else {
        return Err(LeaseError::NoFreeSlot {
            pool: pool.name().clone(),
            buffer,
        });
    };
    {
        let map = buffer.map_readable().map_err(|_| LeaseError::NotReadable)?;
        let picture = Picture {
            bytes: map.as_slice(),
            at,
            width,
            height,
        };
        let to = &mut slot.bytes_mut()[..tight.len];
        match (meta.format, incoming.kind) {
            (PixelFormat::Rgb | PixelFormat::Bgr, _) => {
                let red = if meta.format == PixelFormat::Bgr {
                    2
                } else {
                    0
                };
                color(&picture, incoming, to, tight.strides[0], red);
            }
            _ => single(&picture, incoming, to, tight.strides[0]),
        }
    }
    let layout = tight;
    slot.seal(FrameMeta { layout, ..meta })
        .map_err(|error| too_small(error.layout_len))
}

/// Grey, or a mosaic of 8 bits.
fn single(from: &Picture<'_>, incoming: &Incoming, to: &mut [u8], stride: usize) {
    let width = from.width;
    for y in 0..from.height {
        let to = &mut to[y * stride..][..width];
        match incoming.kind {
            Kind::Deep { big } => deep(from.row(0, y, 2 * width), to, incoming.window, big),
            Kind::Packed { channels, red } => {
                gray(from.row(0, y, channels * width), to, channels, red);
            }
            Kind::Yuy2 => {
                let row = from.row(0, y, 4 * width.div_ceil(2));
                luma(row.iter().step_by(2), to, incoming.levels.range);
            }
            _ => luma(from.row(0, y, width).iter(), to, incoming.levels.range),
        }
    }
}

/// Luminance as 0..=255.
fn luma<'a>(from: impl Iterator<Item = &'a u8>, to: &mut [u8], range: LevelRange) {
    match range {
        LevelRange::Full => from.zip(to).for_each(|(from, to)| *to = *from),
        // (y - 16) * 255 / 219, rounded, exact for every y
        LevelRange::Video => from.zip(to).for_each(|(from, to)| {
            let above = u32::from(*from).saturating_sub(16).min(219);
            *to = ((above * 76_309 + 32_768) >> 16) as u8;
        }),
    }
}

/// Samples of 16 bits, `low` to 0 and `high` to 255.
fn deep(from: &[u8], to: &mut [u8], [low, high]: [u16; 2], big: bool) {
    let (low, gain) = (
        f32::from(low),
        255.0 / f32::from(high.saturating_sub(low).max(1)),
    );
    let cut = |sample: u16| ((f32::from(sample) - low) * gain + 0.5) as u8; // saturates
    let samples = from.as_chunks::<2>().0.iter().zip(to);
    if big {
        samples.for_each(|(from, to)| *to = cut(u16::from_be_bytes(*from)));
    } else {
        samples.for_each(|(from, to)| *to = cut(u16::from_le_bytes(*from)));
    }
}

/// BT.601 luminance of packed colour.
fn gray(from: &[u8], to: &mut [u8], channels: usize, red: usize) {
    let blue = 2 - red;
    for (p, to) in from.chunks_exact(channels).zip(to) {
        *to = crate::images::gray(p[red], p[1], p[blue]);
    }
}

/// Colour, with red first or last.
fn color(from: &Picture<'_>, incoming: &Incoming, to: &mut [u8], stride: usize, red: usize) {
    let (w, w2) = (from.width, from.width.div_ceil(2));
    let matrix = Fixed::of(incoming.levels, red);
    for y in 0..from.height {
        let to = &mut to[y * stride..][..3 * w];
        match incoming.kind {
            Kind::I420 => {
                let (u, v) = (from.row(1, y / 2, w2), from.row(2, y / 2, w2));
                matrix.row::<1, 1, 2>([from.row(0, y, w), u, v], to);
            }
            Kind::Y444 => {
                let (u, v) = (from.row(1, y, w), from.row(2, y, w));
                matrix.row::<1, 1, 1>([from.row(0, y, w), u, v], to);
            }
            Kind::Nv12 => {
                let uv = from.row(1, y / 2, 2 * w2);
                matrix.row::<1, 2, 2>([from.row(0, y, w), uv, &uv[1..]], to);
            }
            Kind::Yuy2 => {
                let row = from.row(0, y, 4 * w2);
                matrix.row::<2, 4, 2>([row, &row[1..], &row[3..]], to);
            }
            Kind::Plane | Kind::Deep { .. } | Kind::Packed { .. } => {
                triple(from.row(0, y, w), to, incoming.levels.range);
            }
        }
    }
}

/// The matrix in 16 bits behind the point, which leave rounding as the only error.
struct Fixed {
    black: i32,
    gain: i32,
    r_v: i32,
    g_u: i32,
    g_v: i32,
    b_u: i32,
    red: usize,
}

impl Fixed {
    fn of(levels: Levels, red: usize) -> Self {
        let (kr, kb) = levels.matrix.weights();
        let kg = 1.0 - kr - kb;
        let (black, gain) = levels.range.luma();
        let chroma = levels.range.chroma_gain();
        let fixed = |factor: f32| (factor * 65_536.0).round() as i32;
        Self {
            black: black as i32,
            gain: fixed(gain),
            r_v: fixed(2.0 * (1.0 - kr) * chroma),
            g_u: fixed(-2.0 * (1.0 - kb) * kb / kg * chroma),
            g_v: fixed(-2.0 * (1.0 - kr) * kr / kg * chroma),
            b_u: fixed(2.0 * (1.0 - kb) * chroma),
            red,
        }
    }

    /// One row: every `Y`th byte is a luminance, every `C`th a chroma for `SHARED` pixels.
    fn row<const Y: usize, const C: usize, const SHARED: usize>(
        &self,
        [y, u, v]: [&[u8]; 3],
        to: &mut [u8],
    ) {
        let chroma = u.iter().step_by(C).zip(v.iter().step_by(C));
        let pixels = y.chunks(Y * SHARED).zip(to.chunks_mut(3 * SHARED));
        for ((u, v), (y, to)) in chroma.zip(pixels) {
            let (u, v) = (i32::from(*u) - 128, i32::from(*v) - 128);
            let half = 1 << 15;
            let add = [
                self.r_v * v + half,
                self.g_u * u + self.g_v * v + half,
                self.b_u * u + half,
            ];
            let [first, last] = if self.red == 0 {
                [add[0], add[2]]
            } else {
                [add[2], add[0]]
            };
            for (y, to) in y.iter().step_by(Y).zip(to.chunks_exact_mut(3)) {
                let luma = (i32::from(*y) - self.black) * self.gain;
                let level = |add: i32| ((luma + add) >> 16).clamp(0, 255) as u8;
                (to[0], to[1], to[2]) = (level(first), level(add[1]), level(last));
            }
        }
    }
}

/// Grey as colour.
fn triple(from: &[u8], to: &mut [u8], range: LevelRange) {
    for (from, to) in from.iter().zip(to.as_chunks_mut::<3>().0) {
        let mut level = [0];
        luma(std::iter::once(from), &mut level, range);
        *to = [level[0]; 3];
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
