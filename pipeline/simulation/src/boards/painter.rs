//! Draws parts into the caller's memory.

use super::board::Board;
use super::defect::{Defect, FrameTruth, TrueDefect, annotated};
use super::edges::{CELL, Roughness, UNIT};
use super::look::{CameraLook, EdgeLook, Look};
use super::optics::Optics;
use super::{COPPER, MARGIN, SUBSTRATE};
use crate::seed::{self, PixelNoise};
use rand::RngExt;
use sightline_model::BoxView;

/// The caller's memory does not hold the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// Too few bytes or a stride shorter than a row.
    #[error(
        "a {width} x {height} GRAY8 picture at a stride of {stride} bytes needs a stride of at least its width and {needed} bytes, found {found} bytes; size the slot by `PixelFormat::default_layout`"
    )]
    TooSmall {
        /// Picture width, pixels.
        width: u32,
        /// Picture height, pixels.
        height: u32,
        /// Bytes from row to row.
        stride: usize,
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        found: usize,
    },
}

/// Draws parts of any board; holds scratch memory, which grows to the largest board it has drawn and stays.
#[derive(Debug, Default)]
pub struct Painter {
    roughness: Roughness,
    sized_for: (usize, usize),
    optics: Optics,
}

impl Painter {
    /// Draws the golden picture into `out` (GRAY8, `stride` bytes from row to row).
    ///
    /// # Errors
    /// [`DrawError::TooSmall`] when `out` or `stride` does not hold the picture.
    pub fn golden(&mut self, board: &Board, out: &mut [u8], stride: usize) -> Result<(), DrawError> {
        check(board, out, stride)?;
        copy_shifted(board, (0, 0), out, stride);
        Ok(())
    }

    /// Draws the part of `board` that has `defects`, as it looks under `look`, into `out` (GRAY8, `stride` bytes from row
    /// to row), and says where its defects lie in that picture. The same `part_seed` gives the same bytes.
    ///
    /// # Errors
    /// [`DrawError::TooSmall`] when `out` or `stride` does not hold the picture.
    pub fn draw(
        &mut self,
        board: &Board,
        part_seed: u64,
        defects: &[Defect],
        look: &Look,
        out: &mut [u8],
        stride: usize,
    ) -> Result<FrameTruth, DrawError> {
        check(board, out, stride)?;
        Ok(match look {
            Look::TwoLevel(edges) => self.two_level(board, part_seed, defects, edges, out, stride),
            Look::Camera(camera) => self.camera(board, part_seed, defects, camera, out, stride),
        })
    }

    fn two_level(
        &mut self,
        board: &Board,
        part_seed: u64,
        defects: &[Defect],
        look: &EdgeLook,
        out: &mut [u8],
        stride: usize,
    ) -> FrameTruth {
        let (dx, dy) = misplacement(look, part_seed);
        let shift = (dx.round() as i32, dy.round() as i32);
        copy_shifted(board, shift, out, stride);
        let rest = (dx - shift.0 as f32, dy - shift.1 as f32);
        if look.roughness_px > 0.0 || rest != (0.0, 0.0) {
            self.move_edges(board, part_seed, shift, rest, look.roughness_px, out, stride);
        }
        let mut truth = FrameTruth::default();
        for defect in defects {
            ink(board, defect, shift, out, stride);
            let changed = BoxView {
                x: defect.changed.x + shift.0 as f32,
                y: defect.changed.y + shift.1 as f32,
                ..defect.changed
            };
            truth.push(TrueDefect {
                kind: defect.kind,
                bbox_view: annotated(changed, board.width(), board.height()),
            });
        }
        truth
    }

    /// Decides the pixels near edges anew: the edge moved by `rest` pixels and roughened.
    #[allow(clippy::too_many_arguments)]
    fn move_edges(
        &mut self,
        board: &Board,
        part_seed: u64,
        shift: (i32, i32),
        rest: (f32, f32),
        roughness_px: f32,
        out: &mut [u8],
        stride: usize,
    ) {
        if self.sized_for != (board.canvas_width, board.canvas_height) {
            self.sized_for = (board.canvas_width, board.canvas_height);
            self.roughness = Roughness::for_canvas(board.canvas_width, board.canvas_height);
        }
        let mut noise = PixelNoise::new(part_seed);
        self.roughness.roll(&mut noise, roughness_px * 0.85);
        let fine = (roughness_px * 0.55 * UNIT) as i32;
        let (rx, ry) = ((rest.0 * UNIT) as i32, (rest.1 * UNIT) as i32);
        let width = board.width() as i32;
        for y in 0..board.height() as i32 {
            let canvas_y = (y + MARGIN as i32 - shift.1) as usize;
            let cells = self.roughness.row(canvas_y);
            let row = &mut out[y as usize * stride..][..width as usize];
            for edge in board.edges.row(canvas_y) {
                let x = i32::from(edge.x) - MARGIN as i32 + shift.0;
                let Some(pixel) = row.get_mut(x as usize) else {
                    continue;
                };
                let moved = (i32::from(edge.nx) * rx + i32::from(edge.ny) * ry) >> 6;
                // Uniform bytes are enough for the finest jitter: three standard deviations of a byte are 222.
                let jitter = ((noise.next() >> 56) as i32 - 128) * fine / 74;
                let depth = i32::from(edge.depth) - moved + i32::from(cells[edge.x as usize / CELL]) + jitter;
                *pixel = if depth >= 0 { COPPER } else { SUBSTRATE };
            }
        }
    }

    fn camera(
        &mut self,
        board: &Board,
        part_seed: u64,
        defects: &[Defect],
        look: &CameraLook,
        out: &mut [u8],
        stride: usize,
    ) -> FrameTruth {
        let pose = self.optics.expose(board, part_seed, defects, look, out, stride);
        let mut truth = FrameTruth::default();
        for defect in defects {
            truth.push(TrueDefect {
                kind: defect.kind,
                bbox_view: annotated(pose.box_to_view(defect.changed), board.width(), board.height()),
            });
        }
        truth
    }
}

fn check(board: &Board, out: &[u8], stride: usize) -> Result<(), DrawError> {
    let (width, height) = (board.width(), board.height());
    let needed = stride * (height as usize - 1) + width as usize;
    if stride < width as usize || out.len() < needed {
        return Err(DrawError::TooSmall {
            width,
            height,
            stride,
            needed,
            found: out.len(),
        });
    }
    Ok(())
}

/// A part's misplacement `(dx, dy)` in pixels.
fn misplacement(look: &EdgeLook, part_seed: u64) -> (f32, f32) {
    if look.misplacement_px <= 0.0 {
        return (0.0, 0.0);
    }
    let mut rng = seed::stream(part_seed, 0x5817);
    let wild = if rng.random_bool(0.1) { 3.0 } else { 1.0 };
    let mut axis = || {
        let normal = (0..6).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() / 1.414;
        let limit = EdgeLook::MAX_MISPLACEMENT_PX;
        (normal * wild * look.misplacement_px).clamp(-limit, limit)
    };
    (axis(), axis())
}

fn copy_shifted(board: &Board, shift: (i32, i32), out: &mut [u8], stride: usize) {
    let width = board.width() as usize;
    let left = (MARGIN as i32 - shift.0) as usize;
    for y in 0..board.height() as usize {
        let canvas_y = (y as i32 + MARGIN as i32 - shift.1) as usize;
        let source = &board.canvas[canvas_y * board.canvas_width + left..][..width];
        out[y * stride..][..width].copy_from_slice(source);
    }
}

/// Draws a defect's stroke over a picture that shows the design moved by `shift` pixels.
fn ink(board: &Board, defect: &Defect, shift: (i32, i32), out: &mut [u8], stride: usize) {
    let value = if defect.kind.adds_copper() { COPPER } else { SUBSTRATE };
    let (width, height) = (board.width() as i32, board.height() as i32);
    defect.stroke.pixels(|x, y| {
        let (x, y) = (x - MARGIN as i32 + shift.0, y - MARGIN as i32 + shift.1);
        if (0..width).contains(&x) && (0..height).contains(&y) {
            out[y as usize * stride + x as usize] = value;
        }
    });
}
