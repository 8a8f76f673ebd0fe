//! Where the planes of a GStreamer picture lie.

use super::LeaseError;
use gstreamer_video::VideoMeta;
use sightline_domain::{FrameMeta, PixelFormat, PlaneLayout};

/// Rows and bytes of picture in each, per plane. Unused planes have none.
pub(super) fn plane_shapes(format: PixelFormat, width: u32, height: u32) -> [(usize, usize); 3] {
    let (w, h) = (width as usize, height as usize);
    let (w2, h2) = (w.div_ceil(2), h.div_ceil(2));
    match format {
        PixelFormat::Rgb | PixelFormat::Bgr => [(h, 3 * w), (0, 0), (0, 0)],
        PixelFormat::Yuy2 => [(h, 4 * w2), (0, 0), (0, 0)],
        PixelFormat::Nv12 => [(h, w), (h2, 2 * w2), (0, 0)],
        PixelFormat::I420 => [(h, w), (h2, w2), (h2, w2)],
        _ => [(h, w), (0, 0), (0, 0)],
    }
}

/// The layout a buffer's own meta gives, which wins over the one its caps suggest.
pub(super) fn layout_of_meta(
    video: &VideoMeta,
    meta: &FrameMeta,
) -> Result<PlaneLayout, LeaseError> {
    let same_format = video.format().to_str() == meta.format.name();
    if !same_format || (video.width(), video.height()) != (meta.width, meta.height) {
        return Err(LeaseError::OtherPicture {
            expected_width: meta.width,
            expected_height: meta.height,
            expected_format: meta.format,
            found_width: video.width(),
            found_height: video.height(),
            found_format: video.format().to_str().to_string(),
        });
    }
    let mut layout = PlaneLayout::default();
    for (to, from) in layout.offsets.iter_mut().zip(video.offset()) {
        *to = *from;
    }
    for (to, from) in layout.strides.iter_mut().zip(video.stride()) {
        // a negative stride (bottom-up) becomes one no buffer can hold, and is refused below
        *to = usize::try_from(*from).unwrap_or(usize::MAX);
    }
    Ok(layout)
}

/// The layout with its length, once it is sure that every row lies inside `available` bytes.
///
/// Whole last rows count where the buffer has them, so that a plane can be cut as `rows * stride` bytes; a decoder's
/// edge padding may end the buffer in the last row's padding.
pub(super) fn checked(
    mut layout: PlaneLayout,
    shapes: &[(usize, usize); 3],
    available: usize,
) -> Result<PlaneLayout, LeaseError> {
    let (mut needed, mut whole) = (0, 0);
    for (plane, &(rows, row_bytes)) in shapes.iter().enumerate() {
        if rows == 0 || row_bytes == 0 {
            continue;
        }
        let (offset, stride) = (layout.offsets[plane], layout.strides[plane]);
        let last_row = stride.saturating_mul(rows - 1).saturating_add(offset);
        let short = if stride < row_bytes {
            usize::MAX
        } else {
            row_bytes
        };
        needed = needed.max(last_row.saturating_add(short));
        whole = whole.max(last_row.saturating_add(stride));
    }
    if needed > available {
        return Err(LeaseError::ShortBuffer {
            needed_bytes: needed,
            found_bytes: available,
        });
    }
    layout.len = whole.min(available);
    Ok(layout)
}

/// Bytes a slot needs so that any decoder can write into it with the strides and edges of its own choice.
///
/// Measured on libav's H.264 decoder, which takes the most of those we met: rows on 64 bytes, the number of rows
/// rounded up to 16 and 4 more. This is a little more than that.
pub fn slot_bytes_for_decoders(format: PixelFormat, width: u32, height: u32) -> usize {
    let wide = width.saturating_add(32).next_multiple_of(128);
    let high = height.next_multiple_of(32).saturating_add(8);
    format.default_layout(wide, high).len
}
