//! The last few pictures of each camera, small, for people to look at.
//!
//! A [`PreviewTap`] stands before the flow's tap: on the camera's thread it writes a small copy into a slot that was
//! allocated at start. It never waits: a slot that somebody reads is passed over. When a part's result comes, its
//! findings are laid to the pictures of the same frames, so that a console shows boxes on the picture they are about.

use crate::thumbnail::{self, Small};
use sightline_domain::{CameraId, Health, UtcMicros};
use sightline_frames::{Lease, TapSink, Tapped};
use sightline_wire::PreviewHead;
use sightline_wire::preview::{Judged, PreviewRequest};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Pictures kept of each camera: those of parts without a result yet, and the last with one.
const SLOTS: usize = 12;

/// One small picture.
#[derive(Default)]
struct Slot {
    /// Grows with every picture of the camera; 0: empty.
    number: u64,
    frame_id: u64,
    captured: UtcMicros,
    view: (u32, u32),
    health: Health,
    small: Option<Small>,
    judged: Option<Judged>,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Ring {
    next: AtomicUsize,
    slots: [Mutex<Slot>; SLOTS],
}

/// The pictures of all cameras.
pub struct Previews {
    most: u16,
    rings: Vec<Ring>,
}

/// A picture to keep.
pub struct Kept {
    pub head: PreviewHead,
    pub bytes: Vec<u8>,
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Previews {
    /// For so many cameras, pictures of at most `most` pixels each way.
    pub fn new(cameras: usize, most: u16) -> Self {
        Self {
            most,
            rings: (0..cameras).map(|_| Ring::default()).collect(),
        }
    }

    /// Takes a small copy. On the camera's thread: no wait, and no allocation once every slot was used.
    fn put(&self, lease: &Lease) {
        let meta = lease.meta();
        let Some(ring) = self.rings.get(meta.camera.index()) else {
            return;
        };
        let number = ring.next.fetch_add(1, Relaxed) + 1;
        let mut slot = match ring.slots[number % SLOTS].try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let slot = &mut *slot;
        slot.small = thumbnail::picture(&lease.picture(), self.most, &mut slot.bytes);
        slot.number = number as u64;
        slot.frame_id = meta.frame_id.0;
        slot.captured = meta.captured_utc;
        slot.view = (meta.width, meta.height);
        slot.health = meta.health;
        slot.judged = None;
    }

    /// Lays what was decided to the picture of frame `frame_id`.
    pub fn judge(&self, camera: CameraId, frame_id: u64, judged: &Judged) {
        if let Some(mut slot) = self.find(camera, |s| s.frame_id == frame_id) {
            slot.judged = Some(judged.clone());
        }
    }

    /// A copy of the picture of frame `frame_id`.
    pub fn keep(&self, camera: CameraId, frame_id: u64) -> Option<Kept> {
        let slot = self.find(camera, |s| s.frame_id == frame_id)?;
        let head = head(camera, &slot, slot.small?);
        Some(Kept {
            head,
            bytes: slot.bytes.clone(),
        })
    }

    /// The newest slot that is `wanted`.
    fn find(
        &self,
        camera: CameraId,
        wanted: impl Fn(&Slot) -> bool,
    ) -> Option<MutexGuard<'_, Slot>> {
        let ring = self.rings.get(camera.index())?;
        let mut best: Option<MutexGuard<'_, Slot>> = None;
        for slot in &ring.slots {
            let slot = lock(slot);
            if slot.number > best.as_ref().map_or(0, |b| b.number) && wanted(&slot) {
                best = Some(slot);
            }
        }
        best
    }

    /// The newest picture with a result, or the newest of all where the camera gives pictures that belong to no part.
    /// `None` when that is the one `seen`.
    pub fn newest(
        &self,
        wish: &PreviewRequest,
        seen: Option<(u64, bool)>,
        pixels: &mut Vec<u8>,
    ) -> Option<PreviewHead> {
        let camera = CameraId(wish.camera);
        let newest = self.rings.get(camera.index())?.next.load(Relaxed) as u64;
        let fresh = |s: &Slot| s.judged.is_some() && s.number + SLOTS as u64 / 2 > newest;
        let slot = self
            .find(camera, fresh)
            .or_else(|| self.find(camera, |s| s.small.is_some()))?;
        if seen == Some((slot.frame_id, slot.judged.is_some())) {
            return None;
        }
        let small = slot.small?;
        let small = thumbnail::again(small, &slot.bytes, [wish.width, wish.height], pixels)?;
        Some(head(camera, &slot, small))
    }
}

fn head(camera: CameraId, slot: &Slot, small: Small) -> PreviewHead {
    PreviewHead {
        camera: camera.0,
        frame_id: slot.frame_id,
        captured: slot.captured,
        width: small.width,
        height: small.height,
        view_width: slot.view.0,
        view_height: slot.view.1,
        pixels: small.pixels,
        health: slot.health,
        judged: slot.judged.clone(),
    }
}

impl Kept {
    /// A copy that fits into `most`, for a console.
    pub fn fitting(&self, most: [u16; 2]) -> Option<(PreviewHead, Vec<u8>)> {
        let small = Small {
            width: self.head.width,
            height: self.head.height,
            pixels: self.head.pixels,
        };
        let mut bytes = Vec::new();
        let small = thumbnail::again(small, &self.bytes, most, &mut bytes)?;
        let head = PreviewHead {
            width: small.width,
            height: small.height,
            ..self.head.clone()
        };
        Some((head, bytes))
    }
}

/// Stands before the flow's tap.
pub struct PreviewTap {
    previews: Arc<Previews>,
    next: Arc<dyn TapSink>,
}

impl PreviewTap {
    pub fn new(previews: Arc<Previews>, next: Arc<dyn TapSink>) -> Self {
        Self { previews, next }
    }
}

impl TapSink for PreviewTap {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        if let Tapped::View(view) = &item {
            self.previews.put(&view.lease);
        }
        self.next.deliver(item)
    }
}
