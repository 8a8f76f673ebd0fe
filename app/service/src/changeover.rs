//! Another recipe or another model takes over between two parts; with anything wrong the old set goes on.

use crate::engines::{self, EngineRoom};
use crate::tuning::Chosen;
use crate::watch;
use anyhow::{Context, bail};
use sightline_configs::station::{Arrangement, Engine};
use sightline_configs::{Loaded, Recipe, Station};
use sightline_engine::Bundle;
use sightline_flow::FlowHandle;
use sightline_model::{Clock, Generation, UtcMicros};
use sightline_uplink::Uplink;
use sightline_verdict::InspectionPlan;
use std::path::{Path, PathBuf};
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
    /// Its models, each with its version.
    pub fn models(&self) -> Vec<String> {
        let refs = self.plan.models.iter().flat_map(|m| &m.refs);
        refs.map(|r| format!("{} {}", r.name, r.version)).collect()
    }
}

struct State {
    active: Active,
    /// What a roll-back brings back.
    previous: Option<Active>,
}

/// The one way to another generation. Shared by everything that may ask for one.
pub struct Changeover {
    flow: Arc<FlowHandle>,
    uplink: Option<Arc<Uplink>>,
    clock: Arc<dyn Clock>,
    station: Loaded<Station>,
    chosen: Chosen,
    state: Mutex<State>,
    /// One at a time; the state can be looked at meanwhile.
    turn: Mutex<()>,
}

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
            station,
            chosen: models.chosen,
            state: Mutex::new(State {
                active,
                previous: None,
            }),
            turn: Mutex::new(()),
        };
        changeover.tell("configuration");
        changeover
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
        self.take_over(recipe, file.to_owned(), by)
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
        self.take_over(recipe, file, by)
    }

    /// What inspected before takes over again.
    pub fn back(&self, by: &str) -> anyhow::Result<Generation> {
        let previous = self.state().previous.clone();
        let previous = previous.context("nothing inspected before this")?;
        self.take_over(previous.recipe, previous.file, by)
    }

    fn take_over(
        &self,
        recipe: Loaded<Recipe>,
        file: PathBuf,
        by: &str,
    ) -> anyhow::Result<Generation> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // The workers are there already, so the arrangement stays.
        let Chosen { instances, threads } = self.chosen;
        let wanted = Engine {
            arrangement: Arrangement::Fixed { instances, threads },
            ..self.station.value.engine.clone()
        };
        let room = EngineRoom::open(&wanted, &self.station.base)?
            .with_store(self.station.value.models.as_ref(), &self.station.base)?;
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
        let generation = self.flow.activate(build)?;
        let active = Active {
            recipe,
            file,
            plan,
            since: self.clock.utc(),
            with_reference: given,
        };
        let mut state = self.state();
        let before = std::mem::replace(&mut state.active, active);
        state.previous = Some(before);
        drop(state);
        self.tell(by);
        Ok(generation)
    }

    fn tell(&self, by: &str) {
        if let Some(uplink) = &self.uplink {
            let Active { plan, since, .. } = self.active();
            watch::tell_recipe(uplink, &plan, since, by);
        }
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
