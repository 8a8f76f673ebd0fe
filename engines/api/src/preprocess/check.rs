//! A picture's shape against its memory, before a row of it is read.

use sightline_domain::{PictureRef, PixelFormat};

/// A picture that cannot be made a tensor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// No pixels.
    #[error("expected a picture of 1 x 1 pixels or more, found {width} x {height}")]
    Empty {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The region has no pixel of the view.
    #[error("region {x}, {y}, {w} x {h} has no pixel in the view of {width} x {height}")]
    EmptyRegion {
        /// Left edge, view pixels.
        x: f32,
        /// Top edge.
        y: f32,
        /// Width.
        w: f32,
        /// Height.
        h: f32,
        /// Of the view.
        width: u32,
        /// Of the view.
        height: u32,
    },
    /// The planes are not inside the memory.
    #[error(
        "plane {plane} of {format} {width} x {height} needs rows of {row} bytes and {needed} bytes in all, found a stride of {stride} and {found} bytes"
    )]
    Layout {
        /// From 0.
        plane: usize,
        /// Pixel format.
        format: &'static str,
        /// Of the picture.
        width: u32,
        /// Of the picture.
        height: u32,
        /// Bytes of a row without padding.
        row: usize,
        /// Bytes up to the plane's end.
        needed: usize,
        /// Bytes from row to row.
        stride: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The model compares and there is nothing to compare with.
    #[error("the model takes a reference picture and the view has none")]
    NoReference,
    /// The reference was not registered to the view.
    #[error(
        "expected a reference of the view's {width} x {height}, found {found_width} x {found_height}; register it first"
    )]
    ReferenceSize {
        /// Of the view.
        width: u32,
        /// Of the view.
        height: u32,
        /// Of the reference.
        found_width: u32,
        /// Of the reference.
        found_height: u32,
    },
}

/// Bytes of a row and rows, per plane.
fn planes(p: &PictureRef<'_>) -> [(usize, usize); 3] {
    let (w, h) = (p.width as usize, p.height as usize);
    let (w2, h2) = (w.div_ceil(2), h.div_ceil(2));
    match p.format {
        PixelFormat::Rgb | PixelFormat::Bgr => [(w * 3, h), (0, 0), (0, 0)],
        PixelFormat::Yuy2 => [(w2 * 4, h), (0, 0), (0, 0)],
        PixelFormat::Nv12 => [(w, h), (w2 * 2, h2), (0, 0)],
        PixelFormat::I420 => [(w, h), (w2, h2), (w2, h2)],
        _ => [(w, h), (0, 0), (0, 0)],
    }
}

pub(super) fn picture(p: &PictureRef<'_>) -> Result<(), PictureError> {
    if p.width == 0 || p.height == 0 {
        return Err(PictureError::Empty {
            width: p.width,
            height: p.height,
        });
    }
    for (plane, (row, rows)) in planes(p).into_iter().enumerate() {
        if rows == 0 {
            continue;
        }
        let (offset, stride) = (p.layout.offsets[plane], p.layout.strides[plane]);
        let needed = stride
            .checked_mul(rows - 1)
            .and_then(|n| n.checked_add(row))
            .and_then(|n| n.checked_add(offset))
            .unwrap_or(usize::MAX);
        if stride < row || needed > p.bytes.len() {
            return Err(PictureError::Layout {
                plane,
                format: p.format.name(),
                width: p.width,
                height: p.height,
                row,
                needed,
                stride,
                found: p.bytes.len(),
            });
        }
    }
    Ok(())
}

pub(super) fn same_size(
    view: &PictureRef<'_>,
    reference: &PictureRef<'_>,
) -> Result<(), PictureError> {
    if (view.width, view.height) == (reference.width, reference.height) {
        return Ok(());
    }
    Err(PictureError::ReferenceSize {
        width: view.width,
        height: view.height,
        found_width: reference.width,
        found_height: reference.height,
    })
}
