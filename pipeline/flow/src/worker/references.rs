//! Brings each view its golden picture: its own, the recipe's, or the recipe's registered to the part.

use crate::FlowError;
use crate::active_generation::ActiveGeneration;
use crate::job::Job;
use crate::presence::Presence;
use sightline_configs::recipe::{Reference as Planned, Registration};
use sightline_domain::{Health, MissReason, PictureRef};
use sightline_engine::{Reference, ReferencePicture};
use std::sync::Arc;

/// One view's golden picture on one worker.
enum Golden {
    /// The view brings its own, or needs none.
    Own,
    /// The recipe's, as it is.
    Shared(Arc<ReferencePicture>),
    /// The recipe's, to be registered to each part.
    Registered(Box<Registering>),
    /// The view's own, to be registered.
    OwnRegistered(Planned),
}

/// A registrar and the buffers that its results go round in.
struct Registering {
    registrar: Registrar,
    golden: Arc<ReferencePicture>,
    #[expect(clippy::vec_box, reason = "the box itself goes round")]
    spare: Vec<Box<ReferencePicture>>,
}

/// All views' golden pictures of one generation on one worker.
pub(super) struct References {
    views: Vec<Golden>,
    presence: Vec<Option<Arc<Presence>>>,
}

impl References {
    pub(super) fn new(live: &ActiveGeneration) -> Result<Self, FlowError> {
        let pairs = live.plan.views.iter().zip(&live.references);
        let views = pairs.map(|(view, golden)| {
            let Some(planned) = &view.reference else {
                return Ok(Golden::Own);
            };
            Ok(match (golden, planned.registration) {
                (None, Registration::None) => Golden::Own,
                (None, _) => Golden::OwnRegistered(planned.clone()),
                (Some(golden), Registration::None) => Golden::Shared(Arc::clone(golden)),
                (Some(golden), _) => {
                    let made = Registrar::new(golden.picture(), planned);
                    let registrar = made.map_err(|reason| FlowError::Registration {
                        view: view.name.clone(),
                        reason,
                    })?;
                    Golden::Registered(Box::new(Registering {
                        registrar,
                        golden: Arc::clone(golden),
                        spare: Vec::with_capacity(4),
                    }))
                }
            })
        });
        Ok(Self {
            views: views.collect::<Result<_, _>>()?,
            presence: live.presence.clone(),
        })
    }

    /// Gives every view of the job its golden picture. A view to which none can be registered, or that shows no part, is
    /// misaligned: it goes on without an engine, for it cannot become OK. Returns how many those were.
    pub(super) fn bring(&mut self, job: &mut Job) -> u64 {
        let mut misaligned = 0;
        for (view, slip) in job.batch.views.iter_mut().zip(&mut job.slips) {
            let Some(golden) = self.views.get_mut(slip.tag.view.index()) else {
                continue;
            };
            let brought = match golden {
                Golden::Own => true,
                Golden::Shared(picture) => {
                    view.reference = Some(Reference::Shared(Arc::clone(picture)));
                    true
                }
                Golden::Registered(r) => {
                    let mut out = r.blank();
                    let found = r.registrar.register(view.lease.picture(), &mut out.bytes);
                    if found {
                        view.reference = Some(Reference::Registered(out));
                    } else {
                        r.spare.push(out);
                    }
                    found
                }
                Golden::OwnRegistered(planned) => register_own(view, planned),
            };
            let presence = self.presence.get(slip.tag.view.index());
            let is_in = presence.and_then(Option::as_ref).is_none_or(|presence| {
                let golden = view.reference.as_ref().map(Reference::picture);
                presence.is_in(&view.lease.picture(), golden.as_ref())
            });
            if !brought || !is_in {
                view.lease.set_health(Health::Misaligned);
                slip.meta.health = Health::Misaligned;
                misaligned += 1;
            }
        }
        misaligned
    }

    /// Takes the buffers back once both stages are done with them.
    pub(super) fn take_back(&mut self, job: &mut Job) {
        for (view, slip) in job.batch.views.iter_mut().zip(&job.slips) {
            if let Some(Golden::Registered(r)) = self.views.get_mut(slip.tag.view.index())
                && let Some(Reference::Registered(buffer)) = view.reference.take()
            {
                r.spare.push(buffer);
            }
        }
    }
}

impl Registering {
    fn blank(&mut self) -> Box<ReferencePicture> {
        self.spare
            .pop()
            .unwrap_or_else(|| Box::new((*self.golden).clone()))
    }
}

/// A pair from outside: its golden picture is new with each view, so the registrar is too.
fn register_own(view: &mut sightline_engine::BatchView, planned: &Planned) -> bool {
    let Some(own) = &view.reference else {
        return true;
    };
    let golden = own.picture();
    let mut out = Box::new(ReferencePicture {
        width: golden.width,
        height: golden.height,
        format: golden.format,
        layout: golden.layout,
        bytes: golden.bytes.to_vec(),
    });
    let found = Registrar::new(golden, planned)
        .is_ok_and(|mut r| r.register(view.lease.picture(), &mut out.bytes));
    view.reference = Some(Reference::Registered(out));
    found
}

/// Views that no engine needs to see: unregistered ones leave the batch, but not the part.
pub(super) fn set_misaligned_aside(job: &mut Job) {
    let mut at = 0;
    while at < job.slips.len() {
        if job.slips[at].meta.health == Health::Misaligned {
            job.drop_view(at, MissReason::Undecodable);
            if let Some(slip) = job.dropped.last_mut() {
                slip.missed = None;
            }
        } else {
            at += 1;
        }
    }
}

#[cfg(feature = "registration")]
struct Registrar(sightline_registration::Registrar);

#[cfg(feature = "registration")]
impl Registrar {
    fn new(golden: PictureRef<'_>, planned: &Planned) -> Result<Self, String> {
        use sightline_registration::Mode;
        let mode = match planned.registration {
            Registration::None | Registration::Translation => Mode::Translation,
            Registration::Euclidean => Mode::Euclidean,
            Registration::Affine => Mode::Affine,
        };
        sightline_registration::Registrar::new(
            golden,
            mode,
            planned.max_shift_px,
            planned.max_rotation_deg,
            planned.min_correlation,
        )
        .map(Self)
        .map_err(|e| e.to_string())
    }

    fn register(&mut self, part: PictureRef<'_>, out: &mut [u8]) -> bool {
        self.0.register(part, out).is_ok()
    }
}

#[cfg(not(feature = "registration"))]
struct Registrar;

#[cfg(not(feature = "registration"))]
impl Registrar {
    fn new(_: PictureRef<'_>, _: &Planned) -> Result<Self, String> {
        Err(
            "this build has no registration; build with the feature `registration`, or write \
             registration = \"none\" in the recipe"
                .to_owned(),
        )
    }

    fn register(&mut self, _: PictureRef<'_>, _: &mut [u8]) -> bool {
        false
    }
}
