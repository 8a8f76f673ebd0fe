//! The time until the first engine is there: engines are built on a thread of their own, commands are answered meanwhile, and
//! models that do not come up are left.

use crate::cli::signals::Stop;
use crate::control::Before;
use crate::models::trial::AtStart;
use crate::station::assemble::{self, Engines, Ground};
use sightline_configs::{Loaded, Recipe, Station};
use sightline_domain::AlarmKind;
use sightline_queue::{Receiver, RecvTimeout, bounded};
use sightline_threads::Team;
use std::time::{Duration, Instant};

/// Time between looks.
const LOOK: Duration = Duration::from_millis(100);
/// So long may engines take to be built before somebody is told, and a set on trial is left.
const LIMIT: Duration = Duration::from_secs(60);
/// The same for TensorRT, which makes plans at its first start.
const LIMIT_TENSORRT: Duration = Duration::from_secs(30 * 60);

/// Engines that are being built. Dropped, they are left behind, and what builds them takes only what others leave of a core;
/// threads that a library has started for them by then are not reached.
struct Building {
    builder: Team,
    done: Receiver<anyhow::Result<Engines>>,
    since: Instant,
    told: bool,
}

impl Building {
    fn start(station: &Loaded<Station>, recipe: &Loaded<Recipe>) -> anyhow::Result<Self> {
        let (tell, done) = bounded("engines-built", 1);
        let (station, recipe) = (station.clone(), recipe.clone());
        let builder = Team::default();
        let team = builder.clone();
        std::thread::Builder::new()
            .name("sl-build".into())
            .spawn(move || {
                team.join();
                let _ = tell.try_send(assemble::build(&station, &recipe, None));
            })?;
        Ok(Self {
            builder,
            done,
            since: Instant::now(),
            told: false,
        })
    }

    fn ended(&self) -> Option<anyhow::Result<Engines>> {
        match self.done.recv_timeout(Duration::ZERO) {
            Ok(built) => Some(built),
            Err(RecvTimeout::Timeout) => None,
            Err(RecvTimeout::Closed) => Some(Err(anyhow::anyhow!(
                "building the engines ended by a fault of the program"
            ))),
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if let Err(refused) = self.builder.demote() {
            tracing::warn!("engines that nobody waits for: {refused}");
        }
    }
}

/// Builds the first engines. `None`: the station is to stop.
pub fn engines(
    ground: &Ground,
    station: &Loaded<Station>,
    recipe: &Loaded<Recipe>,
    stop: &Stop,
) -> anyhow::Result<Option<Engines>> {
    let tell = |why: String| {
        tracing::error!("{why}");
        ground.events.set(AlarmKind::ModelsTrialFailed, Some(why));
    };
    if let AtStart::Left(why) = ground.trial.at_start()? {
        tell(why);
    }
    let limit = match station.value.engine.name.starts_with("tensorrt") {
        true => LIMIT_TENSORRT,
        false => LIMIT,
    };
    let mut building = Building::start(station, recipe)?;
    loop {
        match ground
            .control
            .rest_before(&ground.events, station, stop, LOOK)
        {
            Before::Stop => return Ok(None),
            Before::Anew => building = Building::start(station, recipe)?,
            Before::Going => {}
        }
        let long = building.since.elapsed() >= limit && !building.told;
        let why = match building.ended() {
            Some(Ok(engines)) => {
                ground.events.set(AlarmKind::EngineNotBuilt, None);
                return Ok(Some(engines));
            }
            Some(Err(error)) => {
                let left = ground
                    .trial
                    .is_on()
                    .then(|| ground.trial.leave(&format!("{error:#}")));
                match left.transpose()?.flatten() {
                    Some(why) => why,
                    None => return Err(error),
                }
            }
            None if long => {
                building.told = true;
                let took = format!("no engine was built within {} s", limit.as_secs());
                let left = ground.trial.is_on().then(|| ground.trial.leave(&took));
                match left.transpose()?.flatten() {
                    Some(why) => why,
                    None => {
                        let words = format!(
                            "{took}: no part is inspected; send rollback_model or activate_model, or restart the station"
                        );
                        ground.events.set(AlarmKind::EngineNotBuilt, Some(words));
                        continue;
                    }
                }
            }
            None => continue,
        };
        tell(why);
        building = Building::start(station, recipe)?;
    }
}
