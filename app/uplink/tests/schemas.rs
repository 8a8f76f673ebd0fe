//! The published schemas are what the types say.

use schemars::{Schema, schema_for};
use sightline_uplink::payload::{
    ActiveModels, ActiveRecipe, AlarmMessage, Answer, AuditMessage, GapMessage, Kpi, ReviewMessage,
    StateMessage, Status,
};
use std::path::Path;

fn compare(name: &str, schema: &Schema) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/schemas");
    let path = folder.join(format!("sightline.{name}.v1.json"));
    let made = serde_json::to_string_pretty(schema).expect("JSON") + "\n";
    if std::env::var_os("SIGHTLINE_UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &made).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "{} is not what the types say; run with SIGHTLINE_UPDATE_GOLDENS=1 and look at the difference",
        path.display()
    );
}

#[test]
fn every_message_beside_the_results_has_its_schema() {
    compare("status", &schema_for!(Status));
    compare("state", &schema_for!(StateMessage));
    compare("kpi", &schema_for!(Kpi));
    compare("alarm", &schema_for!(AlarmMessage));
    compare("answer", &schema_for!(Answer));
    compare("audit", &schema_for!(AuditMessage));
    compare("gap", &schema_for!(GapMessage));
    compare("review", &schema_for!(ReviewMessage));
    compare("active_recipe", &schema_for!(ActiveRecipe));
    compare("active_models", &schema_for!(ActiveModels));
}
