//! Pixels of a decoded file as the camera's format.

use image::ColorType;
use sightline_model::PixelFormat;

pub(super) type Convert = fn(&[u8], &mut [u8]);

/// How pixels of `from` become `to`; 16-bit samples are in native byte order, as the decoders give them.
pub(super) fn converter(from: ColorType, to: PixelFormat) -> Option<Convert> {
    use PixelFormat::{Bgr, Gray8, Rgb};
    Some(match (from, to) {
        (ColorType::La8, Gray8) => |from, to| each::<2, 1>(from, to, |p| [p[0]]),
        (ColorType::L16, Gray8) => |from, to| each::<2, 1>(from, to, |p| [wide(p, 0)]),
        (ColorType::La16, Gray8) => |from, to| each::<4, 1>(from, to, |p| [wide(p, 0)]),
        (ColorType::Rgb8, Gray8) => |from, to| each::<3, 1>(from, to, |p| [grey(p[0], p[1], p[2])]),
        (ColorType::Rgba8, Gray8) => {
            |from, to| each::<4, 1>(from, to, |p| [grey(p[0], p[1], p[2])])
        }
        (ColorType::Rgb16, Gray8) => {
            |from, to| each::<6, 1>(from, to, |p| [grey(wide(p, 0), wide(p, 1), wide(p, 2))])
        }
        (ColorType::Rgba16, Gray8) => {
            |from, to| each::<8, 1>(from, to, |p| [grey(wide(p, 0), wide(p, 1), wide(p, 2))])
        }
        (ColorType::L8, Rgb | Bgr) => |from, to| each::<1, 3>(from, to, |p| [p[0]; 3]),
        (ColorType::La8, Rgb | Bgr) => |from, to| each::<2, 3>(from, to, |p| [p[0]; 3]),
        (ColorType::L16, Rgb | Bgr) => |from, to| each::<2, 3>(from, to, |p| [wide(p, 0); 3]),
        (ColorType::La16, Rgb | Bgr) => |from, to| each::<4, 3>(from, to, |p| [wide(p, 0); 3]),
        (ColorType::Rgba8, Rgb) => |from, to| each::<4, 3>(from, to, |p| [p[0], p[1], p[2]]),
        (ColorType::Rgb16, Rgb) => {
            |from, to| each::<6, 3>(from, to, |p| [wide(p, 0), wide(p, 1), wide(p, 2)])
        }
        (ColorType::Rgba16, Rgb) => {
            |from, to| each::<8, 3>(from, to, |p| [wide(p, 0), wide(p, 1), wide(p, 2)])
        }
        (ColorType::Rgb8, Bgr) => |from, to| each::<3, 3>(from, to, |p| [p[2], p[1], p[0]]),
        (ColorType::Rgba8, Bgr) => |from, to| each::<4, 3>(from, to, |p| [p[2], p[1], p[0]]),
        (ColorType::Rgb16, Bgr) => {
            |from, to| each::<6, 3>(from, to, |p| [wide(p, 2), wide(p, 1), wide(p, 0)])
        }
        (ColorType::Rgba16, Bgr) => {
            |from, to| each::<8, 3>(from, to, |p| [wide(p, 2), wide(p, 1), wide(p, 0)])
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
fn wide(p: &[u8], i: usize) -> u8 {
    let sample = u32::from(u16::from_ne_bytes([p[2 * i], p[2 * i + 1]]));
    ((sample * 255 + 32_767) / 65_535) as u8
}

/// ITU-R BT.601 luma in 16-bit fixed point.
fn grey(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}
