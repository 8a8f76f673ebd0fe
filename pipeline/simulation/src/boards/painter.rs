//! Draws parts into the caller's memory.

use super::board::Board;
use super::defect::{Defect, FrameTruth, TrueDefect, annotated};
use super::edges::{CELL, Roughness, UNIT};
use super::look::{CameraLook, EdgeLook, Look};
use super::optics::Optics;
use super::{COPPER, MARGIN, SUBSTRATE};
use crate::seed::{self, PixelNoise};
use rand::RngExt;
use sightline_domain::BoxView;

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

/// Numbers in the prepared jitter: a random start in the first half leaves more than the widest row has.
const JITTER_LEN: usize = 1 << 14;

/// Draws parts of any board; holds scratch memory, which grows to the largest board it has drawn and stays.
#[derive(Debug, Default)]
pub struct Painter {
    roughness: Roughness,
    jitter: Vec<i8>,
    sized_for: (usize, usize),
    optics: Optics,
}

impl Painter {
    /// Draws the golden picture into `out` (GRAY8, `stride` bytes from row to row).
    ///
    /// # Errors
    /// [`DrawError::TooSmall`] when `out` or `stride` does not hold the picture.
    pub fn golden(
        &mut self,
        board: &Board,
        out: &mut [u8],
        stride: usize,
    ) -> Result<(), DrawError> {
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
        let place = Place::roll(board, look, part_seed);
        copy_shifted(board, place.whole, out, stride);
        if *look != EdgeLook::exact() {
            self.move_edges(board, part_seed, &place, look.roughness_px, out, stride);
        }
        let mut truth = FrameTruth::default();
        for defect in defects {
            let shift = place.at(defect.changed.centre());
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

    /// Decides the pixels near edges anew: the edge moved by what `place` leaves beyond whole pixels, and roughened.
    fn move_edges(
        &mut self,
        board: &Board,
        part_seed: u64,
        place: &Place,
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
        self.roll_jitter();
        let fine = (roughness_px * 0.55 * UNIT) as i32;
        let growth = (place.growth * UNIT) as i32;
        let (width, height) = (board.width() as usize, board.height() as usize);
        // 1/65536 pixel, so that a row adds up its slope without drifting.
        let fixed = |v: f32| (v * 65536.0) as i32;
        let slope = (fixed(place.warp[0]), fixed(place.warp[2]));
        for y in 0..height {
            let canvas_y = (y as i32 + MARGIN as i32 - place.whole.1) as usize;
            let cells = self.roughness.row(canvas_y);
            let row = &mut out[y * stride..][..width];
            let (left_x, left_y) = place.rest(0.0, y as f32);
            let left = (fixed(left_x), fixed(left_y));
            let edges = board.edges.row(canvas_y);
            let start = noise.next() as usize & (JITTER_LEN / 2 - 1);
            for (edge, &jitter) in edges.iter().zip(&self.jitter[start..]) {
                let x = i32::from(edge.x) - MARGIN as i32 + place.whole.0;
                let Some(pixel) = row.get_mut(x as usize) else {
                    continue;
                };
                let (dx, dy) = ((left.0 + slope.0 * x) >> 10, (left.1 + slope.1 * x) >> 10);
                let moved = (i32::from(edge.nx) * dx + i32::from(edge.ny) * dy) >> 6;
                let rough =
                    i32::from(cells[edge.x as usize / CELL]) + ((i32::from(jitter) * fine) >> 5);
                let depth = i32::from(edge.depth) - moved + growth + rough;
                *pixel = if depth >= 0 { COPPER } else { SUBSTRATE };
            }
        }
    }

    /// Prepares the finest jitter once: a table that every row reads from a random place is much cheaper than a number a
    /// pixel. Standard deviation 32.
    fn roll_jitter(&mut self) {
        if self.jitter.is_empty() {
            let mut noise = PixelNoise::new(0x7177E);
            let number = || (noise.gauss64() / 2).clamp(-127, 127) as i8;
            self.jitter = std::iter::repeat_with(number).take(JITTER_LEN).collect();
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
        let pose = self
            .optics
            .expose(board, part_seed, defects, look, out, stride);
        let mut truth = FrameTruth::default();
        for defect in defects {
            truth.push(TrueDefect {
                kind: defect.kind,
                bbox_view: annotated(
                    pose.box_to_view(defect.changed),
                    board.width(),
                    board.height(),
                ),
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

/// Where a two-level part lies against its golden picture.
#[derive(Debug)]
struct Place {
    /// Whole pixels, by which rows are copied.
    whole: (i32, i32),
    /// What is left of the shift at the picture's middle, pixels.
    part: (f32, f32),
    /// Pixels of misplacement per pixel from the middle: x by x, x by y, y by x, y by y.
    warp: [f32; 4],
    middle: (f32, f32),
    growth: f32,
}

impl Place {
    fn roll(board: &Board, look: &EdgeLook, part_seed: u64) -> Self {
        let mut rng = seed::stream(part_seed, 0x5817);
        // Six uniform numbers: a standard deviation of 1.41, and never beyond 4.2 of the result's own.
        let mut normal = || (0..6).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() / 1.414;
        let (x, y) = (normal(), normal());
        let warp = [normal(), normal(), normal(), normal()];
        let growth = (normal() * look.growth_px).clamp(-1.0, 1.0);
        let wild = if rng.random_bool(1.0 / 12.0) {
            4.0
        } else {
            1.0
        };
        let shift = [x, y].map(|v| (v * wild * look.misplacement_px).clamp(-4.0, 4.0));
        let whole = (shift[0].round(), shift[1].round());
        let middle = (board.width() as f32 / 2.0, board.height() as f32 / 2.0);
        // Both axes together stay below the reach of the edge band, two pixels.
        let slope = |v: f32, to_border: f32| (v * look.warp_px * 0.7).clamp(-0.9, 0.9) / to_border;
        Self {
            whole: (whole.0 as i32, whole.1 as i32),
            part: (shift[0] - whole.0, shift[1] - whole.1),
            warp: [
                slope(warp[0], middle.0),
                slope(warp[1], middle.1),
                slope(warp[2], middle.0),
                slope(warp[3], middle.1),
            ],
            middle,
            growth,
        }
    }

    /// Misplacement beyond whole pixels at a point of the picture, pixels.
    fn rest(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.middle.0, y - self.middle.1);
        (
            self.part.0 + self.warp[0] * x + self.warp[1] * y,
            self.part.1 + self.warp[2] * x + self.warp[3] * y,
        )
    }

    /// Misplacement at a point, to the nearest whole pixel.
    fn at(&self, (x, y): (f32, f32)) -> (i32, i32) {
        let rest = self.rest(x, y);
        (
            self.whole.0 + rest.0.round() as i32,
            self.whole.1 + rest.1.round() as i32,
        )
    }
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
    let value = if defect.kind.adds_copper() {
        COPPER
    } else {
        SUBSTRATE
    };
    let (width, height) = (board.width() as i32, board.height() as i32);
    defect.stroke.pixels(|x, y| {
        let (x, y) = (x - MARGIN as i32 + shift.0, y - MARGIN as i32 + shift.1);
        if (0..width).contains(&x) && (0..height).contains(&y) {
            out[y as usize * stride + x as usize] = value;
        }
    });
}
