//! What one camera of the line sees: its face of each part, and the camera's own faults.

use crate::boards::{Board, CameraLook, DrawError, FrameTruth, Look, Painter};
use crate::fault::Condition;
use crate::part::PartSpec;
use sightline_domain::PlaneLayout;
use std::sync::Arc;

/// Draws one camera's pictures; belongs to that camera's thread.
#[derive(Debug)]
pub struct Face {
    camera: usize,
    board: Arc<Board>,
    look: Look,
    painter: Painter,
    last_live: Option<PartSpec>,
    column_sum: Vec<u32>,
    row: Vec<u8>,
}

impl Face {
    /// The face that `camera` of the line sees.
    pub fn new(camera: usize, board: Arc<Board>, look: Look) -> Self {
        Self {
            camera,
            board,
            look,
            painter: Painter::default(),
            last_live: None,
            column_sum: Vec::new(),
            row: Vec::new(),
        }
    }

    /// The face's design.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Draws the GRAY8 picture of `part` in its slot and says what is true of it. A frozen camera shows the last part it
    /// saw well, a dark or bright one keeps a thirty-second of the contrast (beyond the default health limits), a blurred
    /// one smears over nine pixels.
    ///
    /// # Errors
    /// [`DrawError`] when the slot does not hold the picture.
    pub fn draw(
        &mut self,
        part: &PartSpec,
        condition: Condition,
        out: &mut [u8],
        layout: &PlaneLayout,
    ) -> Result<FrameTruth, DrawError> {
        let frozen = matches!(condition, Condition::Frozen | Condition::FrozenNumber);
        let shown = *self.last_live.as_ref().filter(|_| frozen).unwrap_or(part);
        if !frozen || self.last_live.is_none() {
            self.last_live = Some(shown);
        }
        let (plane, stride) = (
            out.get_mut(layout.offsets[0]..).unwrap_or_default(),
            layout.strides[0],
        );
        // Each face has its own noise.
        let seed = crate::seed::derive(shown.seed, 0xFACE + self.camera as u64);
        let defects = shown.defects(self.camera);
        let truth = self
            .painter
            .draw(&self.board, seed, defects, &self.look, plane, stride)?;
        match condition {
            Condition::Dark => self.each_pixel(plane, stride, |v| v / 32),
            Condition::Bright => self.each_pixel(plane, stride, |v| 255 - (255 - v) / 32),
            Condition::Blurred => self.smear(plane, stride),
            Condition::Good
            | Condition::Unplugged
            | Condition::Frozen
            | Condition::FrozenNumber => {}
        }
        Ok(truth)
    }

    /// Draws the face's golden picture as this camera sees it when nothing moves: two-level, or with the camera's blur and
    /// light but without noise, shift and rotation.
    ///
    /// # Errors
    /// [`DrawError`] when the slot does not hold the picture.
    pub fn golden(&mut self, out: &mut [u8], layout: &PlaneLayout) -> Result<(), DrawError> {
        let (plane, stride) = (
            out.get_mut(layout.offsets[0]..).unwrap_or_default(),
            layout.strides[0],
        );
        match self.look {
            Look::TwoLevel(_) => self.painter.golden(&self.board, plane, stride),
            Look::Camera(look) => {
                let still = Look::Camera(CameraLook {
                    noise_sigma: 0.0,
                    max_shift_px: 0.0,
                    max_rotation_deg: 0.0,
                    ..look
                });
                self.painter
                    .draw(&self.board, 0, &[], &still, plane, stride)
                    .map(|_| ())
            }
        }
    }

    fn each_pixel(&self, plane: &mut [u8], stride: usize, f: impl Fn(u8) -> u8) {
        for row in plane.chunks_mut(stride).take(self.board.height() as usize) {
            for pixel in row.iter_mut().take(self.board.width() as usize) {
                *pixel = f(*pixel);
            }
        }
    }

    /// Box blur over 9 x 9 pixels, in place by two passes of running sums.
    fn smear(&mut self, plane: &mut [u8], stride: usize) {
        const SIDE: usize = 9;
        let (width, height) = (self.board.width() as usize, self.board.height() as usize);
        for row in plane.chunks_mut(stride).take(height) {
            self.row.clear();
            self.row.extend_from_slice(&row[..width]);
            let mut sum: u32 = self.row[..SIDE].iter().map(|&v| u32::from(v)).sum();
            for (pixel, ends) in row.iter_mut().zip(self.row.windows(SIDE + 1)) {
                *pixel = (sum / SIDE as u32) as u8;
                sum = sum + u32::from(ends[SIDE]) - u32::from(ends[0]);
            }
        }
        // Downwards the row x + SIDE is still unblurred when row x is written, and row x is not needed again.
        self.column_sum.clear();
        self.column_sum.resize(width, 0);
        for y in 0..SIDE {
            for (sum, &v) in self.column_sum.iter_mut().zip(&plane[y * stride..]) {
                *sum += u32::from(v);
            }
        }
        for y in 0..height - SIDE {
            for x in 0..width {
                let leaving = u32::from(plane[y * stride + x]);
                plane[y * stride + x] = (self.column_sum[x] / SIDE as u32) as u8;
                self.column_sum[x] =
                    self.column_sum[x] + u32::from(plane[(y + SIDE) * stride + x]) - leaving;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::belt::BeltSettings;
    use crate::boards::BoardSpec;
    use crate::fault::FaultScript;
    use crate::part::{PartMix, Parts};
    use sightline_domain::PixelFormat;

    const SIDE: u32 = 192;

    fn parts(count: usize) -> (Face, Vec<PartSpec>) {
        let spec = BoardSpec {
            width: SIDE,
            height: SIDE,
            seed: 5,
        };
        let board = Arc::new(Board::new(spec).expect("in range"));
        let mut parts = Parts::new(
            1,
            BeltSettings::default(),
            PartMix::default(),
            vec![board.clone()],
        );
        let faults = FaultScript::default();
        (
            Face::new(0, board, Look::default()),
            (0..count).map(|_| parts.next(&faults)).collect(),
        )
    }

    fn picture(face: &mut Face, part: &PartSpec, condition: Condition) -> Vec<u8> {
        let layout = PixelFormat::Gray8.default_layout(SIDE, SIDE);
        let mut bytes = vec![0; layout.len];
        face.draw(part, condition, &mut bytes, &layout)
            .expect("fits");
        bytes
    }

    fn mean(bytes: &[u8]) -> f64 {
        bytes.iter().map(|&v| f64::from(v)).sum::<f64>() / bytes.len() as f64
    }

    fn sharpness(bytes: &[u8]) -> f64 {
        let steps = bytes
            .windows(2)
            .map(|p| f64::from(p[0].abs_diff(p[1])).powi(2));
        steps.sum::<f64>() / bytes.len() as f64
    }

    #[test]
    fn a_frozen_camera_repeats_its_last_live_picture_to_the_byte() {
        let (mut face, parts) = parts(4);
        let live = picture(&mut face, &parts[0], Condition::Good);
        assert_eq!(picture(&mut face, &parts[1], Condition::Frozen), live);
        assert_eq!(picture(&mut face, &parts[2], Condition::FrozenNumber), live);
        assert_ne!(picture(&mut face, &parts[3], Condition::Good), live);
    }

    #[test]
    fn dark_bright_and_blurred_are_what_they_say() {
        let (mut face, parts) = parts(1);
        let good = picture(&mut face, &parts[0], Condition::Good);
        assert!(mean(&picture(&mut face, &parts[0], Condition::Dark)) < 16.0);
        assert!(mean(&picture(&mut face, &parts[0], Condition::Bright)) > 239.0);
        let blurred = picture(&mut face, &parts[0], Condition::Blurred);
        assert!((mean(&blurred) - mean(&good)).abs() < 12.0);
        assert!(sharpness(&blurred) < 0.25 * sharpness(&good));
    }
}
