//! Where a region of a view lands in the tensor.

use super::{Affine, PictureError, Target};
use crate::bundle::{InputSpec, Resize};
use sightline_domain::{BoxView, ViewToTensor};
use std::ops::Range;

/// Where a region landed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// View pixels to tensor pixels, for the whole view also where only a region was cut out.
    pub map: ViewToTensor,
    /// The region in view pixels, whole pixels, inside the view: nothing can be found outside.
    pub bounds: BoxView,
}

/// The source rectangle in view pixels and the rectangle of the tensor that it fills.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The region: left, top, width, height, whole view pixels.
    pub region: [usize; 4],
    /// Left and top of what is shown, view pixels; differs from the region's for [`Resize::Crop`].
    pub from: (f64, f64),
    /// View pixels per tensor pixel.
    pub step: (f64, f64),
    /// Left, top, width, height in the tensor.
    pub to: [usize; 4],
}

impl Fit {
    pub(super) fn new(
        spec: &InputSpec,
        width: u32,
        height: u32,
        crop: Option<BoxView>,
    ) -> Result<Self, PictureError> {
        let region = match crop {
            None => [0, 0, width as usize, height as usize],
            Some(crop) => whole_pixels(&crop, width, height)?,
        };
        let [x, y, w, h] = region.map(|n| n as f64);
        let (tw, th) = (f64::from(spec.width), f64::from(spec.height));
        let (from, shown, to) = match spec.resize {
            Resize::Stretch => ((x, y), (w, h), [0, 0, tw as usize, th as usize]),
            Resize::Letterbox | Resize::LetterboxTopLeft => {
                let scale = (tw / w).min(th / h);
                let (nw, nh) = (
                    (w * scale).round_ties_even().max(1.0),
                    (h * scale).round_ties_even().max(1.0),
                );
                // half a pixel of padding goes right and down
                let centred = spec.resize == Resize::Letterbox;
                let before = |free: f64| if centred { (free / 2.0).floor() } else { 0.0 };
                let (left, top) = (before(tw - nw), before(th - nh));
                let to = [left as usize, top as usize, nw as usize, nh as usize];
                ((x, y), (w, h), to)
            }
            Resize::Crop if spec.resize_to.is_some() => {
                // torchvision: Resize(side) rounds the longer side down, CenterCrop its offset to even
                let side = f64::from(spec.resize_to.unwrap_or(spec.width));
                let short = w.min(h);
                let whole = |n: f64| {
                    if n == short {
                        side
                    } else {
                        (side * n / short).floor()
                    }
                };
                let (nw, nh) = (whole(w), whole(h));
                let (sx, sy) = (w / nw, h / nh);
                let cut = |size: f64, shown: f64| ((size - shown) / 2.0).round_ties_even();
                let from = (x + cut(nw, tw) * sx, y + cut(nh, th) * sy);
                (from, (tw * sx, th * sy), [0, 0, tw as usize, th as usize])
            }
            Resize::Crop => {
                let scale = (tw / w).max(th / h);
                let (sw, sh) = (tw / scale, th / scale);
                let from = (x + (w - sw) / 2.0, y + (h - sh) / 2.0);
                (from, (sw, sh), [0, 0, tw as usize, th as usize])
            }
        };
        Ok(Self {
            region,
            from,
            step: (shown.0 / to[2] as f64, shown.1 / to[3] as f64),
            to,
        })
    }

    /// Where the region lands.
    pub fn placement(&self) -> Placement {
        let (sx, sy) = (1.0 / self.step.0, 1.0 / self.step.1);
        let [x, y, w, h] = self.region.map(|n| n as f32);
        Placement {
            map: ViewToTensor {
                scale_x: sx as f32,
                scale_y: sy as f32,
                offset_x: (self.to[0] as f64 - self.from.0 * sx) as f32,
                offset_y: (self.to[1] as f64 - self.from.1 * sy) as f32,
            },
            bounds: BoxView { x, y, w, h },
        }
    }

    /// Columns of the view that are read.
    pub(super) fn columns(&self) -> Range<usize> {
        self.region[0]..self.region[0] + self.region[2]
    }

    /// Rows of the view that are read.
    pub(super) fn rows(&self) -> Range<usize> {
        self.region[1]..self.region[1] + self.region[3]
    }

    /// One tensor pixel is one view pixel.
    pub(super) fn is_identity(&self) -> bool {
        self.step == (1.0, 1.0) && self.from.0.fract() == 0.0 && self.from.1.fract() == 0.0
    }

    /// First column and row of the view shown, for [`Fit::is_identity`].
    pub(super) fn origin(&self) -> (usize, usize) {
        (self.from.0 as usize, self.from.1 as usize)
    }

    /// Fills what the picture does not cover.
    pub(super) fn pad(&self, target: &mut Target<'_>, pad_value: u8, affine: &[Affine]) {
        let ([left, top, w, h], width) = (self.to, target.width);
        if (w, h) == (width, target.height) {
            return;
        }
        let planes = target.planes.chunks_exact_mut(width * target.height);
        for (plane, a) in planes.zip(affine) {
            let value = f32::from(pad_value) * a.mul + a.add;
            plane[..top * width].fill(value);
            plane[(top + h) * width..].fill(value);
            for row in plane[top * width..(top + h) * width].chunks_exact_mut(width) {
                row[..left].fill(value);
                row[left + w..].fill(value);
            }
        }
    }
}

/// Rounds outwards and clips to the view.
fn whole_pixels(crop: &BoxView, width: u32, height: u32) -> Result<[usize; 4], PictureError> {
    // rounding errors of a crop that was meant to be whole must not add a row
    let (low, high) = (1e-3, -1e-3);
    let x0 = (crop.x + low).floor().clamp(0.0, width as f32);
    let y0 = (crop.y + low).floor().clamp(0.0, height as f32);
    let x1 = (crop.x + crop.w + high).ceil().clamp(0.0, width as f32);
    let y1 = (crop.y + crop.h + high).ceil().clamp(0.0, height as f32);
    // a NaN fails this too
    if x1 > x0 && y1 > y0 {
        return Ok([x0, y0, x1 - x0, y1 - y0].map(|n| n as usize));
    }
    Err(PictureError::EmptyRegion {
        x: crop.x,
        y: crop.y,
        w: crop.w,
        h: crop.h,
        width,
        height,
    })
}
