//! A picture that lies in its file as the camera was held, upright.

use image::{
    ImageBuffer, Luma, Pixel, Rgb,
    imageops::{
        flip_horizontal_in, flip_horizontal_in_place, flip_vertical_in, rotate90_in, rotate180_in,
        rotate270_in,
    },
    metadata::Orientation,
};
use sightline_domain::PixelFormat;

/// `from` of `size` as it lies becomes `to`; both in `format`, rows without padding.
pub(super) fn turn(
    from: &[u8],
    size: (u32, u32),
    format: PixelFormat,
    turned: Orientation,
    to: &mut [u8],
) {
    if format == PixelFormat::Gray8 {
        turn_as::<Luma<u8>>(from, size, turned, to);
    } else {
        turn_as::<Rgb<u8>>(from, size, turned, to);
    }
}

fn turn_as<P: Pixel<Subpixel = u8> + 'static>(
    from: &[u8],
    (width, height): (u32, u32),
    turned: Orientation,
    to: &mut [u8],
) {
    use Orientation::*;
    let across = matches!(
        turned,
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH
    );
    let (w, h) = if across {
        (height, width)
    } else {
        (width, height)
    };
    let from = ImageBuffer::<P, _>::from_raw(width, height, from);
    let to = ImageBuffer::<P, _>::from_raw(w, h, to);
    let (Some(from), Some(mut to)) = (from, to) else {
        return;
    };
    // sizes fit, which is all that these can refuse
    let _ = match turned {
        Rotate90 | Rotate90FlipH => rotate90_in(&from, &mut to),
        Rotate270 | Rotate270FlipH => rotate270_in(&from, &mut to),
        Rotate180 => rotate180_in(&from, &mut to),
        FlipHorizontal => flip_horizontal_in(&from, &mut to),
        FlipVertical => flip_vertical_in(&from, &mut to),
        NoTransforms => return,
    };
    if matches!(turned, Rotate90FlipH | Rotate270FlipH) {
        flip_horizontal_in_place(&mut to);
    }
}
