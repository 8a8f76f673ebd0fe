//! `sightline bench`: the line against the ceiling of its own engine, in one run on this box.
//!
//! Three measurements in turn, so that speed drift of the machine touches all of them: the ceiling (the same model file
//! in a bare loop, best arrangement), the line as configured at a moderate load (latency, CPU, memory), the line with
//! more parts than it can take (rate). The ceiling is measured again at the end; the mean of the two counts.

use crate::cli::args::BenchArgs;
use crate::cli::gpu;
use crate::cli::output::{self, Blame, Outcome};
use crate::models::engines::{EngineRoom, Models};
use crate::station::process_times::{self, Cpu};
use crate::station::{assemble, options::RunOptions};
use anyhow::Context;
use serde_json::{Value, json};
use sightline_configs::station::{GateAt, GateKind, Simulation, Trigger};
use sightline_configs::{Loaded, Recipe, Station};
use sightline_flow::{FlowCounters, StageSummary};
use sightline_onnx::Measured;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Share of the ceiling at which latency is measured.
const MODERATE: f64 = 0.6;
/// Load over the ceiling at which the rate is measured.
const MORE_THAN_IT_TAKES: f64 = 1.15;
/// Not counted: engines and caches warm up.
const WARM_UP: Duration = Duration::from_secs(1);
/// In the saturated line nothing may be too late.
const NO_HURRY_MS: f64 = 600_000.0;

/// Measures.
pub fn bench(args: &BenchArgs) -> Outcome {
    let (mut config, recipe) = sightline_configs::load(&args.config).wrong_use()?;
    if let Some(engine) = &args.engine {
        config.value.engine.name.clone_from(engine);
    }
    let room = EngineRoom::open(&config.value.engine, &config.base).wrong_use()?;
    let models = Arc::new(room.open_models(&recipe).wrong_use()?);
    let time = Duration::from_secs_f64(args.seconds.max(2.0));
    let bench = Bench {
        config,
        recipe,
        room,
        models,
        time,
    };
    let figures = bench.measure().failed()?;
    if args.json {
        output::json_line(&figures)
    } else {
        print(&figures)
    }
    Ok(())
}

struct Bench {
    config: Loaded<Station>,
    recipe: Loaded<Recipe>,
    room: EngineRoom,
    models: Arc<Models>,
    time: Duration,
}

/// What one run of the line showed.
struct Run {
    counters: FlowCounters,
    views_per_s: f64,
    verdicts: u64,
    first_verdict: Duration,
    cpu: Cpu,
    host_copies: u64,
    frames: u64,
}

impl Bench {
    fn measure(&self) -> anyhow::Result<Value> {
        let before = self.ceiling()?;
        let views = self.recipe.value.views.len() as f64;
        let moderate = self.run(self.at_rate(before / views * MODERATE, false)?)?;
        let peak_rss_mb = process_times::peak_rss_mb();
        let saturated = self.at_rate(before / views * MORE_THAN_IT_TAKES, true)?;
        let (saturated, gpu) = gpu::watched(|| self.run(saturated));
        let saturated = saturated?;
        let after = self.ceiling()?;
        let ceiling = (before + after) / 2.0;
        let (_, settings) = self.models.first();
        let tuning = self
            .room
            .backend
            .tune(self.models.first().0, settings, self.room.cores())?;
        let answer = |m: &Measured| {
            json!({
                "instances": m.arrangement.instances,
                "threads": m.arrangement.threads,
                "per_s": m.regions_per_s,
                "latency_ms": m.latency_ms,
            })
        };
        let info = self.models.facts()?;
        let stages = &moderate.counters.stages;
        let ms = |us: u64| us as f64 / 1e3;
        let spread = |s: &StageSummary| json!({"p50": ms(s.p50_us), "p99": ms(s.p99_us), "p999": ms(s.p999_us), "max": ms(s.max_us)});
        let micros = |s: &StageSummary| json!({"mean": s.mean_us, "p50": s.p50_us, "p99": s.p99_us, "max": s.max_us});
        Ok(json!({
            "kind": "bench",
            "line_rate_per_s": saturated.views_per_s,
            "ceiling_per_s": ceiling,
            "ratio": saturated.views_per_s / ceiling,
            "overlap": saturated.overlap(),
            "gpu": gpu,
            "cpu_ms_per_view": moderate.cpu_ms_per_view(),
            "source_cpu_ms_per_view": moderate.source_cpu_ms_per_view(),
            "host_copies_per_view": moderate.host_copies as f64 / moderate.frames.max(1) as f64,
            "trigger_to_verdict_ms": spread(&stages.trigger_to_verdict),
            "own_ms": spread(&stages.own_after_capture),
            "stages_us": {
                "capture": micros(&stages.capture),
                "engine_busy": micros(&stages.engine_busy),
                "batch_wait": micros(&stages.batch_wait),
                "queue": micros(&stages.queue),
                "preprocess": micros(&stages.preprocess),
                "infer": micros(&stages.infer),
                "postprocess": micros(&stages.postprocess),
                "judge": micros(&stages.judge),
            },
            "peak_rss_mb": peak_rss_mb,
            "start_to_first_verdict_ms": moderate.first_verdict.as_secs_f64() * 1e3,
            "parts_at_moderate_load": moderate.verdicts,
            "not_decidable_at_moderate_load": moderate.counters.line.not_decidable,
            "engine": info.first().map(|m| m.model_ref.engine.clone()),
            "threads": {"instances": self.models.chosen.instances, "threads": self.models.chosen.threads},
            "automatic": tuning.map(|t| json!({"throughput": answer(&t.throughput), "latency": answer(&t.latency)})),
            "cameras": self.config.value.cameras.len(),
            "batch": saturated.counters.line.batch_views as f64 / saturated.counters.line.batches.max(1) as f64,
        }))
    }

    /// The model's network alone in a bare loop, in the arrangement that gives most.
    fn ceiling(&self) -> anyhow::Result<f64> {
        let (bundle, settings) = self.models.first();
        let (cores, time) = (self.room.cores(), self.time / 2);
        Ok(self.room.backend.ceiling(bundle, settings, cores, time)?)
    }

    /// The station with its simulated belt at `parts_per_s`. Without a simulated line it runs as it is.
    fn at_rate(
        &self,
        parts_per_s: f64,
        saturated: bool,
    ) -> anyhow::Result<(Loaded<Station>, Loaded<Recipe>)> {
        let (mut config, mut recipe) = (self.config.clone(), self.recipe.clone());
        config.value.mqtt = None;
        config.value.journal = None;
        if let (Some(simulation), Trigger::Simulated {}) =
            (&mut config.value.simulation, &config.value.trigger)
        {
            simulation.faults.clear();
            let spacing = (simulation.spacing_min_mm + simulation.spacing_max_mm) / 2.0;
            let faster = parts_per_s * spacing / simulation.speed_mm_s;
            *simulation = Simulation {
                speed_mm_s: simulation.speed_mm_s * faster,
                ..simulation.clone()
            };
            if let GateAt::EncoderCounts(counts) = &mut config.value.gate.at {
                *counts = (*counts as f64 * faster) as i64;
            }
        }
        if saturated {
            config.value.gate.kind = GateKind::None;
            recipe.value.deadline_ms = NO_HURRY_MS;
            let backlog = parts_per_s * self.time.as_secs_f64() * 0.3 + 32.0;
            for camera in &mut config.value.cameras {
                // A view may bring its golden picture in a second slot.
                camera.slots = camera.slots.max(2 * backlog as usize);
            }
        }
        Ok((config, recipe))
    }

    fn run(&self, (config, recipe): (Loaded<Station>, Loaded<Recipe>)) -> anyhow::Result<Run> {
        let begin = Instant::now();
        let seen = Arc::new(AtomicBool::new(false));
        let flag = seen.clone();
        let options = RunOptions {
            models: Some(self.models.clone()),
            on_result: Some(Box::new(move |_| flag.store(true, Ordering::Relaxed))),
            ..RunOptions::default()
        };
        let running = assemble::start(&config, &recipe, options)?;
        while !seen.load(Ordering::Relaxed) {
            anyhow::ensure!(
                begin.elapsed() < Duration::from_secs(30),
                "no verdict within 30 s; see `sightline check --probe`"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        let first_verdict = begin.elapsed();
        std::thread::sleep(WARM_UP);
        running.flow.reset_stages();
        let (start, views, verdicts) = (
            Instant::now(),
            answered(&running.flow.counters()),
            running.flow.counters().line.verdicts,
        );
        let cpu_before = Cpu::now().context("CPU times of this process")?;
        std::thread::sleep(self.time);
        let cpu = Cpu::now()?.since(&cpu_before);
        let counters = running.flow.counters();
        let elapsed = start.elapsed();
        let statuses: Vec<_> = running.cameras.iter().map(|c| c.status()).collect();
        let (frames, host_copies) = statuses.iter().fold((0, 0), |(f, c), s| {
            (f + s.counts.frames, c + s.counts.host_copies)
        });
        running.stop(crate::station::running::LAST_PARTS);
        Ok(Run {
            views_per_s: (answered(&counters) - views) as f64 / elapsed.as_secs_f64(),
            verdicts: counters.line.verdicts - verdicts,
            counters,
            first_verdict,
            cpu,
            host_copies,
            frames,
        })
    }
}

fn answered(counters: &FlowCounters) -> u64 {
    counters.line.batch_views
}

impl Run {
    /// Processor time of the cameras' threads, per view: what makes the pictures, and their health.
    fn source_cpu_ms_per_view(&self) -> f64 {
        self.cpu.sources.as_secs_f64() * 1e3 / self.views()
    }

    /// Processor time outside network and cameras, per view: all other threads, and pixels and decoding on the engine
    /// threads.
    fn cpu_ms_per_view(&self) -> f64 {
        let own =
            self.counters.stages.preprocess.mean_us + self.counters.stages.postprocess.mean_us;
        self.cpu.others.as_secs_f64() * 1e3 / self.views() + own / 1e3
    }

    /// How much of making batches ready (uploads and preprocessing) ran beside the network; 0 on engines that do one
    /// thing at a time.
    fn overlap(&self) -> f64 {
        let line = &self.counters.line;
        line.overlap_us as f64 / line.prepare_us.max(1) as f64
    }

    fn views(&self) -> f64 {
        self.counters.stages.infer.count.max(1) as f64 * self.views_per_part()
    }

    fn views_per_part(&self) -> f64 {
        let line = &self.counters.line;
        line.batch_views as f64 / line.parts.max(1) as f64
    }
}

fn print(figures: &Value) {
    let Value::Object(fields) = figures else {
        return;
    };
    for (name, value) in fields.iter().filter(|(name, _)| *name != "kind") {
        match value.as_f64() {
            Some(number) => output::say(&format!("{name:>32}: {number:.3}")),
            None => output::say(&format!("{name:>32}: {value}")),
        }
    }
}
