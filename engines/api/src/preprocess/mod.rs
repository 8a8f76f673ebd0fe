//! Pixels to tensor on the CPU: colour, fit, scale, into planes of `f32` in NCHW order.
//!
//! - **Fit**: bilinear with pixel centres aligned and borders replicated, no anti-aliasing, which is what OpenCV's
//!   `INTER_LINEAR` does; results differ from its 8-bit arithmetic by less than 1/255 of full scale. A region is
//!   rounded outwards to whole pixels and clipped to the view before it is fitted.
//! - **Letterbox** sizes and borders are those of the usual YOLO exporters: sides rounded to whole tensor pixels,
//!   the odd pixel of padding at the bottom and right.
//! - **Colour**: luminance is 0.299 R + 0.587 G + 0.114 B. YUV is taken as limited range, by BT.601 below 720 rows
//!   and by BT.709 from 720 on (GStreamer's defaults), chroma repeated. Bayer is demosaiced bilinearly with
//!   mirrored borders.
//!
//! After the first view of a size nothing is allocated.

mod bayer;
mod check;
mod fit;
mod resample;
mod rows;
mod yuv;

#[cfg(test)]
mod tests;

pub use check::PictureError;
pub use fit::Placement;

use crate::bundle::{Channel, InputSpec};
use fit::Fit;
use resample::Resampler;
use rows::{RowSource, Rows};
use sightline_model::{BoxView, PictureRef};

/// `tensor = pixel * mul + add` for one plane.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Affine {
    mul: f32,
    add: f32,
}

/// Makes tensors of views for one input specification. It owns its scratch rows; one a thread.
#[derive(Debug)]
pub struct Preprocessor {
    spec: InputSpec,
    affine: Vec<Affine>,
    resampler: Resampler,
    rows: Rows,
}

impl Preprocessor {
    /// For a checked manifest's input.
    pub fn new(spec: &InputSpec) -> Self {
        let affine = spec.mean.iter().zip(&spec.std).map(|(mean, std)| Affine {
            mul: spec.scale / std,
            add: -mean / std,
        });
        Self {
            affine: affine.collect(),
            resampler: Resampler::default(),
            rows: Rows::default(),
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
        check::picture(&view)?;
        let fit = Fit::new(&self.spec, view.width, view.height, crop)?;
        let per_picture = tensor.len() / self.spec.channels.len();
        for (index, planes) in tensor.chunks_exact_mut(per_picture).enumerate() {
            let picture = match self.spec.channels[index] {
                Channel::Image => view,
                Channel::Reference => {
                    let reference = reference.ok_or(PictureError::NoReference)?;
                    check::picture(&reference)?;
                    check::same_size(&view, &reference)?;
                    reference
                }
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
            affine: &self.affine,
        };
        fit.pad(&mut target, self.spec.pad_value);
        let source = RowSource::new(picture, self.spec.color, fit.columns());
        if fit.is_identity() {
            self.rows.copy(&source, fit, &mut target);
        } else {
            self.resampler
                .run(&source, fit, &mut target, &mut self.rows);
        }
    }
}

/// One picture's planes of a tensor.
struct Target<'t> {
    planes: &'t mut [f32],
    width: usize,
    height: usize,
    affine: &'t [Affine],
}

impl Target<'_> {
    /// `len` elements of a plane's row, from column `left`.
    fn row(&mut self, plane: usize, row: usize, left: usize, len: usize) -> &mut [f32] {
        let start = (plane * self.height + row) * self.width + left;
        &mut self.planes[start..start + len]
    }
}
