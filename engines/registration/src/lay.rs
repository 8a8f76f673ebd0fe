//! The golden picture laid onto the part, byte by byte.
//!
//! Written by hand because OpenCV's `warpAffine` takes six times as long for 8-bit pictures: a part is turned by a few
//! degrees at most, so neighbours in a row come from neighbours in the golden picture for dozens of pixels on end.

use crate::motion::Motion;
use crate::plane::Plane;
use std::ops::Range;

/// A motion nearer than this to a shift by whole pixels (at the corners, pixels) is made as one: edges stay sharp.
const WHOLE_PX: f64 = 0.25;

/// A picture's rows without padding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    pub bytes: &'a [u8],
    pub width: usize,
    pub height: usize,
}

impl<'a> Packed<'a> {
    /// Row `y`; above the first it is the first, below the last the last.
    fn row(&self, y: i64) -> &'a [u8] {
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        &self.bytes[y * self.width..(y + 1) * self.width]
    }
}

/// Lays `golden` onto the part: `motion` leads from golden to part, in pixels from `centre`. What lies beyond golden's
/// border repeats it. Bytes between the rows of `out` stay as they are.
pub(crate) fn lay(
    golden: Packed<'_>,
    plane: &Plane,
    motion: &Motion,
    centre: [f64; 2],
    out: &mut [u8],
) {
    let whole = Motion {
        shift: motion.shift.map(f64::round),
        ..Motion::IDENTITY
    };
    let sharp = motion.distance(&whole, centre) < WHOLE_PX;
    // A motion that the search found can be undone: it refuses steps that cannot.
    let back = if sharp { whole } else { *motion }.inverse();
    let back = back.unwrap_or(Motion::IDENTITY);
    for y in 0..golden.height {
        let start = plane.offset + y * plane.stride;
        let to = &mut out[start..start + golden.width];
        let [x, y] = back.apply([-centre[0], y as f64 - centre[1]]);
        let line = Line {
            start: [x + centre[0], y + centre[1]],
            step: [back.linear[0][0], back.linear[1][0]],
        };
        line.draw(golden, to);
    }
}

/// Where the pixels of one row come from: `start + i · step`, pixels of the golden picture.
struct Line {
    start: [f64; 2],
    step: [f64; 2],
}

/// 16 bits of fraction.
const ONE: i64 = 1 << 16;

impl Line {
    fn draw(&self, golden: Packed<'_>, to: &mut [u8]) {
        let fixed = |v: f64| (v * ONE as f64).round() as i64;
        // Beyond each step by (1, 0), which a run takes by itself.
        let drift = [fixed(self.step[0]) - ONE, fixed(self.step[1])];
        let mut done = 0;
        while done < to.len() {
            let at = [0, 1].map(|k| fixed(self.start[k] + self.step[k] * done as f64));
            let (x, y) = (at[0] >> 16, at[1] >> 16);
            let fraction = at.map(|v| v & (ONE - 1));
            let run = length(fraction[0], drift[0]).min(length(fraction[1], drift[1]));
            let left = to.len() - done;
            let (from, run) = columns(x, golden.width, run.min(left));
            let rows = [golden.row(y), golden.row(y + 1)];
            let weights = Weights {
                fraction: fraction.map(|f| f as u16),
                drift: drift.map(|d| d as u16),
            };
            let to = &mut to[done..done + run];
            match from {
                Some(columns) => weights.blend(rows.map(|row| &row[columns.clone()]), to),
                None => {
                    let border = if x < 0 { 0 } else { golden.width - 1 };
                    weights.blend_border(rows.map(|row| row[border]), to);
                }
            }
            done += run;
        }
    }
}

/// How many pixels, the first included, stay between the same two neighbours.
fn length(fraction: i64, drift: i64) -> usize {
    match drift {
        0 => usize::MAX,
        1.. => ((ONE - 1 - fraction) / drift) as usize + 1,
        _ => (fraction / -drift) as usize + 1,
    }
}

/// The columns (one more than pixels) a run from column `x` reads, `None` where all is border; and how long it is then.
fn columns(x: i64, width: usize, run: usize) -> (Option<Range<usize>>, usize) {
    let Ok(x) = usize::try_from(x) else {
        return (None, run.min(x.unsigned_abs() as usize));
    };
    match width.saturating_sub(x + 1) {
        0 => (None, run),
        inside => {
            let run = run.min(inside);
            (Some(x..x + run + 1), run)
        }
    }
}

/// How the four neighbours are weighed along a run, in 65536ths; within a run nothing overflows.
struct Weights {
    fraction: [u16; 2],
    drift: [u16; 2],
}

impl Weights {
    fn blend(&self, [top, bottom]: [&[u8]; 2], to: &mut [u8]) {
        let n = to.len();
        let (top_left, top_right) = (&top[..n], &top[1..=n]);
        let (bottom_left, bottom_right) = (&bottom[..n], &bottom[1..=n]);
        if self.fraction == [0, 0] && self.drift == [0, 0] {
            to.copy_from_slice(top_left);
            return;
        }
        for i in 0..n {
            let [x, y] = self.at(i);
            let upper = mix(top_left[i].into(), top_right[i].into(), x);
            let lower = mix(bottom_left[i].into(), bottom_right[i].into(), x);
            to[i] = mix(upper, lower, y) as u8;
        }
    }

    fn blend_border(&self, [top, bottom]: [u8; 2], to: &mut [u8]) {
        for (i, to) in to.iter_mut().enumerate() {
            *to = mix(top.into(), bottom.into(), self.at(i)[1]) as u8;
        }
    }

    /// In 256ths.
    fn at(&self, i: usize) -> [u16; 2] {
        [0, 1].map(|k| {
            let drifted = self.drift[k].wrapping_mul(i as u16);
            self.fraction[k].wrapping_add(drifted) >> 8
        })
    }
}

/// Grey levels `a` and `b`, `weight` 256ths of the second.
fn mix(a: u16, b: u16, weight: u16) -> u16 {
    (a * (256 - weight) + b * weight + 128) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(shift: [f64; 2]) -> Vec<u8> {
        let golden: Vec<u8> = (1..=12).collect();
        let plane = Plane {
            width: 4,
            height: 3,
            offset: 1,
            stride: 6,
        };
        let motion = Motion {
            shift,
            ..Motion::IDENTITY
        };
        let mut out = vec![0; 19];
        let packed = Packed {
            bytes: &golden,
            width: 4,
            height: 3,
        };
        lay(packed, &plane, &motion, [1.5, 1.0], &mut out);
        out
    }

    /// The same in floating point, straight from the definition.
    fn naive(golden: Packed<'_>, motion: &Motion, centre: [f64; 2]) -> Vec<f64> {
        let back = motion.inverse().unwrap();
        let grey = |x: f64, y: f64| {
            let x = x.clamp(0.0, golden.width as f64 - 1.0) as usize;
            f64::from(golden.row(y as i64)[x])
        };
        let pixels = (0..golden.width * golden.height).map(|i| {
            let (x, y) = (i % golden.width, i / golden.width);
            let [u, v] = back.apply([x as f64 - centre[0], y as f64 - centre[1]]);
            let (u, v) = (u + centre[0], v + centre[1]);
            let (fx, fy) = (u - u.floor(), v - v.floor());
            let mix = |a: f64, b: f64, f: f64| a * (1.0 - f) + b * f;
            let upper = mix(
                grey(u.floor(), v.floor()),
                grey(u.floor() + 1.0, v.floor()),
                fx,
            );
            let below = v.floor() + 1.0;
            let lower = mix(grey(u.floor(), below), grey(u.floor() + 1.0, below), fx);
            mix(upper, lower, fy)
        });
        pixels.collect()
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn it_is_bilinear_interpolation(
            shift in [-40.0..40.0, -40.0..40.0],
            linear in [[0.7..1.3, -0.8..0.8], [-0.8..0.8, 0.7..1.3]],
            width in 1_usize..70,
            height in 1_usize..20,
        ) {
            // Smooth enough that a position rounded to 1/256 changes nothing by more than a grey level.
            let bytes: Vec<u8> = (0..width * height)
                .map(|i| (128.0 + 50.0 * (i as f64 % width as f64 / 5.0).sin() + 60.0 * (i as f64 / width as f64 / 4.0).cos()) as u8)
                .collect();
            let golden = Packed { bytes: &bytes, width, height };
            let centre = [width as f64 / 2.0 - 0.5, height as f64 / 2.0 - 0.5];
            let motion = Motion { linear, shift };
            proptest::prop_assume!(motion.inverse().is_some());
            let whole = Motion { shift: shift.map(f64::round), ..Motion::IDENTITY };
            proptest::prop_assume!(motion.distance(&whole, centre) >= WHOLE_PX);
            let plane = Plane { width: width as i32, height: height as i32, offset: 0, stride: width };
            let mut out = vec![0; width * height];
            lay(golden, &plane, &motion, centre, &mut out);
            for (i, (found, expected)) in out.iter().zip(naive(golden, &motion, centre)).enumerate() {
                proptest::prop_assert!((f64::from(*found) - expected).abs() < 2.0, "pixel {i}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn whole_shifts_repeat_the_border_and_leave_the_padding() {
        let still = [0, 1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 9, 10, 11, 12, 0, 0];
        assert_eq!(laid([0.1, -0.1]), still);
        let right_down = [0, 1, 1, 2, 3, 0, 0, 1, 1, 2, 3, 0, 0, 5, 5, 6, 7, 0, 0];
        assert_eq!(laid([1.0, 1.0]), right_down);
        let left_up = [
            0, 7, 8, 8, 8, 0, 0, 11, 12, 12, 12, 0, 0, 11, 12, 12, 12, 0, 0,
        ];
        assert_eq!(laid([-2.0, -1.0]), left_up);
        let gone = [0, 1, 1, 1, 1, 0, 0, 5, 5, 5, 5, 0, 0, 9, 9, 9, 9, 0, 0];
        assert_eq!(laid([9.0, 0.0]), gone);
        let gone = [0, 4, 4, 4, 4, 0, 0, 8, 8, 8, 8, 0, 0, 12, 12, 12, 12, 0, 0];
        assert_eq!(laid([-9.0, 0.0]), gone);
    }

    #[test]
    fn half_pixels_are_interpolated_to_the_same_side() {
        let half = laid([0.5, 0.0]);
        // golden's content moves right: column 1 lies between golden's columns 0 and 1
        assert!(half[2] == 1 || half[2] == 2, "{half:?}");
        assert_eq!(half[1], 1);
        assert_eq!(half[5], 0, "padding");
        let down = laid([0.0, 0.5]);
        assert_eq!(&down[7..11], &[3, 4, 5, 6], "between the first two rows");
    }
}
