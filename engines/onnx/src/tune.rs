//! How many instances of how many threads suit this box: a short measurement of the network alone, in a bare loop.
//!
//! The same loop is the ceiling that a whole line is compared with: no pixels, no decoding, no queues.

use crate::OnnxFactory;
use sightline_engine::{Bundle, EngineError, EngineSettings};
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Engines side by side, and threads of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arrangement {
    /// Engines.
    pub instances: usize,
    /// Threads of each.
    pub threads: usize,
}

/// What an arrangement did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The arrangement.
    pub arrangement: Arrangement,
    /// Regions a second, all instances together.
    pub regions_per_s: f64,
    /// Median time of one run of one region, milliseconds.
    pub latency_ms: f64,
}

/// The answers for a box.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// Most regions a second.
    pub throughput: Measured,
    /// Shortest single run.
    pub latency: Measured,
    /// All that was tried.
    pub tried: Vec<Measured>,
}

/// Arrangements worth trying on `cores` cores: every count of threads that divides them, as often as it fits.
fn arrangements(cores: usize) -> Vec<Arrangement> {
    let cores = cores.max(1);
    (1..=cores)
        .filter(|threads| cores.is_multiple_of(*threads))
        .map(|threads| Arrangement {
            instances: cores / threads,
            threads,
        })
        .collect()
}

/// Measures every arrangement of `cores` cores for `each`, `settings.threads` apart.
///
/// # Errors
/// Whatever building an engine or running it says.
pub fn tune(
    factory: &OnnxFactory,
    bundle: &Bundle,
    settings: &EngineSettings,
    cores: usize,
    each: Duration,
) -> Result<Tuning, EngineError> {
    let mut tried = Vec::new();
    for arrangement in arrangements(cores) {
        tried.push(measure(factory, bundle, settings, arrangement, each)?);
        // the same threads with the box to themselves may be quicker for one region
        if arrangement.instances > 1 {
            let alone = Arrangement {
                instances: 1,
                ..arrangement
            };
            tried.push(measure(factory, bundle, settings, alone, each)?);
        }
    }
    let by_rate = |a: &&Measured, b: &&Measured| a.regions_per_s.total_cmp(&b.regions_per_s);
    let by_latency = |a: &&Measured, b: &&Measured| a.latency_ms.total_cmp(&b.latency_ms);
    let (Some(&throughput), Some(&latency)) = (
        tried.iter().max_by(by_rate),
        tried.iter().min_by(by_latency),
    ) else {
        unreachable!("one core has one arrangement")
    };
    Ok(Tuning {
        throughput,
        latency,
        tried,
    })
}

/// Runs the network alone, `arrangement.instances` times side by side, for `duration` after a warm-up.
///
/// # Errors
/// Whatever building an engine or running it says.
pub fn measure(
    factory: &OnnxFactory,
    bundle: &Bundle,
    settings: &EngineSettings,
    arrangement: Arrangement,
    duration: Duration,
) -> Result<Measured, EngineError> {
    let settings = EngineSettings {
        threads: arrangement.threads,
        max_batch: 1,
        ..settings.clone()
    };
    let engines = (0..arrangement.instances).map(|_| factory.engine(bundle, &settings));
    let engines = engines.collect::<Result<Vec<_>, _>>()?;
    let barrier = Barrier::new(engines.len());
    let loops = std::thread::scope(|scope| {
        let threads: Vec<_> = engines
            .into_iter()
            .map(|mut engine| {
                let barrier = &barrier;
                scope.spawn(move || bare_loop(&mut engine.network, barrier, duration))
            })
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| {
                Err(EngineError::Run {
                    reason: "a measuring thread panicked".to_owned(),
                })
            })
        };
        threads
            .into_iter()
            .map(join)
            .collect::<Result<Vec<Loop>, _>>()
    })?;
    let mut latencies: Vec<f64> = loops
        .iter()
        .flat_map(|l| l.runs_ms.iter().copied())
        .collect();
    latencies.sort_by(f64::total_cmp);
    Ok(Measured {
        arrangement,
        regions_per_s: loops.iter().map(|l| l.regions_per_s).sum(),
        latency_ms: latencies[latencies.len() / 2],
    })
}

/// One instance's loop.
struct Loop {
    regions_per_s: f64,
    runs_ms: Vec<f64>,
}

fn bare_loop(
    network: &mut crate::network::Network,
    barrier: &Barrier,
    duration: Duration,
) -> Result<Loop, EngineError> {
    let regions = network.max_batch();
    fill_with_noise(network.input_mut(regions)?);
    // the first runs lay out memory
    let warm = (0..2).try_for_each(|_| network.run(regions));
    barrier.wait();
    warm?;
    let start = Instant::now();
    let mut runs_ms = Vec::new();
    let mut at = start;
    loop {
        network.run(regions)?;
        let now = Instant::now();
        runs_ms.push((now - at).as_secs_f64() * 1e3);
        at = now;
        if at - start >= duration {
            break;
        }
    }
    Ok(Loop {
        regions_per_s: (runs_ms.len() * regions) as f64 / (at - start).as_secs_f64(),
        runs_ms,
    })
}

/// Values like those of a picture in 0..1: zeros could be quicker, or slower where they make denormals.
fn fill_with_noise(input: &mut [f32]) {
    let mut state = 0x9e37_79b9_u32;
    for value in input {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (state >> 8) as f32 / (1 << 24) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cores_are_two_singles_or_one_pair() {
        let pairs: Vec<_> = arrangements(2)
            .iter()
            .map(|a| (a.instances, a.threads))
            .collect();
        assert_eq!(pairs, [(2, 1), (1, 2)]);
        assert_eq!(arrangements(0).len(), 1);
        assert_eq!(arrangements(8).len(), 4);
    }
}
