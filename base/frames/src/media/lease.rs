//! A GStreamer buffer becomes a lease.

use super::{LeaseError, planes};
use crate::{FramePool, Lease};
use gstreamer as gst;
use gstreamer_video::VideoMeta;
use sightline_domain::{FrameMeta, PlaneLayout};

/// The buffer's picture as a lease.
///
/// In one of `pool`'s slots already: nothing is copied; the lease keeps the buffer and a read mapping of it, and its
/// drop gives the buffer back to the element. A source that pushes one buffer twice gives two leases on one slot,
/// both readable. Otherwise: one copy into a free slot, `host_copies` is one more, the buffer goes back at once.
/// `meta.layout` may be that of the caps; the buffer's own `GstVideoMeta` wins. Allocates nothing.
///
/// # Errors
/// No free slot to copy into, a picture larger than a slot, another picture than `meta` says, planes outside the
/// buffer, memory that cannot be read. Without a free slot the buffer comes back in the error, else it is let go.
pub fn lease_from_buffer(
    pool: &FramePool,
    buffer: gst::Buffer,
    mut meta: FrameMeta,
) -> Result<Lease, LeaseError> {
    if let Some(video) = buffer.meta::<VideoMeta>() {
        meta.layout = planes::layout_of_meta(&video, &meta)?;
    }
    let shapes = planes::plane_shapes(meta.format, meta.width, meta.height);
    meta.layout = planes::checked(meta.layout, &shapes, buffer.size())?;
    // several memories would be merged by mapping, which allocates; they are copied piece by piece
    if buffer.n_memory() != 1 {
        return copied(pool, buffer, meta, &shapes);
    }
    let map = buffer
        .into_mapped_buffer_readable()
        .map_err(|_| LeaseError::NotReadable)?;
    if let Some(slot) = pool.core.slab.slot_at(map.as_slice()) {
        return Ok(Lease::of_buffer(pool, slot, map, meta));
    }
    let buffer = map.buffer_owned();
    drop(map);
    copied(pool, buffer, meta, &shapes)
}

/// One copy: as it lies where that fits, else row by row without the source's padding.
fn copied(
    pool: &FramePool,
    buffer: gst::Buffer,
    mut meta: FrameMeta,
    shapes: &[(usize, usize); 3],
) -> Result<Lease, LeaseError> {
    let tight = meta.format.default_layout(meta.width, meta.height);
    let as_it_lies = meta.layout.len <= pool.slot_bytes();
    if !as_it_lies && tight.len > pool.slot_bytes() {
        return Err(LeaseError::SlotTooSmall {
            pool: pool.name().clone(),
            slot_bytes: pool.slot_bytes(),
            needed_bytes: tight.len,
        });
    }
    let Some(mut slot) = pool.open() else {
        return Err(LeaseError::NoFreeSlot {
            pool: pool.name().clone(),
            buffer,
        });
    };
    let to = slot.bytes_mut();
    let done = if as_it_lies {
        buffer.copy_to_slice(0, &mut to[..meta.layout.len]).is_ok()
    } else {
        let from = std::mem::replace(&mut meta.layout, tight);
        copy_rows(&buffer, &from, to, &tight, shapes)
    };
    if !done {
        return Err(LeaseError::NotReadable);
    }
    meta.host_copies = meta.host_copies.saturating_add(1);
    slot.seal(meta).map_err(|error| LeaseError::SlotTooSmall {
        pool: pool.name().clone(),
        slot_bytes: error.slot_bytes,
        needed_bytes: error.layout_len,
    })
}

fn copy_rows(
    buffer: &gst::BufferRef,
    from: &PlaneLayout,
    to: &mut [u8],
    tight: &PlaneLayout,
    shapes: &[(usize, usize); 3],
) -> bool {
    shapes
        .iter()
        .enumerate()
        .all(|(plane, &(rows, row_bytes))| {
            (0..rows).all(|row| {
                let source = from.offsets[plane] + row * from.strides[plane];
                let target = tight.offsets[plane] + row * tight.strides[plane];
                buffer
                    .copy_to_slice(source, &mut to[target..target + row_bytes])
                    .is_ok()
            })
        })
}
