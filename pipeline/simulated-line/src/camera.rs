//! A camera over the simulated belt: draws the face of the part before it straight into a slot.

use super::{
    degrade::degrade,
    line::{Inner, SimulatedLine},
};
use crate::error::LineError;
use sightline_configs::station;
use sightline_domain::{CameraId, Levels, MissReason, PixelFormat, Timing, TrackId};
use sightline_frames::{Lease, OpenSlot, View};
use sightline_ingest::images::PictureDecoder;
use sightline_ingest::source::{
    Arrival, Link, Session, Shape, SharedTap, Source, Stamp, ThreadSession, Work, require_format,
    require_pair_of_slots,
};
use sightline_ingest::{Origin, Reason};
use sightline_queue::RecvTimeout;
use sightline_simulation::{Condition, Face, line::Exposure};
use sightline_threads::Place;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often a camera without parts looks whether it is still plugged in and wanted.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the camera sees with; it goes from session to session, so that a frozen picture stays what it was.
struct Optics {
    /// The drawn face; `None` when real pictures are on the belt.
    face: Option<Face>,
    decoder: PictureDecoder,
    /// The part last seen well, shown again while frozen (real pictures).
    last_shown: Option<TrackId>,
}

pub(super) struct SimulatedSource {
    name: String,
    place: Place,
    line: Arc<Inner>,
    number: Option<usize>,
    optics: Arc<Mutex<Optics>>,
    drawn_size: Option<(u32, u32)>,
    wants_reference: bool,
    size: (Option<u32>, Option<u32>),
    format: PixelFormat,
}

impl SimulatedLine {
    /// The source of a camera of the line: it draws or decodes what is before it, at the moment it is there.
    ///
    /// # Errors
    /// A format that it cannot give, or too few slots for pictures that bring a reference.
    pub fn source(
        &self,
        id: CameraId,
        config: &station::Camera,
        place: Place,
        wants_reference: bool,
    ) -> Result<Box<dyn Source>, LineError> {
        if self.is_drawn() {
            require_format(config, "simulated", &[PixelFormat::Gray8], "GRAY8")?;
        } else {
            let formats = [PixelFormat::Gray8, PixelFormat::Rgb, PixelFormat::Bgr];
            require_format(config, "simulated", &formats, "GRAY8, RGB or BGR")?;
        }
        require_pair_of_slots(config, wants_reference)?;
        let other_face = match config.source {
            station::Source::Simulated { face } => face,
            _ => None,
        };
        let line = Arc::clone(self.inner());
        let number = line.number(id);
        let face = number.and_then(|number| line.face(other_face.map_or(number, usize::from)));
        Ok(Box::new(SimulatedSource {
            name: config.name.clone(),
            place,
            number,
            optics: Arc::new(Mutex::new(Optics {
                face,
                decoder: PictureDecoder::default(),
                last_shown: None,
            })),
            drawn_size: self.drawn_size(),
            line,
            wants_reference,
            size: (config.width, config.height),
            format: config.format,
        }))
    }
}

impl Source for SimulatedSource {
    fn size(&self) -> Option<(u32, u32)> {
        self.drawn_size
    }

    fn is_on_demand(&self) -> bool {
        true
    }

    fn open(&mut self, tap: &SharedTap, link: Link) -> Result<Box<dyn Session>, Reason> {
        let number = self
            .number
            .ok_or("expected the camera to be one of the simulated line's, it is not")?;
        if !self.line.plugged(number) {
            return Err("expected the camera to answer, found it unplugged".into());
        }
        let exposures = self.line.exposures(number);
        let behind = exposures.drain().count();
        tracing::debug!(
            camera = self.name,
            behind,
            "pictures of the time before are left out"
        );
        let optics = Arc::clone(&self.optics);
        let eye = Eye {
            line: Arc::clone(&self.line),
            number,
            wants_reference: self.wants_reference,
            size: self.size,
            format: self.format,
        };
        ThreadSession::start(&self.name, self.place, tap, link, move |mut work| {
            work.link.alive();
            let mut optics = optics.lock().unwrap_or_else(PoisonError::into_inner);
            while !work.stop.is_raised() {
                match exposures.recv_timeout(LOOK_EVERY) {
                    Ok(exposure) if exposure.condition == Condition::Unplugged => break,
                    Ok(exposure) => eye.expose(&mut optics, &mut work, &exposure),
                    Err(RecvTimeout::Timeout) if eye.line.plugged(number) => {}
                    Err(_) => break,
                }
            }
            if !work.stop.is_raised() {
                work.link
                    .lost("expected the camera to answer, found it unplugged");
            }
        })
    }
}

/// The camera as its thread knows it.
struct Eye {
    line: Arc<Inner>,
    number: usize,
    wants_reference: bool,
    size: (Option<u32>, Option<u32>),
    format: PixelFormat,
}

impl Eye {
    fn expose(&self, optics: &mut Optics, work: &mut Work, exposure: &Exposure) {
        let tap = &mut work.tap;
        let id = Some(exposure.frame_id);
        let golden = self.has_golden(exposure.part.track);
        let slots = (tap.pool.open(), golden.then(|| tap.pool.open()));
        let (picture, reference) = match slots {
            (Some(picture), None) => (picture, None),
            (Some(picture), Some(Some(reference))) => (picture, Some(reference)),
            _ => return tap.miss(id, exposure.at, MissReason::NoFreeSlot),
        };
        let shown = self.show(optics, work, exposure, picture);
        let reference = reference.map(|slot| self.show_golden(optics, work, exposure, slot));
        match (shown, reference) {
            (Some(lease), None) => work.tap.deliver(View {
                lease,
                reference: None,
            }),
            (Some(lease), Some(Some(reference))) => work.tap.deliver(View {
                lease,
                reference: Some(reference),
            }),
            _ => work.tap.miss(id, exposure.at, MissReason::Undecodable),
        }
    }

    fn has_golden(&self, track: TrackId) -> bool {
        let on_belt = |p: &super::belt_pictures::BeltPictures| {
            p.picture(track, self.number).template.is_some()
        };
        self.wants_reference && self.line.pictures.as_ref().is_none_or(on_belt)
    }

    /// Captured at the exact moment the part was before the camera, as a camera with a hardware trigger stamps it.
    fn arrival(&self, exposure: &Exposure, shape: Shape, host_copies: u8) -> Arrival {
        let stamp = Stamp {
            at: exposure.at,
            utc: self.line.utc_of(exposure.at),
            timing: Timing::default(),
        };
        Arrival {
            frame_id: exposure.frame_id,
            numbered: true,
            stamp,
            shape,
            host_copies,
            origin: Origin::default(),
        }
    }

    /// Draws or decodes what the camera sees of the part.
    fn show(
        &self,
        optics: &mut Optics,
        work: &mut Work,
        exposure: &Exposure,
        mut slot: OpenSlot,
    ) -> Option<Lease> {
        let (shape, host_copies) = match &mut optics.face {
            Some(face) => {
                let shape = self.drawn_shape(face)?;
                let drawn = face.draw(
                    &exposure.part,
                    exposure.condition,
                    slot.bytes_mut(),
                    &shape.layout,
                );
                drawn.map_err(|error| self.refuse(&error)).ok()?;
                (shape, 0)
            }
            None => self.show_picture(optics, exposure, &mut slot)?,
        };
        work.tap
            .seal(slot, &self.arrival(exposure, shape, host_copies))
    }

    fn show_picture(
        &self,
        optics: &mut Optics,
        exposure: &Exposure,
        slot: &mut OpenSlot,
    ) -> Option<(Shape, u8)> {
        let frozen = matches!(
            exposure.condition,
            Condition::Frozen | Condition::FrozenNumber
        );
        let track = optics
            .last_shown
            .filter(|_| frozen)
            .unwrap_or(exposure.part.track);
        optics.last_shown = Some(track);
        let picture = self.line.pictures.as_ref()?.picture(track, self.number);
        let decoded =
            optics
                .decoder
                .decode(&picture.path, self.format, self.size, slot.bytes_mut());
        let decoded = decoded.map_err(|error| self.refuse(&error)).ok()?;
        degrade(
            exposure.condition,
            &decoded.shape,
            &mut slot.bytes_mut()[..decoded.shape.layout.len],
        );
        Some((decoded.shape, decoded.host_copies))
    }

    fn show_golden(
        &self,
        optics: &mut Optics,
        work: &Work,
        exposure: &Exposure,
        mut slot: OpenSlot,
    ) -> Option<Lease> {
        let (shape, host_copies) = match &mut optics.face {
            Some(face) => {
                let shape = self.drawn_shape(face)?;
                face.golden(slot.bytes_mut(), &shape.layout)
                    .map_err(|error| self.refuse(&error))
                    .ok()?;
                (shape, 0)
            }
            None => {
                let picture = self
                    .line
                    .pictures
                    .as_ref()?
                    .picture(exposure.part.track, self.number);
                let path = picture.template.as_deref()?;
                let decoded = optics
                    .decoder
                    .decode(path, self.format, self.size, slot.bytes_mut());
                let decoded = decoded.map_err(|error| self.refuse(&error)).ok()?;
                (decoded.shape, decoded.host_copies)
            }
        };
        let meta = work.tap.meta(&self.arrival(exposure, shape, host_copies));
        slot.seal(meta).map_err(|error| self.refuse(&error)).ok()
    }

    /// The drawn board's shape, unless the camera is configured for another.
    fn drawn_shape(&self, face: &Face) -> Option<Shape> {
        let (width, height) = (face.board().width(), face.board().height());
        let fits =
            self.size.0.is_none_or(|w| w == width) && self.size.1.is_none_or(|h| h == height);
        if !fits {
            tracing::error!(
                camera = self.number,
                "expected pictures of {:?}x{:?} as configured, the simulated line draws {width}x{height}; \
                 set simulation.board_px or the camera's width and height",
                self.size.0,
                self.size.1
            );
            return None;
        }
        let layout = PixelFormat::Gray8.default_layout(width, height);
        Some(Shape {
            width,
            height,
            format: PixelFormat::Gray8,
            levels: Levels::default(),
            layout,
        })
    }

    fn refuse(&self, error: &dyn std::error::Error) {
        tracing::warn!(camera = self.number, %error, "a view is left out and its part is not decidable");
    }
}
