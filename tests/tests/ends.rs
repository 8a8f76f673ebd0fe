//! The station goes on although nobody takes its log, and ends within five seconds of SIGTERM, whatever hangs.

use sightline_tests::process::Killed;
use sightline_tests::station::binary;
use sightline_tests::{free_port, project, until};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The demo's line with a gate that sticks after two seconds.
fn stuck_gate(folder: &Path) -> PathBuf {
    let configs = project().join("configs");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let text = text
        .replace("recipes/demo-board.toml", recipe.to_str().expect("UTF-8"))
        .replace("127.0.0.1:1884", &format!("127.0.0.1:{}", free_port()));
    let fault = "\n[[simulation.faults]]\nkind = \"gate-stuck\"\nat_s = 2.0\nfor_s = 600.0\n";
    let path = folder.join("station.toml");
    std::fs::write(&path, text + fault).expect("written");
    path
}

/// Starts the station with this stderr; its results are counted.
fn start(config: &Path, stderr: Stdio) -> (Killed, Arc<AtomicUsize>) {
    let mut child = Command::new(binary())
        .args(["-v", "run", "--json", "--config"])
        .arg(config)
        .current_dir(project())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("sightline");
    let results = Arc::new(AtomicUsize::new(0));
    let (stdout, count) = (child.stdout.take().expect("piped"), results.clone());
    std::thread::spawn(move || {
        for _ in BufReader::new(stdout).lines().map_while(Result::ok) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (Killed(child), results)
}

fn terminated(station: &mut Killed) -> Duration {
    let asked = Instant::now();
    station.signal("TERM");
    while station.0.try_wait().expect("wait").is_none() {
        assert!(asked.elapsed() < Duration::from_secs(20), "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    asked.elapsed()
}

#[test]
fn with_a_full_stderr_and_a_stuck_gate_the_station_goes_on_and_ends_in_time() {
    let folder = tempfile::tempdir().expect("scratch");
    let (kept_open, mut pipe) = std::io::pipe().expect("pipe");
    // As much as a pipe holds: the next write waits for ever.
    pipe.write_all(&[b'x'; 65_536]).expect("room");
    let (mut station, results) = start(&stuck_gate(folder.path()), pipe.into());
    let count = || results.load(Ordering::Relaxed);
    until("results", || count() > 0);
    // The gate is held by then, and every thread that has something to log has met it.
    std::thread::sleep(Duration::from_secs(6));
    let at: Vec<String> = std::fs::read_dir(format!("/proc/{}/task", station.0.id()))
        .expect("threads")
        .flatten()
        .filter(|t| {
            let call = std::fs::read_to_string(t.path().join("syscall")).unwrap_or_default();
            call.starts_with("1 0x2 ")
        })
        .map(|t| std::fs::read_to_string(t.path().join("comm")).unwrap_or_default())
        .collect();
    assert!(
        at.iter().all(|name| name.trim() == "sl-log"),
        "waiting for stderr: {at:?}"
    );
    let took = terminated(&mut station);
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(kept_open);
}

#[test]
fn a_held_gate_does_not_hold_sigterm() {
    let folder = tempfile::tempdir().expect("scratch");
    let log = std::fs::File::create(folder.path().join("log")).expect("log");
    let (mut station, _) = start(&stuck_gate(folder.path()), log.into());
    let said = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    until("the gate is stuck", || said().contains("gate-unconfirmed"));
    let took = terminated(&mut station);
    assert!(took < Duration::from_secs(5), "{took:?}: {}", said());
}
