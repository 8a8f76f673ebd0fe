//! Python with packages from PyPI, in an environment of its own.

use crate::project;
use std::path::PathBuf;
use std::process::Command;

/// What tests ask of PyPI.
const PACKAGES: [&str; 3] = ["pycocotools==2.0.11", "numpy", "paho-mqtt==2.1.0"];

/// An interpreter that has them, made once; says aloud when it cannot be had.
pub fn python() -> Option<PathBuf> {
    let environment = project().join(".sightline/test-python");
    let python = environment.join("bin/python");
    let runs = |arguments: &[&str]| {
        Command::new(&python)
            .args(arguments)
            .output()
            .is_ok_and(|o| o.status.success())
    };
    if runs(&["-c", "import numpy, pycocotools, paho.mqtt.client"]) {
        return Some(python);
    }
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment)
        .status()
        .is_ok_and(|s| s.success());
    let install = [&["-m", "pip", "install", "--quiet"][..], &PACKAGES].concat();
    if made && runs(&install) {
        return Some(python);
    }
    eprintln!("SKIPPED: {PACKAGES:?} could not be installed (no network, or no python3-venv)");
    // Half an environment would look whole the next time; it may not be there at all.
    let _ = std::fs::remove_dir_all(&environment);
    None
}
