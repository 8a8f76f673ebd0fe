//! Pixels to tensor on the CPU: colour, fit, scale, into planes of `f32` in NCHW order.
//!
//! - **Fit**: bilinear with pixel centres aligned and borders replicated, which is what OpenCV's `INTER_LINEAR` does,
//!   unless the input wants `antialias` (see [`antialias`]); results differ from its 8-bit arithmetic by less than 1/255 of full scale. A region is
//!   rounded outwards to whole pixels and clipped to the view before it is fitted.
//! - **Letterbox** sizes and borders are those of the usual YOLO exporters: sides rounded to whole tensor pixels,
//!   the odd pixel of padding at the bottom and right.
//! - **Colour**: luminance is 0.299 R + 0.587 G + 0.114 B. YUV has the range and matrix that its picture
//!   says, chroma repeated, converted after it is fitted. Bayer is
//!   demosaiced bilinearly with mirrored borders.
//!
//! After the first view of a size nothing is allocated.

mod antialias;
mod bayer;
mod check;
mod color;
mod columns;
mod fit;
mod strips;

#[cfg(test)]
mod tests;

pub use check::PictureError;
pub use color::Matrix;
pub use fit::{Fit, Placement};

use crate::bundle::{Channel, Color, InputSpec};
use antialias::Antialias;
use columns::{Columns, Tap, tap};
use sightline_domain::{BoxView, PictureRef, PixelFormat};
use strips::Strips;

/// `tensor = pixel * mul + add` for one plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Factor of a level in 0..=255.
    pub mul: f32,
    /// Added last.
    pub add: f32,
}

impl Affine {
    /// One for each colour channel of `spec`.
    pub fn of(spec: &InputSpec) -> Vec<Self> {
        let pairs = spec.mean.iter().zip(&spec.std);
        let affine = pairs.map(|(mean, std)| Self {
            mul: spec.scale / std,
            add: -mean / std,
        });
        affine.collect()
    }
}

/// Checks that a view, and its reference where the model takes one, can be read, and says how a region of it is fitted;
/// for engines that resample elsewhere than here.
///
/// # Errors
/// As [`Preprocessor::run`].
pub fn plan(
    spec: &InputSpec,
    view: &PictureRef<'_>,
    reference: Option<&PictureRef<'_>>,
    crop: Option<BoxView>,
) -> Result<Fit, PictureError> {
    check::picture(view)?;
    let fit = Fit::new(spec, view.width, view.height, crop)?;
    if spec.wants_reference() {
        let reference = reference.ok_or(PictureError::NoReference)?;
        check::picture(reference)?;
        check::same_size(view, reference)?;
    }
    Ok(fit)
}

/// Makes tensors of views for one input specification. It owns its scratch rows; one a thread.
#[derive(Debug)]
pub struct Preprocessor {
    spec: InputSpec,
    affine: Vec<Affine>,
    strips: Strips,
    columns: Columns,
    sampled: [Vec<f32>; 3],
    antialias: Antialias,
}

impl Preprocessor {
    /// For a checked manifest's input.
    pub fn new(spec: &InputSpec) -> Self {
        Self {
            affine: Affine::of(spec),
            strips: Strips::default(),
            columns: Columns::default(),
            sampled: Default::default(),
            antialias: Antialias::default(),
            spec: spec.clone(),
        }
    }

    /// Elements of one region's tensor: planes x height x width.
    pub fn elements(&self) -> usize {
        self.spec.elements()
    }

    /// Writes one region's tensor, every element of it, and says where it lies. `crop` is in view pixels;
    /// `None` is the whole view. The reference has the view's size and is cut the same way.
    ///
    /// # Errors
    /// [`PictureError`]: an empty picture or region, planes outside the memory, no reference where the model
    /// takes one, a reference of another size.
    ///
    /// # Panics
    /// `tensor` is not [`Preprocessor::elements`] long.
    pub fn run(
        &mut self,
        view: PictureRef<'_>,
        reference: Option<PictureRef<'_>>,
        crop: Option<BoxView>,
        tensor: &mut [f32],
    ) -> Result<Placement, PictureError> {
        assert_eq!(
            tensor.len(),
            self.elements(),
            "a tensor of the input's size"
        );
        let fit = plan(&self.spec, &view, reference.as_ref(), crop)?;
        let per_picture = tensor.len() / self.spec.channels.len();
        for (index, planes) in tensor.chunks_exact_mut(per_picture).enumerate() {
            let picture = match self.spec.channels[index] {
                Channel::Image => view,
                Channel::Reference => reference.ok_or(PictureError::NoReference)?,
            };
            self.picture(&picture, &fit, planes);
        }
        Ok(fit.placement())
    }

    fn picture(&mut self, picture: &PictureRef<'_>, fit: &Fit, planes: &mut [f32]) {
        let mut target = Target {
            planes,
            width: self.spec.width as usize,
            height: self.spec.height as usize,
        };
        fit.pad(&mut target, self.spec.pad_value, &self.affine);
        let gray = picture.format == PixelFormat::Gray8 && self.spec.color == Color::Gray;
        if gray && fit.is_identity() {
            copy_gray(picture, fit, self.affine[0], &mut target);
        } else if self.spec.antialias && (fit.step.0 > 1.0 || fit.step.1 > 1.0) {
            self.average(picture, fit, &mut target);
        } else {
            self.resample(picture, fit, &mut target);
        }
    }

    /// Row by row of the tensor: down, along, across.
    fn resample(&mut self, picture: &PictureRef<'_>, fit: &Fit, target: &mut Target<'_>) {
        let [left, top, w, h] = fit.to;
        let (columns, rows) = (fit.columns(), fit.rows());
        let from_x = fit.from.0 - columns.start as f64;
        let from_y = fit.from.1 - rows.start as f64;
        self.columns.prepare(from_x, fit.step.0, columns.len(), w);
        let (meaning, mut channels) = strips::channels(picture.format);
        let first_only = color::first_is_enough(meaning, self.spec.color);
        if first_only {
            channels = &channels[..1];
        }
        let matrix = Matrix::of(picture.levels);
        for row in &mut self.sampled {
            strips::size(row, w);
        }
        for y in 0..h {
            let mut at = tap(y, from_y, fit.step.1, rows.len());
            at.first += rows.start;
            at.second += rows.start;
            self.strips.blend(picture, at, columns.clone(), !first_only);
            for (&channel, out) in channels.iter().zip(&mut self.sampled) {
                let skipped = strips::skipped(picture.format, channel, columns.start);
                let strip = &self.strips.rows[channel.strip];
                self.columns.sample(strip, channel, skipped, &mut out[..w]);
            }
            let [a, b, c] = &self.sampled;
            let sampled = [&a[..w], &b[..w], &c[..w]];
            let planes = target.rows(top + y, left, w);
            color::write(
                meaning,
                self.spec.color,
                &matrix,
                sampled,
                &self.affine,
                planes,
            );
        }
    }
}

impl Preprocessor {
    /// [`Preprocessor::resample`] with every source pixel counted.
    fn average(&mut self, picture: &PictureRef<'_>, fit: &Fit, target: &mut Target<'_>) {
        let [left, top, w, h] = fit.to;
        let (columns, rows) = (fit.columns(), fit.rows());
        let from = (
            fit.from.0 - columns.start as f64,
            fit.from.1 - rows.start as f64,
        );
        let scratch = &mut self.antialias;
        scratch
            .columns
            .prepare(from.0, fit.step.0, columns.len(), w);
        scratch.rows.prepare(from.1, fit.step.1, rows.len(), h);
        let (meaning, mut channels) = strips::channels(picture.format);
        let first_only = color::first_is_enough(meaning, self.spec.color);
        if first_only {
            channels = &channels[..1];
        }
        for sums in &mut scratch.sums {
            strips::size(sums, w * h).fill(0.0);
        }
        for row in scratch.rows.reads() {
            let at = Tap {
                first: rows.start + row,
                second: rows.start + row,
                weight: 0.0,
            };
            self.strips.blend(picture, at, columns.clone(), !first_only);
            for (index, &channel) in channels.iter().enumerate() {
                let skipped = strips::skipped(picture.format, channel, columns.start);
                let strip = &self.strips.rows[channel.strip];
                let out = strips::size(&mut self.sampled[index], w);
                scratch.columns.along(strip, channel, skipped, out);
                scratch
                    .rows
                    .down(row, out, &mut scratch.sums[index][..w * h]);
            }
        }
        let matrix = Matrix::of(picture.levels);
        for y in 0..h {
            let sampled = [0, 1, 2].map(|c| &scratch.sums[c][y * w..][..w]);
            let planes = target.rows(top + y, left, w);
            color::write(
                meaning,
                self.spec.color,
                &matrix,
                sampled,
                &self.affine,
                planes,
            );
        }
    }
}

/// The path of most industrial cameras: nothing to fit, nothing to convert.
fn copy_gray(picture: &PictureRef<'_>, fit: &Fit, a: Affine, target: &mut Target<'_>) {
    let [left, top, w, h] = fit.to;
    let (x0, y0) = fit.origin();
    for y in 0..h {
        let pixels = strips::row(picture, 0, y0 + y, x0..x0 + w);
        let [out, ..] = target.rows(top + y, left, w);
        for (out, &pixel) in out.iter_mut().zip(pixels) {
            *out = f32::from(pixel) * a.mul + a.add;
        }
    }
}

/// One picture's planes of a tensor.
struct Target<'t> {
    planes: &'t mut [f32],
    width: usize,
    height: usize,
}

impl Target<'_> {
    /// `len` elements of row `y` of each plane, from column `left`; empty where there is only one plane.
    fn rows(&mut self, y: usize, left: usize, len: usize) -> [&mut [f32]; 3] {
        let start = y * self.width + left;
        let mut planes = self.planes.chunks_exact_mut(self.width * self.height);
        std::array::from_fn(|_| match planes.next() {
            Some(plane) => &mut plane[start..start + len],
            None => &mut [],
        })
    }
}
