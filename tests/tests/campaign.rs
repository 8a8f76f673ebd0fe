//! A handful of kills of the delivery campaign; `--bin campaign` runs hundreds.

use std::process::Command;

#[test]
fn every_committed_result_arrives_in_order_through_kills_and_cuts() {
    let run = Command::new(env!("CARGO_BIN_EXE_campaign"))
        .args(["--kills", "12", "--seed", "7", "--rate", "300"])
        .output()
        .expect("the campaign");
    let (said, log) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{said}\n{log}");
    let report: serde_json::Value =
        serde_json::from_str(said.lines().last().expect("a report")).expect("JSON");
    assert!(
        report["books"]["committed"].as_u64() > Some(100),
        "{report}"
    );
}
