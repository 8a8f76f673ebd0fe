//! What every test of this crate needs: a sink that keeps or drops what it gets, and waiting for a condition.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod painted;

use sightline_configs::station::{Camera, HealthLimits, Retry, Source};
use sightline_domain::{CameraId, FrameMeta, MissReason, PixelFormat, SystemClock};
use sightline_frames::{MemoryWish, TapSink, Tapped};
use sightline_ingest::{CameraContext, CameraHandle, CameraState};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// What was delivered, without its pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A view: its record, whether a reference came, its first bytes' sum.
    View(Box<FrameMeta>, bool, u64),
    /// A miss.
    Missed(Option<u64>, MissReason),
}

/// Notes everything; keeps the leases too when told to.
#[derive(Default)]
pub struct Notes {
    pub seen: Mutex<Vec<Seen>>,
    pub kept: Mutex<Option<Vec<Tapped>>>,
}

impl Notes {
    pub fn keeping() -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::new(Some(Vec::new())),
            ..Self::default()
        })
    }

    pub fn views(&self) -> Vec<FrameMeta> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter_map(|s| {
                if let Seen::View(meta, ..) = s {
                    Some(**meta)
                } else {
                    None
                }
            })
            .collect()
    }

    pub fn misses(&self) -> Vec<(Option<u64>, MissReason)> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter_map(|s| {
                if let Seen::Missed(id, why) = s {
                    Some((*id, *why))
                } else {
                    None
                }
            })
            .collect()
    }
}

impl TapSink for Notes {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        let seen = match &item {
            Tapped::View(view) => Seen::View(
                Box::new(*view.lease.meta()),
                view.reference.is_some(),
                view.lease.bytes().iter().map(|&b| u64::from(b)).sum(),
            ),
            Tapped::Missed(missed) => Seen::Missed(missed.frame_id.map(|id| id.0), missed.reason),
        };
        self.seen.lock().unwrap().push(seen);
        if let Some(kept) = &mut *self.kept.lock().unwrap() {
            kept.push(item);
        }
        Ok(())
    }
}

pub fn camera(source: Source) -> Camera {
    Camera {
        name: "cam1".into(),
        source,
        format: PixelFormat::Gray8,
        width: None,
        height: None,
        slot_bytes: Some(1 << 20),
        slots: 4,
        core: None,
        expects: sightline_configs::station::Expects::Stream,
        arrival_uncertainty_ms: 10.0,
        integrity: sightline_configs::station::Integrity::Proved,
        range: None,
        matrix: None,
        bits: None,
        window: None,
        stall_ms: 1_000,
        retry: Retry {
            first_ms: 50,
            max_ms: 400,
            jitter: 0.2,
            give_up_after: None,
        },
        health: HealthLimits {
            frozen_after: 0,
            focus_share: 0.0,
            ..HealthLimits::default()
        },
    }
}

pub fn context(config: Camera, sink: Arc<Notes>, base_dir: &Path) -> CameraContext {
    CameraContext {
        id: CameraId(0),
        config,
        memory: MemoryWish::Plain,
        sink,
        clock: Arc::new(SystemClock::default()),
        source: None,
        base_dir: base_dir.to_owned(),
        wants_reference: false,
        raised: false,
    }
}

/// Waits until `what` holds; panics with the camera's state when it does not in time.
pub fn wait(
    camera: &CameraHandle,
    within: Duration,
    what: impl Fn(&CameraHandle) -> bool,
) -> Duration {
    let start = Instant::now();
    while !what(camera) {
        assert!(
            start.elapsed() < within,
            "not within {within:?}: {:?}",
            camera.status()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

pub fn is(state: CameraState) -> impl Fn(&CameraHandle) -> bool {
    move |camera| camera.status().state == state
}
