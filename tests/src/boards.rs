//! Boards drawn by the simulated line, as a COCO data set.

use crate::project;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Draws `count` boards, the share `good` of them without a defect, into `folder`; returns the COCO file.
pub fn drawn_boards(folder: &Path, count: u32, good: f32) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut export = Command::new(cargo);
    export.args(["run", "--quiet", "--locked"]);
    export.args(["--package", "sightline-simulation"]);
    export.args(["--example", "export_boards", "--"]);
    export.args(["--count", &count.to_string(), "--seed", "20261"]);
    export.args(["--good-share", &good.to_string(), "--out"]);
    let status = export.arg(folder).current_dir(project()).status();
    assert!(status.expect("cargo").success());
    let mut found = std::fs::read_dir(folder.join("annotations"))
        .expect("annotations")
        .flatten()
        .map(|e| e.path());
    found
        .find(|p| p.extension().is_some_and(|e| e == "json"))
        .expect("a COCO file")
}
