//! The GPU's clocks and power while `bench` measures, where the box tells them.

use serde_json::Value;

#[cfg(feature = "tensorrt")]
mod watch {
    use serde_json::{Value, json};
    use sightline_tensorrt::power::{Meter, Reading};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::JoinHandle;
    use std::time::Duration;

    /// Time between looks.
    const LOOK: Duration = Duration::from_millis(100);

    /// Looks until it is told to stop.
    pub struct Watch {
        stop: Arc<AtomicBool>,
        thread: JoinHandle<Vec<Reading>>,
    }

    impl Watch {
        pub fn start() -> Option<Self> {
            let meter = Meter::open()?;
            let stop = Arc::new(AtomicBool::new(false));
            let asked = stop.clone();
            let look = move || {
                let mut readings = Vec::new();
                while !asked.load(Ordering::Relaxed) {
                    readings.push(meter.read());
                    std::thread::sleep(LOOK);
                }
                readings
            };
            let thread = std::thread::Builder::new().name("sl-gpu-watch".into());
            Some(Self {
                stop,
                thread: thread.spawn(look).ok()?,
            })
        }

        pub fn finish(self) -> Value {
            self.stop.store(true, Ordering::Relaxed);
            let readings = self.thread.join().unwrap_or_default();
            let of = |pick: fn(&Reading) -> Option<f64>| {
                let all: Vec<f64> = readings.iter().filter_map(pick).collect();
                let mean = all.iter().sum::<f64>() / all.len().max(1) as f64;
                let least = all.iter().copied().reduce(f64::min);
                let most = all.iter().copied().reduce(f64::max);
                least.map(|least| json!({"min": least, "mean": mean, "max": most}))
            };
            json!({
                "gpu_mhz": of(|r| r.gpu_mhz.map(f64::from)),
                "memory_mhz": of(|r| r.memory_mhz.map(f64::from)),
                "power_w": of(|r| r.power_w),
                "temperature_c": of(|r| r.temperature_c),
            })
        }
    }
}

/// What `work` gives, and how the GPU was meanwhile; null without one, or without the feature `tensorrt`.
pub fn watched<T>(work: impl FnOnce() -> T) -> (T, Value) {
    #[cfg(feature = "tensorrt")]
    {
        let watch = watch::Watch::start();
        let done = work();
        (done, watch.map_or(Value::Null, watch::Watch::finish))
    }
    #[cfg(not(feature = "tensorrt"))]
    (work(), Value::Null)
}
