//! One design: golden picture, edges, nets and the places where defects can sit.

use super::edges::{Edges, Roughness, UNIT, distances};
use super::sites::Sites;
use super::{COPPER, MARGIN, SUBSTRATE, artwork};
use crate::seed::{self, PixelNoise};
use serde::{Deserialize, Serialize};

/// What design to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardSpec {
    /// Picture width in pixels, 128..=4096.
    pub width: u32,
    /// Picture height in pixels, 128..=4096.
    pub height: u32,
    /// The design's seed: another seed, another product.
    pub seed: u64,
}

/// A board that cannot be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoardError {
    /// The picture's size is out of range.
    #[error(
        "a drawn board must be 128 to 4096 pixels wide and high, found {width} x {height}; choose a size in that range"
    )]
    Size {
        /// Asked width, pixels.
        width: u32,
        /// Asked height, pixels.
        height: u32,
    },
}

/// One design, shared by all its parts.
#[derive(Debug)]
pub struct Board {
    spec: BoardSpec,
    pub(crate) canvas_width: usize,
    pub(crate) canvas_height: usize,
    /// Golden picture with [`MARGIN`] pixels around it.
    pub(crate) canvas: Vec<u8>,
    pub(crate) edges: Edges,
    /// Connected copper per canvas pixel, 0 for substrate.
    pub(crate) nets: Vec<u16>,
    /// Chamfer distance to the nearest pixel of the other kind, pixels, at most 255.
    pub(crate) depth: Vec<u8>,
    pub(crate) sites: Sites,
}

impl Board {
    /// Draws the design; tens of milliseconds for 640 x 640.
    ///
    /// # Errors
    /// [`BoardError::Size`] when the size is out of range.
    pub fn new(spec: BoardSpec) -> Result<Self, BoardError> {
        let fits = |n: u32| (128..=4096).contains(&n);
        if !fits(spec.width) || !fits(spec.height) {
            return Err(BoardError::Size {
                width: spec.width,
                height: spec.height,
            });
        }
        // A sheet with nearly no copper or substrate leaves no place for defects: take the seed's next variant.
        let mut variant = 0;
        loop {
            let board = Self::variant(spec, variant);
            if board.sites.enough() || variant == 24 {
                return Ok(board);
            }
            variant += 1;
        }
    }

    fn variant(spec: BoardSpec, variant: u64) -> Self {
        let seed = seed::derive(spec.seed, variant);
        let (width, height) = (
            spec.width as usize + 2 * MARGIN,
            spec.height as usize + 2 * MARGIN,
        );
        let sheet = artwork::draw(width, height, seed::stream(seed, 1));
        let mut distance = distances(sheet.coverage(), width, height);
        roughen(&mut distance, width, height, seed::derive(seed, 2));
        let canvas: Vec<u8> = distance
            .iter()
            .map(|&d| if d >= 0.0 { COPPER } else { SUBSTRATE })
            .collect();
        let nets = label_nets(&canvas, width, height);
        let depth = chamfer(&canvas, width, height);
        let edges = Edges::find(&distance, &depth, width, height);
        let mut board = Self {
            spec,
            canvas_width: width,
            canvas_height: height,
            canvas,
            edges,
            nets,
            depth,
            sites: Sites::default(),
        };
        board.sites = Sites::find(&board, seed::stream(seed, 3));
        board
    }

    /// What was asked for.
    pub fn spec(&self) -> BoardSpec {
        self.spec
    }

    /// Picture width in pixels.
    pub fn width(&self) -> u32 {
        self.spec.width
    }

    /// Picture height in pixels.
    pub fn height(&self) -> u32 {
        self.spec.height
    }

    /// The golden picture's row `y` (GRAY8), `width` pixels.
    ///
    /// # Panics
    /// When `y` is not below the height.
    pub fn golden_row(&self, y: u32) -> &[u8] {
        assert!(
            y < self.spec.height,
            "row {y} of a board {} rows high",
            self.spec.height
        );
        &self.canvas[(y as usize + MARGIN) * self.canvas_width + MARGIN..]
            [..self.spec.width as usize]
    }

    pub(crate) fn is_copper(&self, x: i32, y: i32) -> bool {
        self.index(x, y).is_some_and(|i| self.canvas[i] == COPPER)
    }

    /// Index of a canvas pixel, `None` outside.
    pub(crate) fn index(&self, x: i32, y: i32) -> Option<usize> {
        let inside = x >= 0
            && y >= 0
            && (x as usize) < self.canvas_width
            && (y as usize) < self.canvas_height;
        inside.then(|| y as usize * self.canvas_width + x as usize)
    }
}

/// The film's own roughness, the same in every part of the design.
fn roughen(distance: &mut [f32], width: usize, height: usize, seed: u64) {
    let mut noise = PixelNoise::new(seed);
    let mut field = Roughness::for_canvas(width, height);
    field.roll(&mut noise, 0.22);
    for y in 0..height {
        let cells = field.row(y);
        for x in 0..width {
            let d = &mut distance[y * width + x];
            if d.abs() < 1.9 {
                let fine = noise.gauss64() as f32 / 64.0 * 0.12;
                *d += f32::from(cells[x / super::edges::CELL]) / UNIT + fine;
            }
        }
    }
}

/// Numbers connected copper (8-neighbours) from 1.
fn label_nets(canvas: &[u8], width: usize, height: usize) -> Vec<u16> {
    let mut nets = vec![0u16; canvas.len()];
    let mut open = Vec::new();
    let mut net = 0u16;
    for start in 0..canvas.len() {
        if canvas[start] != COPPER || nets[start] != 0 {
            continue;
        }
        net = net.saturating_add(1);
        nets[start] = net;
        open.push(start);
        while let Some(i) = open.pop() {
            let (x, y) = (i % width, i / width);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let n = ny * width + nx;
                    if canvas[n] == COPPER && nets[n] == 0 {
                        nets[n] = net;
                        open.push(n);
                    }
                }
            }
        }
    }
    nets
}

/// 3-4 chamfer distance to the nearest pixel of the other kind, in pixels.
fn chamfer(canvas: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut d = vec![u16::MAX / 2; canvas.len()];
    let relax = |d: &mut [u16], i: usize, n: usize, cost: u16| {
        let via = if canvas[n] == canvas[i] {
            d[n] + cost
        } else {
            cost
        };
        d[i] = d[i].min(via);
    };
    for y in 0..height {
        for x in 0..width {
            let i = y * width + x;
            if x > 0 {
                relax(&mut d, i, i - 1, 3);
            }
            if y > 0 {
                relax(&mut d, i, i - width, 3);
                if x > 0 {
                    relax(&mut d, i, i - width - 1, 4);
                }
                if x + 1 < width {
                    relax(&mut d, i, i - width + 1, 4);
                }
            }
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let i = y * width + x;
            if x + 1 < width {
                relax(&mut d, i, i + 1, 3);
            }
            if y + 1 < height {
                relax(&mut d, i, i + width, 3);
                if x + 1 < width {
                    relax(&mut d, i, i + width + 1, 4);
                }
                if x > 0 {
                    relax(&mut d, i, i + width - 1, 4);
                }
            }
        }
    }
    d.into_iter().map(|d| (d / 3).min(255) as u8).collect()
}
