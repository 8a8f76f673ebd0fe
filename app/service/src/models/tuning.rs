//! The automatic arrangement of engine instances and threads: measured once on this box, then remembered.

use serde::{Deserialize, Serialize};
use sightline_configs::station::{Arrangement, Automatic};
use sightline_engine::{Bundle, EngineSettings};
use sightline_onnx::{Arrangement as Measured, OnnxFactory, tune};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long each candidate is measured.
const EACH: Duration = Duration::from_millis(250);

/// Instances and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Engine threads of ours.
    pub instances: usize,
    /// Threads inside each engine.
    pub threads: usize,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Remembered {
    throughput: Chosen,
    latency: Chosen,
}

/// What `wish` means for `bundle` on `cores` cores.
pub fn arrange(
    wish: Arrangement,
    factory: &OnnxFactory,
    bundle: &Bundle,
    settings: &EngineSettings,
    cores: usize,
) -> anyhow::Result<Chosen> {
    let automatic = match wish {
        Arrangement::Fixed { instances, threads } => return Ok(Chosen { instances, threads }),
        Arrangement::Automatic(automatic) => automatic,
    };
    if cores == 1 {
        return Ok(Chosen {
            instances: 1,
            threads: 1,
        });
    }
    let digest = &bundle.model_file(settings.precision)?.entry.sha256;
    let key = format!(
        "{digest} {} {cores} {} {}",
        settings.provider,
        cpu_name(),
        factory.runtime().build_info()
    );
    let mut memory = load();
    let remembered = match memory.get(&key) {
        Some(remembered) => *remembered,
        None => {
            tracing::info!(
                bundle = bundle.manifest().name,
                cores,
                "measuring how best to use the cores, once"
            );
            let tuned = tune(factory, bundle, settings, cores, EACH)?;
            let chosen = |m: sightline_onnx::Measured| {
                let Measured { instances, threads } = m.arrangement;
                Chosen { instances, threads }
            };
            let measured = Remembered {
                throughput: chosen(tuned.throughput),
                latency: chosen(tuned.latency),
            };
            memory.insert(key, measured);
            save(&memory);
            measured
        }
    };
    Ok(match automatic {
        Automatic::Throughput => remembered.throughput,
        Automatic::Latency => remembered.latency,
    })
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info
        .lines()
        .find(|l| l.starts_with("model name") || l.starts_with("CPU part"));
    line.and_then(|l| l.split(':').nth(1))
        .unwrap_or("unknown processor")
        .trim()
        .to_string()
}

/// systemd's folder for the service, else the user's cache.
fn file() -> Option<PathBuf> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let folder = from("STATE_DIRECTORY")
        .or_else(|| from("XDG_CACHE_HOME").map(|c| c.join("sightline")))
        .or_else(|| from("HOME").map(|h| h.join(".cache/sightline")))?;
    Some(folder.join("arrangements.json"))
}

fn load() -> BTreeMap<String, Remembered> {
    let text = file()
        .and_then(|f| std::fs::read(f).ok())
        .unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Best effort: without it the next start measures again.
fn save(memory: &BTreeMap<String, Remembered>) {
    let Some(file) = file() else { return };
    let partial = file.with_extension("partial");
    let written = file
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&partial, serde_json::to_vec_pretty(memory)?))
        .and_then(|()| std::fs::rename(&partial, &file));
    if let Err(error) = written {
        tracing::warn!(%error, file = %file.display(), "the measured arrangement is not remembered");
    }
}
