//! Drawn circuit boards, two-level like the DeepPCB pictures: copper is black (0), substrate is white (255).
//!
//! A [`Board`] is one design: its golden picture and the places where each kind of defect can sit. A part is the
//! design with its own slight misplacement and edge roughness and its own [`Defects`], drawn by a [`Painter`]
//! straight into the caller's GRAY8 picture. The `artwork` is vectors, rasterised four times finer than the
//! picture and smoothed, which gives every edge pixel a signed distance to the edge (`edges`); moving an edge by
//! a fraction of a pixel is then an addition.

mod artwork;
mod board;
mod brush;
mod checks;
mod defect;
mod edges;
mod features;
mod look;
mod optics;
mod painter;
mod plan;
mod raster;
mod sites;
mod strokes;

pub use board::{Board, BoardError, BoardSpec};
pub use defect::{Defect, DefectKind, DefectMix, Defects, FrameTruth, MAX_DEFECTS, TrueDefect};
pub use look::{CameraLook, EdgeLook, Look};
pub use painter::{DrawError, Painter};
pub use plan::Planner;

/// Copper's grey value.
pub const COPPER: u8 = 0;
/// Substrate's grey value.
pub const SUBSTRATE: u8 = 255;
/// Pixels of artwork drawn beyond each edge of the picture, so that a shifted part shows board and not a border.
pub(crate) const MARGIN: usize = 24;
