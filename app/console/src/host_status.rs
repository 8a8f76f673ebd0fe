//! The computer: what the kernel says of processor, memory, disk and temperatures.

use std::fs;
use std::path::{Path, PathBuf};

/// A field of a `/proc` file in kB, in bytes.
pub fn kib(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(field));
    let number = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.unwrap_or(0) * 1_024
}

/// Free bytes and all bytes of the disk under `path`.
pub fn disk(path: &Path) -> (u64, u64) {
    rustix::fs::statvfs(path).map_or((0, 0), |s| {
        (s.f_bavail * s.f_frsize, s.f_blocks * s.f_frsize)
    })
}

pub fn temperatures() -> Vec<(String, f32)> {
    let zones = fs::read_dir("/sys/class/thermal").into_iter().flatten();
    let zone = |path: PathBuf| {
        let name = fs::read_to_string(path.join("type")).ok()?;
        let milli: f32 = fs::read_to_string(path.join("temp"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some((name.trim().to_owned(), (milli / 1e3).round()))
    };
    let mut all: Vec<_> = zones.flatten().filter_map(|e| zone(e.path())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

pub fn os_name() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}
