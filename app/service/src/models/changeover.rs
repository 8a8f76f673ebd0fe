//! Another recipe or another model takes over between two parts; with anything wrong the old set goes on.

use crate::models::engines::{self, EngineRoom};
use crate::models::trial::{self, Trial};
use crate::models::tuning::Chosen;
use crate::station::monitor;
use anyhow::{Context, bail};
use sightline_configs::station::{Arrangement, Engine};
use sightline_configs::{Loaded, Recipe, Station};
use sightline_domain::{Clock, Generation, UtcMicros};
use sightline_engine::Bundle;
use sightline_flow::FlowHandle;
use sightline_uplink::Uplink;
use sightline_verdict::InspectionPlan;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What inspects now.
#[derive(Clone)]
pub struct Active {
    /// The recipe, with the bundles that are in use.
    pub recipe: Loaded<Recipe>,
    /// The recipe's file.
    pub file: PathBuf,
    /// The same, resolved.
    pub plan: Arc<InspectionPlan>,
    /// Since when.
    pub since: UtcMicros,
    /// Cameras whose source gives golden pictures, by number.
    with_reference: Vec<bool>,
}

impl Active {
    /// What it is, for the audit trail.
    pub fn in_words(&self) -> String {
        let recipe = &self.recipe.value;
        format!(
            "recipe {} version {}, sha256 {}, generation {}",
            recipe.external_id, recipe.version, self.recipe.hash, self.plan.generation
        )
    }

    /// Its models, each with its version.
    pub fn models(&self) -> Vec<String> {
        let refs = self.plan.models.iter().flat_map(|m| &m.refs);
        refs.map(|r| format!("{} {}", r.name, r.version)).collect()
    }
}

struct State {
    /// What runs the models: the configured engine, or the one that took over from it.
    engine: Engine,
    active: Active,
    /// What a roll-back brings back.
    previous: Option<Active>,
    /// Why the active recipe's file could not take over when it was read again.
    refused: Option<String>,
}

/// The one way to another generation. Shared by everything that may ask for one.
pub struct Changeover {
    flow: Arc<FlowHandle>,
    uplink: Option<Arc<Uplink>>,
    clock: Arc<dyn Clock>,
    station: Loaded<Station>,
    state: Mutex<State>,
    /// The newest change. One that was overtaken, because it took too long, takes over no more when it comes back.
    newest: AtomicU64,
    /// One takes over at a time; the state can be looked at meanwhile.
    turn: Mutex<()>,
    trial: Arc<Trial>,
}

/// Another change came while this one was being built.
#[derive(Debug, thiserror::Error)]
#[error("another change came before this one was ready; this one is left")]
pub struct Overtaken;

impl Changeover {
    /// For a flow that inspects with `recipe`.
    pub fn new(
        flow: Arc<FlowHandle>,
        uplink: Option<Arc<Uplink>>,
        clock: Arc<dyn Clock>,
        station: Loaded<Station>,
        recipe: Loaded<Recipe>,
        plan: Arc<InspectionPlan>,
        models: &engines::Models,
    ) -> Self {
        let active = Active {
            file: station.base.join(&station.value.recipe),
            with_reference: with_reference(&plan, models, station.value.cameras.len()),
            recipe,
            plan,
            since: clock.utc(),
        };
        let changeover = Self {
            flow,
            uplink,
            clock,
            state: Mutex::new(State {
                engine: with_workers(&station.value.engine, models.chosen),
                active,
                previous: None,
                refused: None,
            }),
            station,
            newest: AtomicU64::new(0),
            turn: Mutex::new(()),
            trial: Arc::new(Trial::new(None)),
        };
        changeover.tell("configuration");
        changeover
    }

    /// Whoever keeps the models' trial hears of every change.
    pub fn with(self, trial: Arc<Trial>) -> Self {
        Self { trial, ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What inspects now.
    pub fn active(&self) -> Active {
        self.state().active.clone()
    }

    /// The models that a roll-back would bring back, each with its version; empty: there is nothing to go back to.
    pub fn previous(&self) -> Vec<String> {
        let previous = self.state().previous.clone();
        previous.map_or_else(Vec::new, |p| p.models())
    }

    /// Reads a recipe's file, without changing anything.
    pub fn read(&self, file: &Path) -> anyhow::Result<Loaded<Recipe>> {
        Ok(sightline_configs::load_recipe(file, &self.station.value)?)
    }

    /// The recipe in `file` takes over (the active one again, if it was edited).
    pub fn to_recipe(&self, file: &Path, by: &str) -> anyhow::Result<Generation> {
        let recipe = self.read(file)?;
        let generation = self.take_over(self.engine(), recipe, file.to_owned(), by)?;
        self.state().refused = None;
        Ok(generation)
    }

    /// The active recipe's file is read again, and takes over. What is wrong with it stands ([`Changeover::refused`]) until
    /// it has taken over all the same, or another recipe has, whoever asked for that.
    pub fn reload(&self, by: &str) -> anyhow::Result<Generation> {
        let file = self.active().file;
        let outcome = self.to_recipe(&file, by);
        let mut state = self.state();
        // Whoever came later knows better.
        if let Err(error) = &outcome
            && !error.is::<Overtaken>()
            && state.active.file == file
        {
            state.refused = Some(format!(
                "expected a recipe that can take over in {}, found at the reload: {error:#}; the one before goes on inspecting; correct it and send SIGHUP again",
                file.display()
            ));
        }
        drop(state);
        outcome
    }

    /// Why the active recipe's file could not take over when it was read again, as long as that holds.
    pub fn refused(&self) -> Option<String> {
        self.state().refused.clone()
    }

    /// Wherever the recipe uses a bundle of that name, the one in `folder` takes over.
    pub fn to_model(&self, folder: &Path, by: &str) -> anyhow::Result<Generation> {
        let folder = std::path::absolute(folder)?;
        let wanted = Bundle::load(&folder)?.manifest().name.clone();
        let Active {
            mut recipe, file, ..
        } = self.active();
        let base = recipe.base.clone();
        let is_it = |bundle: &Path| {
            Bundle::load(&base.join(bundle)).is_ok_and(|b| b.manifest().name == wanted)
        };
        let mut changed = false;
        for model in &mut recipe.value.models {
            let verifier = model.verifier.as_mut().map(|v| &mut v.bundle);
            for bundle in std::iter::once(&mut model.bundle).chain(verifier) {
                if is_it(bundle) {
                    changed = true;
                    bundle.clone_from(&folder);
                }
            }
        }
        if !changed {
            bail!(
                "expected a model that the recipe uses, found `{wanted}`; change the recipe to use it"
            );
        }
        self.take_over(self.engine(), recipe, file, by)
    }

    /// The configured stand-in takes over from an engine that is lost, for good: whatever takes over after it runs on the
    /// stand-in too. Its name; `None` where there is none, or it has taken over already.
    pub fn to_stand_in(&self) -> anyhow::Result<Option<String>> {
        let Arrangement::Fixed { instances, .. } = self.engine().arrangement else {
            return Ok(None);
        };
        let Some(engine) = EngineRoom::stand_in_for(&self.engine(), instances) else {
            return Ok(None);
        };
        let Active { recipe, file, .. } = self.active();
        let name = engine.name.clone();
        self.take_over(engine, recipe, file, "engine fault")?;
        Ok(Some(name))
    }

    /// Whatever is being built takes over no more.
    pub fn abandon(&self) {
        self.newest.fetch_add(1, Ordering::SeqCst);
    }

    fn engine(&self) -> Engine {
        self.state().engine.clone()
    }

    /// What inspected before takes over again.
    pub fn back(&self, by: &str) -> anyhow::Result<Generation> {
        let previous = self.state().previous.clone();
        let previous = previous.context("nothing inspected before this")?;
        self.take_over(self.engine(), previous.recipe, previous.file, by)
    }

    fn take_over(
        &self,
        engine: Engine,
        recipe: Loaded<Recipe>,
        file: PathBuf,
        by: &str,
    ) -> anyhow::Result<Generation> {
        let ticket = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        let stands_in = engine.name != self.station.value.engine.name;
        let room = EngineRoom::open(&engine, &self.station.base)?
            .with_store(self.station.value.models.as_ref(), &self.station.base)?;
        let room = if stands_in { room.standing_in() } else { room };
        let models = Arc::new(room.open_models(&recipe)?);
        let next = Generation(self.flow.counters().generation.0 + 1);
        let build = engines::build(next, &self.station.value, &recipe, models.clone())?;
        let plan = build.plan.clone();
        let cameras = self.station.value.cameras.len();
        let needed = with_reference(&plan, &models, cameras);
        let given = self.state().active.with_reference.clone();
        if let Some(camera) = (0..cameras).find(|&c| needed[c] && !given[c]) {
            bail!(
                "expected a golden picture for camera `{}`, found none: its source gives none since the start; name one in the recipe's views, or start the station with this recipe",
                self.station.value.cameras[camera].name
            );
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.newest.load(Ordering::SeqCst) != ticket {
            bail!(Overtaken);
        }
        let generation = self.flow.activate(build)?;
        if let Err(error) = self.trial.begin(trial::judged(&self.flow.counters())) {
            tracing::error!("the models' trial is not written down: {error:#}");
        }
        let active = Active {
            recipe,
            file,
            plan,
            since: self.clock.utc(),
            with_reference: given,
        };
        let mut state = self.state();
        if state.active.file != active.file {
            state.refused = None;
        }
        state.engine = engine;
        let before = std::mem::replace(&mut state.active, active);
        state.previous = Some(before);
        drop(state);
        self.tell(by);
        Ok(generation)
    }

    fn tell(&self, by: &str) {
        if let Some(uplink) = &self.uplink {
            let Active { plan, since, .. } = self.active();
            monitor::tell_recipe(uplink, &plan, since, by);
        }
    }
}

/// The workers are there already, so that the arrangement stays.
fn with_workers(engine: &Engine, Chosen { instances, threads }: Chosen) -> Engine {
    Engine {
        arrangement: Arrangement::Fixed { instances, threads },
        ..engine.clone()
    }
}

/// Cameras that must bring a golden picture with each frame. A golden picture of the recipe's own makes that needless.
pub fn with_reference(
    plan: &InspectionPlan,
    models: &engines::Models,
    cameras: usize,
) -> Vec<bool> {
    let mut needed = vec![false; cameras];
    for view in &plan.views {
        let own = view.reference.as_ref().is_some_and(|r| r.picture.is_some());
        if models.wants_reference(view.model) && !own {
            needed[view.camera.index()] = true;
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use crate::station::{assemble, options::RunOptions};
    use sightline_configs::station::Precision;
    use sightline_domain::InspectionResult;
    use std::path::Path;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_stand_in_takes_over_once_and_with_what_precision_it_has() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/demo.toml");
        let (mut config, mut recipe) = sightline_configs::load(&file).expect("the demo's");
        config.value.mqtt = None;
        // meant for the engine that is lost: the board detector has INT8 for the one that takes over
        recipe.value.models[0].precision = Some(Precision::Fp32);
        config.value.engine.fallback = Some("onnx:cpu".into());
        let (tell, told) = mpsc::sync_channel::<InspectionResult>(1_000);
        let options = RunOptions {
            on_result: Some(Box::new(move |result| {
                let _ = tell.try_send(result.clone());
            })),
            ..RunOptions::default()
        };
        let running = assemble::start(&config, &recipe, options).expect("it starts");
        let next = |generation: u32| loop {
            let result = told
                .recv_timeout(Duration::from_secs(60))
                .expect("a result");
            if result.generation == generation {
                break result;
            }
        };
        assert_eq!(next(1).models[0].engine, "onnx-cpu/fp32");
        let took_over = running.changeover.to_stand_in().expect("it starts");
        assert_eq!(took_over.as_deref(), Some("onnx:cpu"));
        assert_eq!(next(2).models[0].engine, "onnx-cpu/int8");
        assert_eq!(
            running.changeover.to_stand_in().expect("nothing to do"),
            None
        );
        running.reload_recipe();
        assert_eq!(next(3).models[0].engine, "onnx-cpu/int8", "it stays");
        running.stop(crate::station::running::LAST_PARTS);
    }

    #[test]
    fn a_stand_in_that_is_not_there_is_heard_at_the_start() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/demo.toml");
        let (mut config, recipe) = sightline_configs::load(&file).expect("the demo's");
        config.value.mqtt = None;
        config.value.engine.fallback = Some("onnxx".into());
        let error = assemble::start(&config, &recipe, RunOptions::default()).map(drop);
        let words = format!("{:#}", error.expect_err("there is no such engine"));
        assert!(words.contains("engine.fallback `onnxx`"), "{words}");
    }
}
