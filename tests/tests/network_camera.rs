//! A network camera whose server is killed while the line runs: its parts are NotDecidable and rejected, and it is back
//! within five seconds of its server's return.

use serde_json::Value;
use sightline_tests::process::Killed;
use sightline_tests::station::Station;
use sightline_tests::{free_port, project, until};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

fn serve(port: u16) -> Killed {
    let mut server = Command::new(env!("CARGO_BIN_EXE_rtsp_server"));
    let child = server
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = Killed(child.expect("the RTSP server starts"));
    until("the RTSP server listens", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    child
}

fn config(port: u16) -> String {
    format!(
        r#"
recipe = "recipe.toml"
[station]
enterprise = "test"
site = "test"
area = "test"
line = "test"
cell = "test"
name = "test"
[[cameras]]
name = "network"
source = {{ kind = "rtsp", url = "rtsp://127.0.0.1:{port}/cam" }}
width = 320
height = 240
stall_ms = 800
health = {{ dark_below = 0.0, frozen_after = 0, focus_share = 0.0 }}
[trigger]
kind = "rate"
hz = 4.0
[gate]
kind = "none"
at = {{ delay_ms = 1000.0 }}
"#
    )
}

fn recipe() -> String {
    let bundle = project().join("models/pcb-detector");
    format!(
        r#"
schema = "sightline.recipe.v1"
external_id = "BALL"
internal_id = "ball"
version = "1"
deadline_ms = 900.0
[[models]]
name = "model"
bundle = "{}"
[[views]]
name = "view"
camera = "network"
model = "model"
offset_ms = 100.0
window_ms = 80.0
reference = {{ picture = "golden.png" }}
"#,
        bundle.display()
    )
}

fn seen(result: &Value) -> bool {
    result["views"][0].get("missed").is_none()
}

fn rejected_undecided(result: &Value) -> bool {
    result["evaluation"] == "NotDecidable" && result["disposition"] == "reject"
}

#[test]
fn parts_without_their_camera_are_rejected_and_it_comes_back() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let server = serve(port);
    std::fs::write(folder.path().join("recipe.toml"), recipe()).expect("written");
    std::fs::write(folder.path().join("station.toml"), config(port)).expect("written");
    image::GrayImage::new(320, 240)
        .save(folder.path().join("golden.png"))
        .expect("written");

    let mut station = Station::run(&folder.path().join("station.toml"));
    let (_, count) = station.wait_for("parts that are seen", 0, seen);
    drop(server);
    let (_, count) = station.wait_for("parts without a camera", count, rejected_undecided);
    station.wait_for("more of them", count + 4, rejected_undecided);
    assert!(
        station.results()[count + 1..]
            .iter()
            .all(|r| seen(r) || rejected_undecided(r))
    );
    let from = station.results().len();
    let _server = serve(port);
    let (took, _) = station.wait_for("the camera is back", from, seen);
    assert!(took < Duration::from_secs(5), "back after {took:?}");
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let results = station.results();
    assert!(
        results.iter().all(|r| seen(r) || rejected_undecided(r)),
        "unknown is never OK"
    );
    let seqs: Vec<u64> = results.iter().filter_map(|r| r["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}
