//! The answer to an element's question for memory.

use super::{AllocationError, SlotAllocator, WhenNoSlot, libav, tune_libav};
use gstreamer::{self as gst, prelude::*};
use gstreamer_video::{self as gst_video, VideoInfo};
use sightline_domain::PixelFormat;

/// Buffers an element makes before the first frame; the others when it first needs them, so that a pool that is
/// replaced (new caps) and its successor can share the slots.
const BUFFERS_AT_START: u32 = 2;

/// Answers an ALLOCATION query with slots, unless its pictures have another format than the allocator's own
/// ([`SlotAllocator::set_format`]) and go into slots later: a buffer pool for the query's caps, as large as the allocator's
/// [`WhenNoSlot`] says, the allocator itself, and that we read `GstVideoMeta` (any stride and offset).
///
/// # Errors
/// The caps are not of raw pictures, or a picture is larger than a slot. The query is untouched then; let it pass.
pub fn answer_allocation(
    query: &mut gst::query::Allocation,
    allocator: &SlotAllocator,
) -> Result<(), AllocationError> {
    answer(query, allocator, allocator.when_no_slot())
}

fn answer(
    query: &mut gst::query::Allocation,
    allocator: &SlotAllocator,
    when_no_slot: WhenNoSlot,
) -> Result<(), AllocationError> {
    let (Some(caps), need_pool) = query.get_owned() else {
        return Err(AllocationError::NotRaw {
            found: "no caps".to_owned(),
        });
    };
    if !allocator.takes(&caps) {
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        return Ok(());
    }
    let size = allocator.picture_bytes(&caps)?;
    let slots = u32::try_from(allocator.offered_slots()).unwrap_or(u32::MAX);
    let max = match when_no_slot {
        WhenNoSlot::Wait => slots,
        WhenNoSlot::SystemMemory => 0,
    };
    let min = BUFFERS_AT_START.min(slots);
    let pool = need_pool
        .then(|| allocator.buffer_pool(&caps, min, max))
        .transpose()?;
    query.add_allocation_pool(pool.as_ref(), size, min, max);
    query.add_allocation_param(Some(allocator), gst::AllocationParams::default());
    query.add_allocation_meta::<gst_video::VideoMeta>(None);
    Ok(())
}

/// Answers every ALLOCATION query that reaches `pad` (an appsink's sink pad); `refused` hears why one was let pass.
/// Runs on the streaming thread, when caps are agreed on. `None` when the pad takes no probe any more.
///
/// An appsink keeps the buffer it last gave out until the next is pulled: count one slot more for it. The decoders of
/// libav take no pool that cannot grow to 32 buffers, so they get [`WhenNoSlot::SystemMemory`] whatever is set; those
/// in the pad's pipeline, now or later, are also kept from holding slots as reference pictures (see [`tune_libav`]).
pub fn offer_slots(
    pad: &gst::Pad,
    allocator: SlotAllocator,
    refused: impl Fn(AllocationError) + Send + Sync + 'static,
) -> Option<gst::PadProbeId> {
    if let Some(bin) = libav::pipeline_of(pad) {
        tune_libav(&bin);
    }
    let kinds = gst::PadProbeType::QUERY_DOWNSTREAM | gst::PadProbeType::BUFFER;
    pad.add_probe(kinds, move |pad, info| {
        if let Some(buffer) = info.buffer_mut() {
            allocator.let_go_of_foreign_memory(buffer);
            return gst::PadProbeReturn::Ok;
        }
        let Some(query) = info.query_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        let gst::QueryViewMut::Allocation(query) = query.view_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        let when_no_slot = if libav::feeds(pad) {
            WhenNoSlot::SystemMemory
        } else {
            allocator.when_no_slot()
        };
        match answer(query, &allocator, when_no_slot) {
            Ok(()) => gst::PadProbeReturn::Handled,
            Err(error) => {
                refused(error);
                gst::PadProbeReturn::Ok
            }
        }
    })
}

impl SlotAllocator {
    /// A GStreamer pool of `min` to `max` (0: no bound) buffers that lie in our slots, configured for `caps`. The element that
    /// activates it may ask for its own strides and edges as far as they fit into a slot.
    ///
    /// # Errors
    /// The caps are not of raw pictures, or a picture is larger than a slot.
    pub fn buffer_pool(
        &self,
        caps: &gst::Caps,
        min: u32,
        max: u32,
    ) -> Result<gst::BufferPool, AllocationError> {
        let size = self.picture_bytes(caps)?;
        let is_video = caps.structure(0).is_some_and(|s| s.name() == "video/x-raw");
        let pool = if is_video {
            gst_video::VideoBufferPool::new().upcast()
        } else {
            gst::BufferPool::new()
        };
        let mut config = pool.config();
        config.set_params(Some(caps), size, min, max);
        config.set_allocator(Some(self), Some(&gst::AllocationParams::default()));
        if is_video {
            config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META);
        }
        pool.set_config(config)
            .map_err(|source| AllocationError::Refused {
                slots: max as usize,
                caps: caps.to_string(),
                source,
            })?;
        Ok(pool)
    }

    /// Bytes of one picture without extra padding, which must fit into a slot.
    fn picture_bytes(&self, caps: &gst::Caps) -> Result<u32, AllocationError> {
        let size = raw_picture_bytes(caps).ok_or_else(|| AllocationError::NotRaw {
            found: caps.to_string(),
        })?;
        let slot_bytes = self.pool().slot_bytes();
        if size as usize > slot_bytes {
            return Err(AllocationError::SlotTooSmall {
                pool: self.pool().name().clone(),
                slot_bytes,
                needed_bytes: size as usize,
                caps: caps.to_string(),
            });
        }
        Ok(size)
    }
}

/// The format's name in caps, by ours.
pub(super) fn has_format(caps: &gst::Caps, format: PixelFormat) -> bool {
    let name = format.name();
    caps.structure(0).is_some_and(|s| {
        let found = s.get::<&str>("format").ok();
        match name.strip_prefix("BAYER_") {
            Some(mosaic) => found.is_some_and(|f| f.eq_ignore_ascii_case(mosaic)),
            None => found == Some(name),
        }
    })
}

/// Bytes of one picture without extra padding; `None` for anything but raw or 8-bit Bayer pictures of one size.
fn raw_picture_bytes(caps: &gst::Caps) -> Option<u32> {
    let structure = caps.structure(0)?;
    match structure.name().as_str() {
        "video/x-raw" => u32::try_from(VideoInfo::from_caps(caps).ok()?.size()).ok(),
        // no video format of GStreamer's own: one byte a pixel, rows on 4 bytes; 16-bit mosaics are `bggr16le`
        "video/x-bayer" => {
            structure
                .get::<&str>("format")
                .ok()
                .filter(|f| f.len() == 4)?;
            let width = u32::try_from(structure.get::<i32>("width").ok()?).ok()?;
            let height = u32::try_from(structure.get::<i32>("height").ok()?).ok()?;
            let size = width.checked_next_multiple_of(4)?.checked_mul(height)?;
            (size > 0).then_some(size)
        }
        _ => None,
    }
}
