//! The thread that shows pictures: at a rate like a camera, or one after the other as slots come free.

use super::{
    decode::PictureDecoder,
    index::{ImageEntry, ImagesIndex, plain_entry},
    watch::Arrivals,
};
use crate::{
    camera::CameraContext,
    health::Origin,
    link::Link,
    session::{Session, Source, ThreadSession, Work},
    shared_tap::SharedTap,
    state::Reason,
    tap::{Arrival, Stamp},
};
use sightline_domain::{FrameId, MissReason, PixelFormat, TimeSource, Timing};
use sightline_frames::{Lease, OpenSlot, Tapped, View};
use sightline_threads::Place;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a lossless source sleeps before it looks for a free slot again.
const NO_SLOT_PAUSE: Duration = Duration::from_micros(500);

/// How often a hot folder's thread looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the thread needs to know of its camera.
#[derive(Clone)]
struct Show {
    index: Arc<ImagesIndex>,
    format: PixelFormat,
    size: (Option<u32>, Option<u32>),
    period: Option<Duration>,
    repeat: bool,
    templates: bool,
    window: Option<[u16; 2]>,
    /// The hot folder whose pictures are shown, instead of the list's.
    folder: Option<PathBuf>,
    /// So exactly is known when a picture of it was taken.
    uncertainty: Duration,
}

pub(crate) struct ImagesSource {
    camera: String,
    place: Place,
    show: Show,
}

impl ImagesSource {
    pub(crate) fn new(
        ctx: &CameraContext,
        index: Arc<ImagesIndex>,
        (rate_hz, repeat): (Option<f64>, bool),
        folder: Option<PathBuf>,
    ) -> Self {
        let config = &ctx.config;
        Self {
            camera: config.name.clone(),
            place: ctx.place(),
            show: Show {
                templates: ctx.wants_reference && index.has_templates(),
                index,
                format: config.format,
                size: (config.width, config.height),
                period: rate_hz
                    .filter(|hz| *hz > 0.0)
                    .map(|hz| Duration::from_secs_f64(1.0 / hz)),
                repeat,
                window: config.window.or_else(|| {
                    config
                        .bits
                        .map(|bits| [0, (u32::MAX >> (32 - bits)) as u16])
                }),
                folder,
                uncertainty: Duration::from_secs_f64(config.arrival_uncertainty_ms.max(0.0) / 1e3),
            },
        }
    }
}

impl Source for ImagesSource {
    fn open(&mut self, shared_tap: &SharedTap, link: Link) -> Result<Box<dyn Session>, Reason> {
        let show = self.show.clone();
        let arrivals = show
            .folder
            .as_deref()
            .map(Arrivals::in_folder)
            .transpose()?;
        ThreadSession::start(&self.camera, self.place, shared_tap, link, move |work| {
            let decoder = PictureDecoder::with_window(show.window);
            let player = Player {
                show,
                work,
                decoder,
            };
            match arrivals {
                Some(arrivals) => player.play_arrivals(arrivals),
                None => player.play(),
            }
        })
    }
}

struct Player {
    show: Show,
    work: Work,
    decoder: PictureDecoder,
}

impl Player {
    fn play(mut self) {
        self.work.link.alive();
        let index = Arc::clone(&self.show.index);
        let start = Instant::now();
        for frame in 0u64.. {
            if frame >= index.len() as u64 && !self.show.repeat {
                return self.work.link.ended();
            }
            if !self.wait_until_due(start, frame) {
                return;
            }
            let Some(entry) = index.entry(FrameId(frame)) else {
                return;
            };
            if !self.show_one(FrameId(frame), entry) {
                return;
            }
        }
    }

    /// Shows what is put into a hot folder, each picture once.
    fn play_arrivals(mut self, mut arrivals: Arrivals) {
        self.work.link.alive();
        let mut frame = 0;
        loop {
            match arrivals.next(LOOK_EVERY) {
                Ok(Some(path)) => {
                    if !self.show_one(FrameId(frame), &plain_entry(path)) {
                        return;
                    }
                    frame += 1;
                }
                Ok(None) if self.work.stop.is_raised() => return,
                Ok(None) => {}
                Err(why) => return self.work.link.lost(why),
            }
        }
    }

    fn stamp(&self) -> Stamp {
        let now = self.work.tap.stamp();
        match &self.show.folder {
            None => now,
            Some(_) => Stamp {
                timing: Timing {
                    uncertainty: self.show.uncertainty,
                    source: TimeSource::Arrival,
                },
                ..now
            },
        }
    }

    /// Sleeps until the picture is due; false when stopped.
    fn wait_until_due(&self, start: Instant, frame: u64) -> bool {
        let due = self
            .show
            .period
            .map(|period| start + period.mul_f64(frame as f64));
        let wait = due.map_or(Duration::ZERO, |due| {
            due.saturating_duration_since(Instant::now())
        });
        !self.work.stop.sleep(wait)
    }

    /// Shows one picture or its miss; false when stopped.
    fn show_one(&mut self, id: FrameId, entry: &ImageEntry) -> bool {
        let lossless = self.show.period.is_none();
        let template = if self.show.templates {
            entry.template.as_deref()
        } else {
            None
        };
        let slots = [true, template.is_some()].map(|wanted| wanted.then(|| self.slot(lossless)));
        let (picture, reference) = match slots {
            [Some(Some(picture)), None] => (picture, None),
            [Some(Some(picture)), Some(Some(reference))] => (picture, Some(reference)),
            _ if lossless => return false,
            _ => {
                let at = self.work.tap.stamp().at;
                self.work.tap.miss(Some(id), at, MissReason::NoFreeSlot);
                return true;
            }
        };
        let reference = reference
            .zip(template)
            .map(|(slot, path)| self.fill_reference(id, path, slot));
        let view = match reference {
            Some(None) => None,
            Some(Some(lease)) => self.fill(id, entry, picture).map(|view| View {
                reference: Some(lease),
                ..view
            }),
            None => self.fill(id, entry, picture),
        };
        self.hand_on(id, view, lossless)
    }

    fn hand_on(&mut self, id: FrameId, view: Option<View>, lossless: bool) -> bool {
        let Work { tap, stop, .. } = &mut self.work;
        let at = tap.stamp().at;
        match (view, lossless) {
            (Some(view), false) => tap.deliver(view),
            (None, false) => tap.miss(Some(id), at, MissReason::Undecodable),
            (Some(view), true) => {
                return tap.deliver_waiting(Tapped::View(view), |time| stop.sleep(time));
            }
            (None, true) => {
                let missed = tap.missed(Some(id), at, MissReason::Undecodable);
                return tap.deliver_waiting(Tapped::Missed(missed), |time| stop.sleep(time));
            }
        }
        true
    }

    /// A free slot. A lossless source waits for one; `None` when it was stopped first.
    fn slot(&self, lossless: bool) -> Option<OpenSlot> {
        let Work { tap, stop, .. } = &self.work;
        while lossless && tap.pool.gauge().free == 0 {
            if stop.sleep(NO_SLOT_PAUSE) {
                return None;
            }
        }
        tap.pool.open()
    }

    /// Decodes the part's picture into its slot and judges it.
    fn fill(&mut self, id: FrameId, entry: &ImageEntry, mut slot: OpenSlot) -> Option<View> {
        let arrival = self.decode(id, &entry.path, &mut slot)?;
        let lease = slot
            .seal(self.work.tap.meta(&arrival))
            .map_err(|e| tracing::warn!(error = %e, "picture"))
            .ok()?;
        let mut view = View {
            lease,
            reference: None,
        };
        let health = self
            .work
            .tap
            .judge(id, &view.lease.picture(), Origin::default());
        view.lease.set_health(health);
        Some(view)
    }

    /// Decodes a golden picture into its slot; nobody judges its health.
    fn fill_reference(
        &mut self,
        id: FrameId,
        path: &std::path::Path,
        mut slot: OpenSlot,
    ) -> Option<Lease> {
        let arrival = self.decode(id, path, &mut slot)?;
        slot.seal(self.work.tap.meta(&arrival))
            .map_err(|e| tracing::warn!(error = %e, "golden picture"))
            .ok()
    }

    fn decode(
        &mut self,
        id: FrameId,
        path: &std::path::Path,
        slot: &mut OpenSlot,
    ) -> Option<Arrival> {
        match self
            .decoder
            .decode(path, self.show.format, self.show.size, slot.bytes_mut())
        {
            Ok(decoded) => Some(Arrival {
                frame_id: id,
                numbered: true,
                stamp: self.stamp(),
                shape: decoded.shape,
                host_copies: decoded.host_copies,
                origin: Origin::default(),
            }),
            Err(error) => {
                self.work.tap.explain(&error);
                tracing::warn!(frame = id.0, %error, "a picture is left out and its part is not decidable");
                None
            }
        }
    }
}
