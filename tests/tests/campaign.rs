//! A handful of blows of the delivery campaign, each kind at least once; `--bin campaign` runs hundreds.

use std::process::Command;

#[test]
fn every_committed_result_arrives_in_order_whatever_is_struck() {
    let run = Command::new(env!("CARGO_BIN_EXE_campaign"))
        .args(["--kills", "24", "--seed", "7", "--rate", "300"])
        .output()
        .expect("the campaign");
    let (said, log) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{said}\n{log}");
    // Shown by a runner that shows what passes, as is what was skipped.
    print!("{said}");
    for skipped in log.lines().filter(|line| line.starts_with("SKIPPED")) {
        eprintln!("{skipped}");
    }
    let report: serde_json::Value =
        serde_json::from_str(said.lines().last().expect("a report")).expect("JSON");
    assert!(
        report["books"]["committed"].as_u64() > Some(100),
        "{report}"
    );
    let blows = report["blows"].as_object().expect("counts");
    assert!(
        blows.len() >= 13 && blows.values().all(|n| n.as_u64() > Some(0)),
        "{report}"
    );
    assert!(
        report["books"]["clock_went_back"].as_u64() > Some(0),
        "{report}"
    );
    for kind in ["swallowed", "quota", "then_cut"] {
        let count = &report["acknowledgements"][kind];
        assert!(count.as_u64() > Some(0), "{kind}: {report}");
    }
}
