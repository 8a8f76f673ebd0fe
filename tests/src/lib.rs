//! The rig for end-to-end tests: the real binary, real brokers, real subscribers, in scratch folders on free ports.
//!
//! Where to start: [`station::Station`] runs `sightline` on a configuration, [`broker`] has mosquitto.
//! What a test needs and the machine lacks is an error that names `make setup`, never a silent skip.

pub mod boards;
pub mod broker;
pub mod campaign;
pub mod process;
pub mod python;
pub mod requester;
pub mod scripted;
pub mod sparkplug_host;
pub mod station;
pub mod uplink;

use sightline_domain::{Clock, SystemClock};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A port nobody uses now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Seconds since 1970.
pub fn now_s() -> f64 {
    SystemClock::default().utc().0 as f64 / 1e6
}

/// Waits until `done`, or fails naming `what`.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < PATIENCE,
            "waited {PATIENCE:?} for: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the project's folder")
}

/// The test data beside the project, where there is any; says aloud when there is none.
pub fn dataset(file: &str) -> Option<PathBuf> {
    let path = project().join("../shared/datasets").join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {file} is not on this machine (expected it in ../shared/datasets beside the project)"
    );
    None
}
