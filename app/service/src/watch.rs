//! What changes slowly and is looked at a few times a second: cameras, conservation, key figures.

use crate::events::Events;
use crate::station::Running;
use serde_json::json;
use sightline_flow::FlowCounters;
use sightline_ingest::CameraState;
use sightline_model::{AlarmSeverity, UtcMicros};
use sightline_uplink::{Counters, Uplink};
use sightline_verdict::{InFlight, InspectionPlan};

/// Looks once.
pub fn look(running: &Running) {
    for camera in &running.cameras {
        let status = camera.status();
        let down = match status.state {
            CameraState::Stalled | CameraState::Retrying | CameraState::Failed => Some(format!(
                "camera {}: expected frames, found it {}: {}; its parts are rejected until it is back",
                camera.name(),
                status.state.name(),
                status.reason
            )),
            _ => None,
        };
        running.events.set(
            format!("camera.{}.down", camera.name()),
            AlarmSeverity::High,
            down,
        );
    }
    let counters = running.flow.counters();
    if let Some(uplink) = &running.uplink {
        uplink.kpi(kpi(&counters, &uplink.counters(), running.clock.utc()));
    }
}

/// triggers = parts = verdicts = dispositions = results = acknowledged + pending, at rest.
pub fn check_conservation(events: &Events, flow: &FlowCounters, uplink: Option<&Counters>) -> bool {
    let mut all = flow.line.conservation();
    match uplink {
        Some(uplink) => (all.acknowledged, all.pending) = (uplink.acknowledged, uplink.pending),
        None => all.acknowledged = all.published,
    }
    let gap = all.check(&InFlight::default()).err();
    events.set(
        "conservation-gap".into(),
        AlarmSeverity::Urgent,
        gap.as_ref().map(ToString::to_string),
    );
    gap.is_none()
}

fn kpi(flow: &FlowCounters, uplink: &Counters, at: UtcMicros) -> Vec<u8> {
    let line = &flow.line;
    let decided = line.verdicts.max(1) as f64;
    let body = json!({
        "schema": "sightline.kpi.v1",
        "at": at.to_rfc3339(),
        "parts": line.parts,
        "ok": line.ok,
        "not_ok": line.not_ok,
        "not_decidable": line.not_decidable,
        "passed": line.passed,
        "rejected": line.rejected,
        "first_pass_yield": line.ok as f64 / decided,
        "trigger_to_verdict_ms": {
            "p50": flow.stages.trigger_to_verdict.p50_us as f64 / 1e3,
            "p99": flow.stages.trigger_to_verdict.p99_us as f64 / 1e3,
            "max": flow.stages.trigger_to_verdict.max_us as f64 / 1e3,
        },
        "acknowledged": uplink.acknowledged,
        "pending": uplink.pending,
    });
    body.to_string().into_bytes()
}

/// `recipe/active` and `model/active`.
pub fn tell_recipe(uplink: &Uplink, plan: &InspectionPlan, since: UtcMicros) {
    let since = since.to_rfc3339();
    let recipe = json!({
        "schema": "sightline.active.v1",
        "id": plan.recipe.external_id,
        "internal_id": plan.recipe.internal_id,
        "version": plan.recipe.version,
        "digest": plan.recipe.hash,
        "generation": plan.generation,
        "since": since,
        "by": "configuration",
    });
    uplink.retain("recipe/active", recipe.to_string().into_bytes());
    let models: Vec<_> = plan.models.iter().flat_map(|m| &m.refs).collect();
    let body = json!({"schema": "sightline.active.v1", "models": models, "since": since, "by": "configuration"});
    uplink.retain("model/active", body.to_string().into_bytes());
}
