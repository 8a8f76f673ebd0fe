//! A picture made small and rid of slow changes of light, at the two sizes the search works on.

use crate::plane::Plane;
use opencv::core::{CV_32F, Mat, Rect, Size, ToInputArray, subtract_def};
use opencv::imgproc::{INTER_AREA, blur_def, gaussian_blur_def, resize};
use opencv::prelude::*;

/// The fine level's shorter side is at least this and less than twice this; the coarse one is half as large.
const FINE_SIDE_PX: i32 = 128;
/// Light that changes over more than this share of the shorter side is taken away.
const LIGHT_SHARE: i32 = 6;

/// How large the levels are for a picture's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// How often the picture is halved to reach the fine level.
    pub halvings: u32,
    /// Size of the fine level, pixels; both even.
    pub fine: [i32; 2],
}

impl Scale {
    pub fn of(width: i32, height: i32) -> Self {
        let mut halvings = 0;
        while width.min(height) >> (halvings + 1) >= FINE_SIDE_PX {
            halvings += 1;
        }
        let even = |side: i32| (side >> halvings) & !1;
        Self {
            halvings,
            fine: [even(width), even(height)],
        }
    }

    /// Pixels of the picture per pixel of the fine level.
    pub fn factor(self) -> f64 {
        f64::from(1 << self.halvings)
    }

    pub fn coarse(self) -> [i32; 2] {
        self.fine.map(|side| side / 2)
    }

    /// The left upper part of the picture that the levels cover: all but a few pixels.
    pub fn covered(self) -> [i32; 2] {
        self.fine.map(|side| side << self.halvings)
    }
}

/// Both levels of one picture, with the buffers on the way there.
pub(crate) struct Levels {
    scale: Scale,
    halves: Vec<Mat>,
    quarter: Mat,
    light: Mat,
    raw: Mat,
    /// 32-bit floats, grey levels.
    pub fine: Mat,
    /// 32-bit floats, grey levels.
    pub coarse: Mat,
}

impl Levels {
    pub fn new(scale: Scale) -> Self {
        Self {
            scale,
            halves: (0..scale.halvings).map(|_| Mat::default()).collect(),
            quarter: Mat::default(),
            light: Mat::default(),
            raw: Mat::default(),
            fine: Mat::default(),
            coarse: Mat::default(),
        }
    }

    /// Makes both levels of the picture whose rows (with padding) are `rows`.
    pub fn make(&mut self, rows: &impl MatTraitConst, plane: &Plane) -> opencv::Result<()> {
        debug_assert!(self.scale == Scale::of(plane.width, plane.height));
        let [width, height] = self.scale.covered();
        let covered = Mat::roi(rows, Rect::new(0, 0, width, height))?;
        for step in 0..self.halves.len() {
            let (done, open) = self.halves.split_at_mut(step);
            match done.last() {
                None => halve(&covered, &mut open[0])?,
                Some(last) => halve(last, &mut open[0])?,
            }
        }
        match self.halves.last() {
            None => {
                halve(&covered, &mut self.quarter)?;
                even_light(&covered, &mut self.raw, &mut self.light, &mut self.fine)?;
            }
            Some(last) => {
                halve(last, &mut self.quarter)?;
                even_light(last, &mut self.raw, &mut self.light, &mut self.fine)?;
            }
        }
        let Self {
            quarter,
            raw,
            light,
            coarse,
            ..
        } = self;
        even_light(quarter, raw, light, coarse)
    }
}

fn halve(from: &(impl MatTraitConst + ToInputArray), to: &mut Mat) -> opencv::Result<()> {
    let half = Size::new(from.cols() / 2, from.rows() / 2);
    resize(from, to, half, 0.0, 0.0, INTER_AREA)
}

/// The picture less its own blur, in floats, a little smoothed so that its gradients hold between pixels.
fn even_light(
    from: &(impl MatTraitConst + ToInputArray),
    raw: &mut Mat,
    light: &mut Mat,
    to: &mut Mat,
) -> opencv::Result<()> {
    from.convert_to(to, CV_32F, 1.0, 0.0)?;
    gaussian_blur_def(to, raw, Size::new(3, 3), 0.8)?;
    let window = (from.cols().min(from.rows()) / LIGHT_SHARE) | 1;
    blur_def(raw, light, Size::new(window, window))?;
    subtract_def(raw, light, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_halved_to_the_fine_side() {
        let scale = Scale::of(640, 640);
        assert_eq!((scale.halvings, scale.fine), (2, [160, 160]));
        assert_eq!(scale.covered(), [640, 640]);
        let odd = Scale::of(2449, 2051);
        assert_eq!((odd.halvings, odd.fine), (4, [152, 128]));
        assert_eq!(odd.covered(), [2432, 2048]);
        assert_eq!(Scale::of(101, 99).halvings, 0);
    }
}
