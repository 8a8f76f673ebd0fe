//! Pixels of a decoded file as the camera's format.

use image::ColorType;
use sightline_domain::PixelFormat;

pub(super) type Convert = fn(&[u8], &mut [u8], Window);

/// Samples of more than 8 bits that become 0 and 255.
pub(super) type Window = [u16; 2];

/// All of 16 bits.
pub(super) const WHOLE: Window = [0, u16::MAX];

/// How pixels of `from` become `to`; 16-bit samples are in native byte order, as the decoders give them.
pub(super) fn converter(from: ColorType, to: PixelFormat) -> Option<Convert> {
    use PixelFormat::{Bgr, Gray8, Rgb};
    Some(match (from, to) {
        (ColorType::La8, Gray8) => |from, to, _| each::<2, 1>(from, to, |p| [p[0]]),
        (ColorType::L16, Gray8) => |from, to, w| each::<2, 1>(from, to, |p| [wide(p, 0, w)]),
        (ColorType::La16, Gray8) => |from, to, w| each::<4, 1>(from, to, |p| [wide(p, 0, w)]),
        (ColorType::Rgb8, Gray8) => {
            |from, to, _| each::<3, 1>(from, to, |p| [gray(p[0], p[1], p[2])])
        }
        (ColorType::Rgba8, Gray8) => {
            |from, to, _| each::<4, 1>(from, to, |p| [gray(p[0], p[1], p[2])])
        }
        (ColorType::Rgb16, Gray8) => |from, to, w| {
            each::<6, 1>(from, to, |p| {
                [gray(wide(p, 0, w), wide(p, 1, w), wide(p, 2, w))]
            })
        },
        (ColorType::Rgba16, Gray8) => |from, to, w| {
            each::<8, 1>(from, to, |p| {
                [gray(wide(p, 0, w), wide(p, 1, w), wide(p, 2, w))]
            })
        },
        (ColorType::L8, Rgb | Bgr) => |from, to, _| each::<1, 3>(from, to, |p| [p[0]; 3]),
        (ColorType::La8, Rgb | Bgr) => |from, to, _| each::<2, 3>(from, to, |p| [p[0]; 3]),
        (ColorType::L16, Rgb | Bgr) => |from, to, w| each::<2, 3>(from, to, |p| [wide(p, 0, w); 3]),
        (ColorType::La16, Rgb | Bgr) => {
            |from, to, w| each::<4, 3>(from, to, |p| [wide(p, 0, w); 3])
        }
        (ColorType::Rgba8, Rgb) => |from, to, _| each::<4, 3>(from, to, |p| [p[0], p[1], p[2]]),
        (ColorType::Rgb16, Rgb) => {
            |from, to, w| each::<6, 3>(from, to, |p| [wide(p, 0, w), wide(p, 1, w), wide(p, 2, w)])
        }
        (ColorType::Rgba16, Rgb) => {
            |from, to, w| each::<8, 3>(from, to, |p| [wide(p, 0, w), wide(p, 1, w), wide(p, 2, w)])
        }
        (ColorType::Rgb8, Bgr) => |from, to, _| each::<3, 3>(from, to, |p| [p[2], p[1], p[0]]),
        (ColorType::Rgba8, Bgr) => |from, to, _| each::<4, 3>(from, to, |p| [p[2], p[1], p[0]]),
        (ColorType::Rgb16, Bgr) => {
            |from, to, w| each::<6, 3>(from, to, |p| [wide(p, 2, w), wide(p, 1, w), wide(p, 0, w)])
        }
        (ColorType::Rgba16, Bgr) => {
            |from, to, w| each::<8, 3>(from, to, |p| [wide(p, 2, w), wide(p, 1, w), wide(p, 0, w)])
        }
        _ => return None,
    })
}

fn each<const FROM: usize, const TO: usize>(
    from: &[u8],
    to: &mut [u8],
    pixel: impl Fn(&[u8; FROM]) -> [u8; TO],
) {
    for (from, to) in from
        .as_chunks::<FROM>()
        .0
        .iter()
        .zip(to.as_chunks_mut::<TO>().0)
    {
        *to = pixel(from);
    }
}

/// Sample `i` of 16-bit samples as 8 bits.
fn wide(p: &[u8], i: usize, [low, high]: Window) -> u8 {
    let sample = u16::from_ne_bytes([p[2 * i], p[2 * i + 1]]).clamp(low, high);
    let (above, span) = (u32::from(sample - low), u32::from(high - low).max(1));
    ((above * 255 + span / 2) / span) as u8
}

/// ITU-R BT.601 luma in 16-bit fixed point.
pub(crate) fn gray(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}
