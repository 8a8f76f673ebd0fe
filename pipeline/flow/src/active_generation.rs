//! One generation at work: its plan, the engines that look, the golden pictures.

use crate::FlowError;
use crate::associate::ExpectedView;
use crate::pace::Pace;
use crate::presence::Presence;
use sightline_domain::{Generation, ViewId};
use sightline_engine::{Engine, EngineError, ReferencePicture};
use sightline_verdict::InspectionPlan;
use std::sync::Arc;

/// The most views a plan can have: sets of views are kept as bits.
pub const MAX_VIEWS: usize = 64;

/// A generation as the service builds it, beside the one that runs.
pub struct GenerationBuild {
    /// The recipe, resolved. Its generation number must grow from one build to the next.
    pub plan: Arc<InspectionPlan>,
    /// The engines of each worker thread; the first build says how many workers there are.
    pub workers: Vec<WorkerEngines>,
    /// The golden picture of each view of the plan; empty where no view has one.
    pub references: Vec<Option<Arc<ReferencePicture>>>,
    /// What each view of the plan must look like to show a part; empty where no view is asked.
    pub presence: Vec<Option<Arc<Presence>>>,
    /// Makes engines anew after a fault; without it a worker whose engine broke stops.
    pub rebuild: Option<Arc<dyn Rebuild>>,
}

/// One worker's engines: one entry a model of the plan, in its order.
pub struct WorkerEngines {
    /// By model.
    pub models: Vec<ModelEngines>,
}

/// What one worker runs for one model of the plan.
pub struct ModelEngines {
    /// Looks at whole views: a detector or a classifier.
    pub detector: Box<dyn Engine>,
    /// Looks at the crops of findings; there exactly where the plan has a verifier.
    pub verifier: Option<Box<dyn Engine>>,
}

/// Makes engines anew after a fault.
pub trait Rebuild: Send + Sync {
    /// The engines of `model` for `worker`, as at the first build. Called on the worker's thread.
    ///
    /// # Errors
    /// Whatever keeps the engine from being built; the worker then stops.
    fn rebuild(&self, worker: usize, model: usize) -> Result<ModelEngines, EngineError>;
}

/// What all threads know of a generation.
pub(crate) struct ActiveGeneration {
    pub plan: Arc<InspectionPlan>,
    pub expected: Vec<ExpectedView>,
    pub models: Vec<LiveModel>,
    pub references: Vec<Option<Arc<ReferencePicture>>>,
    pub presence: Vec<Option<Arc<Presence>>>,
    pub rebuild: Option<Arc<dyn Rebuild>>,
    /// Batches that each engine can hold in flight.
    pub depth: usize,
}

/// One model of it.
pub(crate) struct LiveModel {
    /// Views a batch is to have.
    pub target: usize,
    /// The plan's views that it looks at, as bits.
    pub views: u64,
    /// How long a batch takes.
    pub pace: Pace,
}

impl ActiveGeneration {
    /// Checks that the build is whole and takes its engines apart from it.
    pub(crate) fn of(
        build: GenerationBuild,
        cameras: usize,
    ) -> Result<(Arc<Self>, Vec<WorkerEngines>), FlowError> {
        let GenerationBuild {
            plan,
            workers,
            mut references,
            mut presence,
            rebuild,
        } = build;
        check(&plan, &workers, cameras)?;
        if references.len() > plan.views.len() {
            return Err(FlowError::Build {
                generation: plan.generation,
                what: "golden pictures",
                expected: format!("at most one for each of {} views", plan.views.len()),
                found: references.len().to_string(),
            });
        }
        references.resize(plan.views.len(), None);
        presence.resize(plan.views.len(), None);
        let models = (0..plan.models.len())
            .map(|m| LiveModel {
                target: target(&workers, m),
                views: views_of(&plan, m),
                pace: Pace::default(),
            })
            .collect();
        let engines = workers.iter().flat_map(|w| &w.models);
        let depth = engines.map(|m| m.detector.info().depth).max();
        let live = ActiveGeneration {
            depth: depth.unwrap_or(1).clamp(1, 3),
            expected: expected(&plan),
            models,
            references,
            presence,
            rebuild,
            plan,
        };
        Ok((Arc::new(live), workers))
    }

    pub(crate) fn generation(&self) -> Generation {
        self.plan.generation
    }
}

fn check(
    plan: &InspectionPlan,
    workers: &[WorkerEngines],
    cameras: usize,
) -> Result<(), FlowError> {
    let wrong = |what, expected: String, found: String| FlowError::Build {
        generation: plan.generation,
        what,
        expected,
        found,
    };
    if plan.views.len() > MAX_VIEWS {
        let found = plan.views.len().to_string();
        return Err(wrong(
            "views of a part",
            format!("{MAX_VIEWS} at most"),
            found,
        ));
    }
    if workers.is_empty() {
        return Err(wrong("engine workers", "1 at least".into(), "none".into()));
    }
    if let Some(v) = plan.views.iter().find(|v| v.camera.index() >= cameras) {
        let found = format!("camera {} for view `{}`", v.camera, v.name);
        return Err(wrong("cameras", format!("numbers below {cameras}"), found));
    }
    for worker in workers {
        if worker.models.len() != plan.models.len() {
            let found = format!("{} models on a worker", worker.models.len());
            return Err(wrong(
                "engines",
                format!("{} models on every worker", plan.models.len()),
                found,
            ));
        }
        for (engines, model) in worker.models.iter().zip(&plan.models) {
            if engines.verifier.is_some() != model.verifier.is_some() {
                let say = |there| if there { "a verifier" } else { "no verifier" };
                return Err(wrong(
                    "second stage",
                    format!(
                        "{} for model `{}`",
                        say(model.verifier.is_some()),
                        model.name
                    ),
                    say(engines.verifier.is_some()).to_owned(),
                ));
            }
        }
    }
    Ok(())
}

fn expected(plan: &InspectionPlan) -> Vec<ExpectedView> {
    let views = plan.views.iter().enumerate();
    let mut expected: Vec<_> = views
        .map(|(i, v)| ExpectedView {
            view: ViewId(i as u16),
            camera: v.camera,
            offset: v.offset,
            window: v.window,
            counted: v.frame_per_trigger,
        })
        .collect();
    // a camera's views in the order in which it sees them
    expected.sort_by_key(|v| (v.offset, v.view));
    expected
}

/// A batch is as large as every worker's engine likes.
fn target(workers: &[WorkerEngines], model: usize) -> usize {
    let liked = workers.iter().map(|w| {
        let info = w.models[model].detector.info();
        info.preferred_batch.min(info.max_batch)
    });
    liked.min().unwrap_or(1).max(1)
}

fn views_of(plan: &InspectionPlan, model: usize) -> u64 {
    let views = plan.views.iter().enumerate();
    views
        .filter(|(_, v)| v.model == model)
        .fold(0, |bits, (i, _)| bits | 1 << i)
}
