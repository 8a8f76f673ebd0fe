//! What changes slowly and is looked at a few times a second: cameras, conservation, key figures.

use crate::alarms::list::Events;
use crate::models::changeover::Changeover;
use crate::station::{assemble::aside, running::Running};
use sightline_domain::{AlarmKind, UtcMicros};
use sightline_flow::FlowCounters;
use sightline_ingest::CameraState;
use sightline_uplink::payload::{ActiveModels, ActiveRecipe, Kpi, KpiTimes, to_json};
use sightline_uplink::{Counters, Uplink};
use sightline_verdict::{InFlight, InspectionPlan};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Looks once, and gives back the counters it saw.
pub fn look(running: &Running) -> FlowCounters {
    for camera in &running.cameras {
        let status = camera.status();
        let down = match status.state {
            // Opening a source again is no evidence that it is back.
            CameraState::Connecting => continue,
            CameraState::Stalled | CameraState::Retrying | CameraState::Failed => Some(format!(
                "camera {}: expected frames, found it {}: {}; its parts are rejected until it is back",
                camera.name(),
                status.state.name(),
                status.reason
            )),
            _ => None,
        };
        let id = AlarmKind::CameraDown.of(camera.name());
        running.events.set(id, down);
    }
    let counters = running.flow.counters();
    running.doubts.look(running, &counters);
    if !look_at_trial(running, &counters) && counters.workers == 0 {
        stand_in(running);
    } else {
        running.events.set(AlarmKind::EngineNoStandIn, None);
    }
    running.control.look_at_challenge(running);
    let refused = running.changeover.refused();
    running.events.set(AlarmKind::RecipeReload, refused);
    let lost = running.losses.look(&counters);
    running.events.set(AlarmKind::ConservationGap, lost);
    if let Some(journal) = &running.journal {
        running.keeping.look(journal, &running.events);
    }
    if let Some(uplink) = &running.uplink {
        for condition in uplink.conditions() {
            running.events.set(condition.id, condition.raised);
        }
        let delivery = uplink.counters();
        if !delivery.full {
            running.events.set(AlarmKind::OutboxFull, None);
        }
        uplink.kpi(kpi(&counters, &delivery, running.clock.utc()));
    }
    counters
}

/// Models on trial are confirmed by what they judge, and left where their engines die or do not come back. True: they are
/// being left.
fn look_at_trial(running: &Running, counters: &FlowCounters) -> bool {
    let trial = running.trial.clone();
    if trial.is_stood(counters) {
        aside("sl-trial", move || {
            if let Err(error) = trial.confirm() {
                tracing::error!("that the models stood their trial is not written down: {error:#}");
            }
        });
        return false;
    }
    let failed = counters.workers == 0 || counters.hanging > 0;
    if !failed || !trial.is_on() {
        return false;
    }
    let (changeover, events) = (running.changeover.clone(), running.events.clone());
    let why = match counters.workers {
        0 => "their engines failed and could not be made anew",
        _ => "an engine did not come back from a picture",
    };
    trial.mark_left();
    aside("sl-trial", move || {
        let words = match trial.leave(why) {
            Ok(Some(words)) => words,
            Ok(None) => return,
            Err(error) => format!("the models on trial fail and cannot be left: {error:#}"),
        };
        tracing::error!("{words}");
        events.set(AlarmKind::ModelsTrialFailed, Some(words));
        if let Err(error) = changeover.to_recipe(&changeover.active().file, "trial") {
            tracing::error!("the last good models do not take over: {error:#}");
        }
    });
    true
}

/// No engine is left: another takes over where one is configured. If it does not start either, that is not tried again.
fn stand_in(running: &Running) {
    if running.losses.stand_in_tried.swap(true, Relaxed) {
        return;
    }
    let lost = running.models.engine_name.clone();
    let (changeover, events) = (running.changeover.clone(), running.events.clone());
    aside("sl-stand-in", move || {
        to_stand_in(&changeover, &events, &lost)
    });
}

fn to_stand_in(changeover: &Changeover, events: &Events, lost: &str) {
    let (kind, words) = match changeover.to_stand_in() {
        Ok(Some(name)) => {
            tracing::error!(lost, name, "no engine is left; another took over");
            (
                AlarmKind::EngineStandIn,
                format!(
                    "engine `{lost}` failed and could not be made anew: `{name}` inspects instead, with other times; restart the station to have `{lost}` back"
                ),
            )
        }
        Ok(None) => return,
        Err(error) => (
            AlarmKind::EngineNoStandIn,
            format!(
                "engine `{lost}` failed, and its stand-in does not start: {error:#}; every part is rejected"
            ),
        ),
    };
    events.set(kind, Some(words));
}

/// Looks for parts that have neither a result nor are on their way.
#[derive(Default)]
pub struct Losses {
    seen: Mutex<Gap>,
    stand_in_tried: AtomicBool,
}

#[derive(Default)]
struct Gap {
    parts: i64,
    /// Looks that found the same.
    looks: u32,
    /// Parts that a person has seen to.
    settled: i64,
}

/// Counters are read while the line runs, so a difference is a gap only if it stays for so many looks.
const LOOKS: u32 = 10;

impl Losses {
    /// What is lost, in words, once it is certain.
    fn look(&self, counters: &FlowCounters) -> Option<String> {
        let line = &counters.line;
        let taken = line.triggers - line.duplicate_triggers;
        let gap = taken as i64 - line.results as i64 - counters.open_parts as i64;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.looks = match seen.parts == gap {
            true => seen.looks.saturating_add(1),
            false => 0,
        };
        seen.parts = gap;
        (gap != seen.settled && seen.looks >= LOOKS).then(|| {
            format!(
                "expected {taken} triggers to be results or open parts, found {} results and {} open parts; stop the line and sort the parts out by hand",
                line.results, counters.open_parts
            )
        })
    }

    /// A person has sorted out by hand what is missing now.
    pub fn settle(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.settled = seen.parts;
    }
}

/// triggers = parts = verdicts = dispositions = results = acknowledged + pending, at rest.
pub fn check_conservation(events: &Events, flow: &FlowCounters, uplink: Option<&Counters>) -> bool {
    let mut all = flow.line.conservation();
    match uplink {
        Some(uplink) => {
            // Those of earlier runs are acknowledged first, and are not this run's.
            let old = uplink.carried.min(uplink.acknowledged);
            all.acknowledged = uplink.acknowledged - old;
            all.pending = uplink.pending.saturating_sub(uplink.carried - old);
        }
        None => all.acknowledged = all.published,
    }
    let gap = all.check(&InFlight::default()).err();
    let words = gap.as_ref().map(ToString::to_string);
    events.set(AlarmKind::ConservationGap, words);
    gap.is_none()
}

fn kpi(flow: &FlowCounters, uplink: &Counters, at: UtcMicros) -> Vec<u8> {
    let line = &flow.line;
    let decided = line.verdicts.max(1) as f64;
    let took = &flow.stages.trigger_to_verdict;
    let ms = |us: u64| us as f64 / 1e3;
    to_json(&Kpi {
        schema: "sightline.kpi.v1".into(),
        at: at.to_rfc3339(),
        parts: line.parts,
        ok: line.ok,
        not_ok: line.not_ok,
        not_decidable: line.not_decidable,
        passed: line.passed,
        rejected: line.rejected,
        first_pass_yield: line.ok as f64 / decided,
        trigger_to_verdict_ms: KpiTimes {
            p50: ms(took.p50_us),
            p99: ms(took.p99_us),
            max: ms(took.max_us),
        },
        acknowledged: uplink.acknowledged,
        pending: uplink.pending,
    })
}

/// `recipe/active` and `model/active`; `by` asked for them.
pub fn tell_recipe(uplink: &Uplink, plan: &InspectionPlan, since: UtcMicros, by: &str) {
    let since = since.to_rfc3339();
    let recipe = ActiveRecipe {
        schema: "sightline.active_recipe.v1".into(),
        id: plan.recipe.external_id.clone(),
        internal_id: plan.recipe.internal_id.clone(),
        version: plan.recipe.version.clone(),
        digest: plan.recipe.hash.clone(),
        generation: plan.generation.0,
        since: since.clone(),
        by: by.into(),
    };
    uplink.retain("recipe/active", to_json(&recipe));
    let models = ActiveModels {
        schema: "sightline.active_models.v1".into(),
        models: plan.models.iter().flat_map(|m| m.refs.clone()).collect(),
        since,
        by: by.into(),
    };
    uplink.retain("model/active", to_json(&models));
}
