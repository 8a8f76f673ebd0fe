//! How fast a bundle's network alone is on this box, arrangement by arrangement, and what the engine around it costs:
//! `cargo run --release -p sightline-onnx --example ceiling -- BUNDLE [CORES] [SECONDS]`.

use sightline_engine::{Bundle, EngineSettings, Spinning};
use sightline_onnx::{LibrarySearch, OnnxFactory, tune};
use std::error::Error;
use std::path::Path;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .ok_or("usage: ceiling BUNDLE [CORES] [SECONDS]")?;
    let cores = arguments.next().map_or(Ok(2), |n| n.parse())?;
    let seconds = arguments.next().map_or(Ok(3.0), |n| n.parse())?;
    let bundle = Bundle::load(Path::new(&folder))?;
    let factory = OnnxFactory::new(&LibrarySearch::usual(None))?;
    for file in bundle.manifest().files.iter().filter(|f| f.role == "model") {
        for spinning in [Spinning::Off, Spinning::On] {
            let settings = EngineSettings {
                precision: file.precision,
                spinning,
                ..EngineSettings::default()
            };
            let each = Duration::from_secs_f64(seconds);
            let tuning = tune(&factory, &bundle, &settings, cores, each)?;
            for m in &tuning.tried {
                println!(
                    "{} spinning {spinning:?}: {} x {} threads: {:.1}/s, {:.2} ms",
                    file.path,
                    m.arrangement.instances,
                    m.arrangement.threads,
                    m.regions_per_s,
                    m.latency_ms
                );
            }
        }
    }
    Ok(())
}
