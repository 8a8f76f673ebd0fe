//! From a recipe's model bundles to the engines of a generation.

use crate::models::backend::Backend;
use crate::models::golden_picture;
use crate::models::proving::{Files, On, Prover};
use crate::models::signing::Trust;
use crate::models::store::Store;
use crate::models::tuning::Chosen;
use anyhow::Context;
use sightline_configs::Loaded;
use sightline_configs::recipe::{Presence as Wanted, View};
use sightline_configs::{Recipe, Station, station};
use sightline_domain::result::ModelRef;
use sightline_domain::{Generation, PixelFormat};
use sightline_engine::{Bundle, EngineError, EngineSettings, Precision, ReferencePicture};
use sightline_flow::{GenerationBuild, ModelEngines, Presence, Rebuild, WorkerEngines};
use sightline_verdict::{ClassFacts, InspectionPlan, ModelFacts, Task, VerifierFacts};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Makes engines as the station's `[engine]` section says.
pub struct EngineRoom {
    pub backend: Backend,
    wanted: station::Engine,
    /// As `engine.library`, with its folder.
    library: Option<PathBuf>,
    store: Option<Store>,
    /// Absent: what is opened only measures, and acts on no part.
    prover: Option<Prover>,
    /// The recipe's precisions were meant for another engine: each bundle's own are taken.
    stands_in: bool,
}

/// One model of a recipe, opened.
struct Opened {
    detector: Bundle,
    verifier: Option<Bundle>,
    settings: EngineSettings,
}

impl Opened {
    /// The model's settings for its verifier. A precision that the verifier's bundle does not have (a small network may
    /// be faster in FP32 and ship that alone) gives way to what it has.
    fn for_verifier(&self, verifier: &Bundle) -> EngineSettings {
        let has = |p: &Precision| verifier.model_file(Some(*p)).is_ok();
        EngineSettings {
            precision: self.settings.precision.filter(has),
            ..self.settings.clone()
        }
    }
}

/// A recipe's models, opened and arranged, ready to be built as often as needed.
pub struct Models {
    opened: Vec<Opened>,
    pub chosen: Chosen,
    /// As it is configured.
    pub engine_name: String,
    backend: Backend,
}

impl EngineRoom {
    /// Loads the engine's library.
    pub fn open(wanted: &station::Engine, base: &Path) -> anyhow::Result<Self> {
        let library = wanted.library.as_ref().map(|path| base.join(path));
        Ok(Self {
            backend: Backend::open(&wanted.name, library.clone())?,
            wanted: wanted.clone(),
            library,
            store: None,
            prover: None,
            stands_in: false,
        })
    }

    /// The engine that takes over from the configured one when that is lost, if one is to. It gets the cores that are
    /// there, for as many workers as there are already.
    pub fn stand_in_for(wanted: &station::Engine, workers: usize) -> Option<station::Engine> {
        let name = wanted.fallback.clone()?;
        let cores = match wanted.cores.len() {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            pinned => pinned,
        };
        Some(station::Engine {
            name,
            precision: None,
            max_batch: None,
            library: None,
            keep_warm_ms: 0.0,
            fallback: None,
            arrangement: station::Arrangement::Fixed {
                instances: workers,
                threads: (cores / workers.max(1)).max(1),
            },
            ..wanted.clone()
        })
    }

    /// That the stand-in could take over: what it lacks is heard at the start, not when it is needed.
    pub fn check_stand_in(
        wanted: &station::Engine,
        base: &Path,
        models: Option<&station::Models>,
        recipe: &Loaded<Recipe>,
    ) -> anyhow::Result<()> {
        let Some(engine) = Self::stand_in_for(wanted, 1) else {
            return Ok(());
        };
        let models = Self::open(&engine, base)
            .and_then(|room| room.with_store(models, base))
            .and_then(|room| room.standing_in().open_models(recipe));
        models
            .and_then(|models| models.facts().map(drop))
            .with_context(|| format!("engine.fallback `{}`", engine.name))
    }

    /// Of a stand-in: whatever precision a recipe asks for, it takes what each bundle has for it.
    pub fn standing_in(self) -> Self {
        Self {
            stands_in: true,
            ..self
        }
    }

    /// For a station that acts: bundles that were activated in its store look instead of the recipe's own of the same
    /// name, and each must have proved itself.
    pub fn with_store(self, models: Option<&station::Models>, base: &Path) -> anyhow::Result<Self> {
        let store = models
            .map(|m| anyhow::Ok(Store::open(&base.join(&m.store))?.trusting(Trust::of(m, base)?)))
            .transpose()?;
        let prover = Some(Prover::new(models));
        Ok(Self {
            store,
            prover,
            ..self
        })
    }

    fn prove(&self, bundle: &Bundle, settings: &EngineSettings) -> anyhow::Result<()> {
        let Some(prover) = &self.prover else {
            return Ok(());
        };
        let on = On {
            engine: self.wanted.name.clone(),
            library: self.library.clone(),
            files: Files::Chosen(settings.precision),
        };
        prover.require(bundle, on)
    }

    fn load(&self, path: &Path) -> anyhow::Result<Bundle> {
        let bundle = Bundle::load(path)?;
        match &self.store {
            Some(store) => store.instead_of(bundle),
            None => Ok(bundle),
        }
    }

    /// Cores that engines may use.
    pub fn cores(&self) -> usize {
        match self.wanted.cores.len() {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            pinned => pinned,
        }
    }

    /// Settings for a model whose recipe says `precision`.
    pub fn settings(&self, precision: Option<station::Precision>) -> EngineSettings {
        let asked = precision.filter(|_| !self.stands_in);
        let precision = asked.or(self.wanted.precision).map(|p| match p {
            station::Precision::Fp32 => Precision::Fp32,
            station::Precision::Fp16 => Precision::Fp16,
            station::Precision::Int8 => Precision::Int8,
        });
        let max_batch = self.wanted.max_batch;
        EngineSettings {
            precision,
            max_batch: max_batch.unwrap_or(self.backend.usual_batch()),
            provider: self.backend.provider().to_owned(),
            ..EngineSettings::default()
        }
    }

    /// Opens every bundle of a recipe and decides how the cores are used.
    pub fn open_models(&self, recipe: &Loaded<Recipe>) -> anyhow::Result<Models> {
        let mut opened = Vec::new();
        for model in &recipe.value.models {
            let detector = self.load(&recipe.base.join(&model.bundle))?;
            let verifier = model
                .verifier
                .as_ref()
                .map(|v| self.load(&recipe.base.join(&v.bundle)))
                .transpose()?;
            let model = Opened {
                detector,
                verifier,
                settings: self.settings(model.precision),
            };
            self.prove(&model.detector, &model.settings)?;
            if let Some(verifier) = &model.verifier {
                self.prove(verifier, &model.for_verifier(verifier))?;
            }
            opened.push(model);
        }
        let first = opened.first().context("the recipe names no model")?;
        let chosen = self.backend.arrange(
            self.wanted.arrangement,
            &first.detector,
            &first.settings,
            self.cores(),
        )?;
        for model in &mut opened {
            model.settings.threads = chosen.threads;
        }
        Ok(Models {
            opened,
            chosen,
            engine_name: self.wanted.name.clone(),
            backend: self.backend.clone(),
        })
    }
}

impl Models {
    /// The first model's bundle and settings: what `bench` measures the ceiling with.
    pub fn first(&self) -> (&Bundle, &EngineSettings) {
        (&self.opened[0].detector, &self.opened[0].settings)
    }

    /// True if model number `index` looks at a golden picture beside the part.
    pub fn wants_reference(&self, index: usize) -> bool {
        self.opened
            .get(index)
            .is_some_and(|m| m.detector.manifest().input.wants_reference())
    }

    /// What the recipe is held against.
    pub fn facts(&self) -> anyhow::Result<Vec<ModelFacts>> {
        let facts = self.opened.iter().map(|model| {
            let own = self.verifier_facts(&model.detector, &model.settings)?;
            let verifier = model
                .verifier
                .as_ref()
                .map(|v| self.verifier_facts(v, &model.for_verifier(v)))
                .transpose()?;
            Ok(ModelFacts {
                model_ref: own.model_ref,
                task: own.task,
                classes: own.classes,
                verifier,
            })
        });
        facts.collect()
    }

    fn verifier_facts(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> anyhow::Result<VerifierFacts> {
        let info = self.backend.info(bundle, settings)?;
        let classes = info.classes.iter().map(|c| ClassFacts {
            code: c.code.clone(),
            name_en: c.name_en.clone(),
            severity: c.severity,
            default_limit: c.default_limit,
            good: c.good,
        });
        Ok(VerifierFacts {
            task: match info.task {
                sightline_engine::Task::Detect => Task::Detect,
                sightline_engine::Task::Classify => Task::Classify,
            },
            classes: classes.collect(),
            model_ref: ModelRef {
                name: info.bundle,
                version: info.version,
                digest: info.digest,
                engine: info.name,
            },
        })
    }

    fn build_one(&self, index: usize) -> Result<ModelEngines, EngineError> {
        let model = &self.opened[index];
        let detector = self.backend.build(&model.detector, &model.settings)?;
        let verifier = model
            .verifier
            .as_ref()
            .map(|v| self.backend.build(v, &model.for_verifier(v)))
            .transpose()?;
        Ok(ModelEngines { detector, verifier })
    }
}

impl Rebuild for Models {
    fn rebuild(&self, _worker: usize, model: usize) -> Result<ModelEngines, EngineError> {
        self.build_one(model)
    }
}

/// Builds a generation: plan, engines for every worker, golden pictures.
pub fn build(
    number: Generation,
    station: &Station,
    recipe: &Loaded<Recipe>,
    models: Arc<Models>,
) -> anyhow::Result<GenerationBuild> {
    let cameras: Vec<String> = station.cameras.iter().map(|c| c.name.clone()).collect();
    let plan = InspectionPlan::resolve(
        number,
        &recipe.value,
        &recipe.hash,
        &cameras,
        &models.facts()?,
    )
    .with_context(|| format!("recipe {}", recipe.source.file.display()))?;
    let worker = |_| -> anyhow::Result<WorkerEngines> {
        let built = (0..models.opened.len())
            .map(|m| models.build_one(m))
            .collect::<Result<_, _>>()?;
        Ok(WorkerEngines { models: built })
    };
    let workers = (0..models.chosen.instances)
        .map(worker)
        .collect::<Result<_, _>>()?;
    let references = references(station, recipe, &plan)?;
    let presence = presence(station, recipe, &plan)?;
    Ok(GenerationBuild {
        plan: Arc::new(plan),
        workers,
        references,
        presence,
        rebuild: Some(models),
    })
}

/// What each view with a part in it looks like, where the recipe says so.
fn presence(
    station: &Station,
    recipe: &Loaded<Recipe>,
    plan: &InspectionPlan,
) -> anyhow::Result<Vec<Option<Arc<Presence>>>> {
    let one = |(view, planned): (&View, &sightline_verdict::PlannedView)| {
        let like = match &view.presence {
            Some(Wanted::Like(like)) => like,
            Some(Wanted::LikeReference(like)) => {
                return Ok(Some(Arc::new(Presence::like_reference(like.at_least))));
            }
            Some(Wanted::Unchecked) | None => return Ok(None),
        };
        let format = match station.cameras[planned.camera.index()].format {
            colour @ (PixelFormat::Rgb | PixelFormat::Bgr) => colour,
            // the others have their light first
            _ => PixelFormat::Gray8,
        };
        let load = |path: &PathBuf| golden_picture::load(&recipe.base.join(path), format);
        let pictures: Vec<_> = like.pictures.iter().map(load).collect::<Result<_, _>>()?;
        let shown: Vec<_> = pictures.iter().map(|p| p.picture()).collect();
        let taught = Presence::taught(&shown, like.at_least)
            .with_context(|| format!("view `{}`, presence.like", view.name))?;
        Ok(Some(Arc::new(taught)))
    };
    recipe
        .value
        .views
        .iter()
        .zip(&plan.views)
        .map(one)
        .collect()
}

fn references(
    station: &Station,
    recipe: &Loaded<Recipe>,
    plan: &InspectionPlan,
) -> anyhow::Result<Vec<Option<Arc<ReferencePicture>>>> {
    let one = |view: &sightline_verdict::PlannedView| {
        let Some(path) = view.reference.as_ref().and_then(|r| r.picture.as_ref()) else {
            return Ok(None);
        };
        let format = station.cameras[view.camera.index()].format;
        golden_picture::load(&recipe.base.join(path), format).map(|p| Some(Arc::new(p)))
    };
    plan.views.iter().map(one).collect()
}
