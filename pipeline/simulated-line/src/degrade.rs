//! A camera's faults on a real picture: no light, far too much, out of focus. Drawn boards have theirs in the drawing.

use sightline_domain::PixelFormat;
use sightline_ingest::source::Shape;
use sightline_simulation::Condition;

/// Side of the box a blurred camera smears over, pixels.
const SMEAR: usize = 9;

/// Does to a picture with packed pixels (GRAY8, RGB, BGR) what the camera's condition does.
pub(super) fn degrade(condition: Condition, shape: &Shape, bytes: &mut [u8]) {
    match condition {
        Condition::Dark => bytes.iter_mut().for_each(|v| *v /= 32),
        Condition::Bright => bytes.iter_mut().for_each(|v| *v = 255 - (255 - *v) / 32),
        Condition::Blurred => smear(shape, bytes),
        Condition::Good | Condition::Unplugged | Condition::Frozen | Condition::FrozenNumber => {}
    }
}

/// Running means over [`SMEAR`] pixels along rows, then along columns.
fn smear(shape: &Shape, bytes: &mut [u8]) {
    let channels = if shape.format == PixelFormat::Gray8 {
        1
    } else {
        3
    };
    let (width, height, stride) = (
        shape.width as usize,
        shape.height as usize,
        shape.layout.strides[0],
    );
    for y in 0..height {
        for c in 0..channels {
            smear_line(bytes, y * stride + c, channels, width);
        }
    }
    for x in 0..width * channels {
        smear_line(bytes, x, stride, height);
    }
}

/// One row or column: `n` samples, `step` bytes apart.
fn smear_line(bytes: &mut [u8], start: usize, step: usize, n: usize) {
    let mut window = [0u8; SMEAR];
    let mut sum = 0u32;
    for i in 0..n {
        let v = bytes[start + i * step];
        sum = sum + u32::from(v) - u32::from(std::mem::replace(&mut window[i % SMEAR], v));
        bytes[start + i * step] = (sum / SMEAR.min(i + 1) as u32) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightline_domain::{PictureRef, PlaneLayout};
    use sightline_ingest as measure;

    fn shape() -> Shape {
        let layout = PlaneLayout {
            offsets: [0; 3],
            strides: [64, 0, 0],
            len: 64 * 48,
        };
        Shape {
            width: 64,
            height: 48,
            format: PixelFormat::Gray8,
            levels: Default::default(),
            layout,
        }
    }

    fn measured(bytes: &[u8]) -> measure::Measured {
        let Shape {
            width,
            height,
            format,
            levels: _,
            layout,
        } = shape();
        measure::measure(&PictureRef {
            width,
            height,
            format,
            levels: sightline_domain::Levels::guessed(format, height),
            layout,
            bytes,
        })
    }

    #[test]
    fn each_fault_is_one_that_the_health_check_can_see() {
        let picture: Vec<u8> = (0..64 * 48)
            .map(|i| if (i / 4 + i / 256) % 2 == 0 { 40 } else { 200 })
            .collect();
        let after = |condition| {
            let mut bytes = picture.clone();
            degrade(condition, &shape(), &mut bytes);
            measured(&bytes)
        };
        let good = measured(&picture);
        assert_eq!(after(Condition::Good), good);
        assert!(after(Condition::Dark).level < 8.0);
        assert!(after(Condition::Bright).level > 248.0);
        let blurred = after(Condition::Blurred);
        assert!(
            blurred.sharpness < good.sharpness * 0.1,
            "{} of {}",
            blurred.sharpness,
            good.sharpness
        );
        assert!((blurred.level - good.level).abs() < 15.0);
    }
}
