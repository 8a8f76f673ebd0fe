//! Where a part lies relative to its golden picture, and the golden picture moved there.

use crate::RegistrationError;
use crate::aligner::{Aligner, Fit};
use crate::lay::{Packed, lay};
use crate::level::{Levels, Scale};
use crate::motion::{Mode, Motion};
use crate::plane::Plane;
use crate::warp::warp;
use opencv::core::{CV_32F, Mat, Size, multiply_def};
use opencv::imgproc::{create_hanning_window, phase_correlate_def};
use sightline_domain::PictureRef;
use std::sync::Once;

/// The inner part that stays visible whatever the motion has at least this many pixels a side, on the fine level.
const INNER_SIDE_PX: i32 = 32;
/// Below this the golden picture leaves one of the parameters undetermined.
const CONDITIONING: f64 = 1e-3;
/// A fit as good as this is taken without a look elsewhere.
const GOOD_CORRELATION: f64 = 0.8;
/// Rotations further apart than this are searched one by one, degrees.
const ROTATION_STEP_DEG: f64 = 2.5;
/// A part that correlates less where the golden picture lies is not merely a pixel off.
const NEAR_CORRELATION: f64 = 0.5;
const NEAR_STEPS: usize = 4;
const COARSE_STEPS: usize = 20;
const FINE_STEPS: usize = 12;

/// How a part was found to lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Registered {
    /// How far the picture's centre lies to the right of its place in the golden picture, pixels.
    pub dx_px: f32,
    /// How far it lies below it, pixels.
    pub dy_px: f32,
    /// How far the part is turned clockwise on the screen, degrees.
    pub rotation_deg: f32,
    /// How well both agree there, -1..=1: correlation of the two pictures without slow changes of light, at the
    /// search's own scale.
    pub correlation: f32,
}

/// One golden picture, ready to be laid onto parts. It belongs to one thread; its buffers are allocated once.
pub struct Registrar {
    mode: Mode,
    max_shift_px: f32,
    max_rotation_deg: f32,
    min_correlation: f32,
    plane: Plane,
    scale: Scale,
    /// Centre of what the levels cover, pixels of the picture.
    centre: [f64; 2],
    /// Rows without padding.
    golden: Vec<u8>,
    /// The coarse level, faded out towards the border.
    golden_faded: Mat,
    fine: Aligner,
    coarse: Aligner,
    window: Mat,
    levels: Levels,
    turned: Mat,
    faded: Mat,
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar")
            .field("mode", &self.mode)
            .field("plane", &self.plane)
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

impl Registrar {
    /// Prepares `golden` (GRAY8). A part is accepted when it lies within `max_shift_px` along each axis and
    /// `max_rotation_deg` either way, and correlates by `min_correlation` (0..=1) at least.
    ///
    /// # Errors
    /// `Setting`, `Format`, `Buffer`; `TooSmall` when the range leaves too little to look at; `NoStructure`.
    pub fn new(
        golden: PictureRef<'_>,
        mode: Mode,
        max_shift_px: f32,
        max_rotation_deg: f32,
        min_correlation: f32,
    ) -> Result<Self, RegistrationError> {
        check_settings(max_shift_px, max_rotation_deg, min_correlation)?;
        // OpenCV's own threads would wander over the cores that engines and cameras are pinned to.
        static ONE_THREAD: Once = Once::new();
        ONE_THREAD.call_once(|| opencv::core::set_num_threads(1).unwrap_or_default());
        let plane = Plane::of(&golden)?;
        let scale = Scale::of(plane.width, plane.height);
        let margin_px = margin(mode, &plane, max_shift_px, max_rotation_deg);
        let fine_margin = (f64::from(margin_px) / scale.factor()).ceil() as i32 + 1;
        if scale.fine[0].min(scale.fine[1]) < INNER_SIDE_PX + 2 * fine_margin {
            let needed = f64::from(INNER_SIDE_PX + 2 * fine_margin + 1) * scale.factor();
            return Err(RegistrationError::TooSmall {
                width: golden.width,
                height: golden.height,
                margin_px,
                expected: needed.ceil() as u32,
            });
        }
        let mut levels = Levels::new(scale);
        levels.make(&plane.rows(golden.bytes)?, &plane)?;
        let fine = Aligner::new(&levels.fine, mode, fine_margin)?;
        let coarse = Aligner::new(&levels.coarse, mode, fine_margin / 2 + 1)?;
        let found = fine.conditioning.min(coarse.conditioning);
        if found.is_nan() || found < CONDITIONING {
            return Err(RegistrationError::NoStructure {
                found,
                expected: CONDITIONING,
            });
        }
        let [width, height] = scale.coarse();
        let mut window = Mat::default();
        create_hanning_window(&mut window, Size::new(width, height), CV_32F)?;
        let mut golden_faded = Mat::default();
        multiply_def(&levels.coarse, &window, &mut golden_faded)?;
        let rows = (0..golden.height as usize).flat_map(|y| {
            let start = plane.offset + y * plane.stride;
            &golden.bytes[start..start + golden.width as usize]
        });
        Ok(Self {
            mode,
            max_shift_px,
            max_rotation_deg,
            min_correlation,
            plane,
            scale,
            centre: scale.covered().map(|side| f64::from(side - 1) / 2.0),
            golden: rows.copied().collect(),
            golden_faded,
            fine,
            coarse,
            window,
            levels,
            turned: Mat::default(),
            faded: Mat::default(),
        })
    }

    /// Finds how `part` (GRAY8, the golden picture's size) lies, and writes the golden picture, moved there, into `out`, in
    /// the golden picture's own layout (its offset and stride). Beyond the golden picture's border `out` repeats it.
    ///
    /// # Errors
    /// `Format`, `SizeMismatch`, `Buffer`; `NotFound`, `OutOfRange`. `out` is written on success only.
    pub fn register(
        &mut self,
        part: PictureRef<'_>,
        out: &mut [u8],
    ) -> Result<Registered, RegistrationError> {
        let plane = Plane::of(&part)?;
        if (plane.width, plane.height) != (self.plane.width, self.plane.height) {
            return Err(RegistrationError::SizeMismatch {
                expected_width: self.plane.width as u32,
                expected_height: self.plane.height as u32,
                found_width: part.width,
                found_height: part.height,
            });
        }
        self.plane.check("buffer for the moved picture", out)?;
        self.levels.make(&plane.rows(part.bytes)?, &plane)?;
        let fit = self.search()?;
        let motion = fit.motion.scaled(self.scale.factor());
        let registered = self.judge(&motion, fit.correlation)?;
        let golden = Packed {
            bytes: &self.golden,
            width: self.plane.width as usize,
            height: self.plane.height as usize,
        };
        lay(golden, &self.plane, &motion, self.centre, out);
        Ok(registered)
    }

    fn search(&mut self) -> opencv::Result<Fit> {
        let good = GOOD_CORRELATION.max(self.min_correlation.into());
        let fine = &self.levels.fine;
        let near = self
            .fine
            .find(fine, Motion::IDENTITY, NEAR_STEPS, NEAR_CORRELATION)?;
        if near.settled && near.correlation >= good {
            return Ok(near);
        }
        let mut best = near;
        for degrees in self.rotations() {
            let start = self.shift_at(degrees)?;
            let coarse = self
                .coarse
                .find(&self.levels.coarse, start, COARSE_STEPS, -1.0)?;
            let start = coarse.motion.scaled(2.0);
            let fit = self.fine.find(&self.levels.fine, start, FINE_STEPS, -1.0)?;
            if fit.correlation > best.correlation {
                best = fit;
            }
            if best.correlation >= good {
                break;
            }
        }
        Ok(best)
    }

    /// Rotations to start from, degrees, the smallest first.
    fn rotations(&self) -> impl Iterator<Item = f64> + use<> {
        let max = f64::from(self.max_rotation_deg);
        let steps = match self.mode {
            Mode::Translation => 0,
            Mode::Euclidean | Mode::Affine => (max / ROTATION_STEP_DEG).ceil() as i32,
        };
        let each = max / f64::from(steps.max(1));
        let turned = (1..=steps).flat_map(move |k| [each * f64::from(k), -each * f64::from(k)]);
        std::iter::once(0.0).chain(turned)
    }

    /// The shift on the coarse level that phase correlation finds, the part being turned by `degrees`.
    fn shift_at(&mut self, degrees: f64) -> opencv::Result<Motion> {
        let turn = Motion::rigid(degrees.to_radians(), [0.0, 0.0]);
        let [width, height] = self.scale.coarse();
        let part = if degrees == 0.0 {
            &self.levels.coarse
        } else {
            let centre = [width, height].map(|side| f64::from(side - 1) / 2.0);
            let (size, corner) = (Size::new(width, height), centre.map(|c| -c));
            let part = &self.levels.coarse;
            warp(part, &mut self.turned, size, &turn, corner, centre)?;
            &self.turned
        };
        // Not `phase_correlate` with the window: where it need not pad, it fades its inputs in place.
        multiply_def(part, &self.window, &mut self.faded)?;
        let shift = phase_correlate_def(&self.golden_faded, &self.faded)?;
        Ok(turn.after(&Motion {
            shift: [shift.x, shift.y],
            ..Motion::IDENTITY
        }))
    }

    fn judge(&self, motion: &Motion, correlation: f64) -> Result<Registered, RegistrationError> {
        let correlation = correlation as f32;
        if correlation.is_nan() || correlation < self.min_correlation {
            return Err(RegistrationError::NotFound {
                correlation,
                expected: self.min_correlation,
            });
        }
        let [dx_px, dy_px] = motion.shift.map(|s| s as f32);
        let rotation_deg = motion.rotation_deg() as f32;
        if dx_px.abs().max(dy_px.abs()) > self.max_shift_px
            || rotation_deg.abs() > self.max_rotation_deg && self.mode != Mode::Translation
        {
            return Err(RegistrationError::OutOfRange {
                dx_px,
                dy_px,
                rotation_deg,
                max_shift_px: self.max_shift_px,
                max_rotation_deg: self.max_rotation_deg,
            });
        }
        Ok(Registered {
            dx_px,
            dy_px,
            rotation_deg,
            correlation,
        })
    }
}

/// How far contents at the border may move along an axis, pixels.
fn margin(mode: Mode, plane: &Plane, max_shift_px: f32, max_rotation_deg: f32) -> f32 {
    let half = plane.width.max(plane.height) as f32 / 2.0;
    match mode {
        Mode::Translation => max_shift_px,
        Mode::Euclidean | Mode::Affine => max_shift_px + half * max_rotation_deg.to_radians().sin(),
    }
}

fn check_settings(shift: f32, rotation: f32, correlation: f32) -> Result<(), RegistrationError> {
    let checks = [
        ("max_shift_px", "0 or more, and finite", shift, 0.0..=1e6),
        ("max_rotation_deg", "between 0 and 45", rotation, 0.0..=45.0),
        ("min_correlation", "between 0 and 1", correlation, 0.0..=1.0),
    ];
    for (field, expected, found, range) in checks {
        if !range.contains(&found) {
            return Err(RegistrationError::Setting {
                field,
                expected,
                found,
            });
        }
    }
    Ok(())
}
