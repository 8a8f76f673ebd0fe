//! `sightline camera test NAME`: what the station thinks of a camera, live.

use crate::cli::args::CameraTestArgs;
use crate::cli::output::{self, Blame, Failure, Outcome};
use crate::cli::signals::Stop;
use anyhow::{Context, anyhow};
use serde::Serialize;
use sightline_configs::station::{Expects, Source, Trigger};
use sightline_configs::{Loaded, Recipe, Station};
use sightline_domain::{CameraId, FrameMeta, Health, MissReason, SystemClock, TimeSource};
use sightline_frames::{MemoryWish, TapSink, Tapped};
use sightline_ingest::{CameraContext, CameraHandle, CameraStatus, measure};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines.
const EVERY: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(50);
/// Room that frame times need between two windows, ms.
const ROOM_MS: f64 = 2.0;

/// What came since the last line, or in all.
#[derive(Clone, Debug, Default)]
struct Seen {
    frames: u64,
    missed: u64,
    unhealthy: u64,
    damaged: u64,
    /// Distances of capture times, ms.
    intervals: Vec<f64>,
    last: Option<FrameMeta>,
    worst_uncertainty_ms: f64,
    levels: Option<(u8, u8)>,
    mean: f32,
    contrast: f32,
    noise: f32,
    sharpness: f32,
}

#[derive(Default)]
struct Watcher(Mutex<(Seen, Seen)>);

impl Watcher {
    fn both(&self) -> MutexGuard<'_, (Seen, Seen)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TapSink for Watcher {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        let mut both = self.both();
        let (recent, all) = &mut *both;
        match item {
            Tapped::View(view) => {
                let picture = view.lease.picture();
                let seen = measure(&picture);
                let first_plane = picture.layout.strides[0] * picture.height as usize;
                let sample = picture.bytes.iter().take(first_plane).step_by(61);
                let levels = sample.fold(None, |range: Option<(u8, u8)>, level| {
                    let (low, high) = range.unwrap_or((*level, *level));
                    Some((low.min(*level), high.max(*level)))
                });
                for to in [recent, all] {
                    to.frame(view.lease.meta(), levels);
                    (to.mean, to.sharpness) = (seen.level, seen.sharpness);
                    (to.contrast, to.noise) = (seen.contrast, seen.noise);
                }
            }
            Tapped::Missed(missed) if missed.reason != MissReason::CameraDown => {
                recent.missed += 1;
                all.missed += 1;
            }
            Tapped::Missed(_) => {}
        }
        Ok(())
    }
}

impl Seen {
    fn frame(&mut self, meta: &FrameMeta, levels: Option<(u8, u8)>) {
        self.frames += 1;
        self.unhealthy += u64::from(meta.health != Health::Ok);
        self.damaged += u64::from(meta.health == Health::Corrupt);
        if let Some(last) = self.last.replace(*meta) {
            self.intervals.push(ms(meta.captured.since(last.captured)));
        }
        let uncertainty = ms(meta.timing.uncertainty);
        self.worst_uncertainty_ms = self.worst_uncertainty_ms.max(uncertainty);
        self.levels = match (self.levels, levels) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (a, b) => a.or(b),
        };
    }
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

/// Which windows are safe.
#[derive(Debug, Serialize)]
struct Windows {
    /// Smaller ones would miss frames, ms.
    at_least_ms: Option<f64>,
    /// Larger ones could be two parts', ms.
    at_most_ms: Option<f64>,
    says: String,
}

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    camera: String,
    state: &'static str,
    reason: String,
    frames: u64,
    rate_hz: Option<f64>,
    interval_ms: Option<f64>,
    jitter_ms: Option<f64>,
    time_source: Option<TimeSource>,
    uncertainty_ms: Option<f64>,
    worst_uncertainty_ms: f64,
    late_ms: Option<f64>,
    numbered_by_source: Option<bool>,
    /// What proves that its pictures are whole.
    proof: &'static str,
    lost: u64,
    missed: u64,
    damaged: u64,
    unhealthy: u64,
    size: Option<(u32, u32)>,
    levels: Option<(u8, u8)>,
    /// How they are read.
    range: Option<String>,
    contrast: f32,
    noise: f32,
    mean_level: f32,
    sharpness: f32,
    window: Option<Windows>,
}

/// Opens one camera and tells what comes of it.
pub fn test(args: &CameraTestArgs) -> Outcome {
    let (station, recipe) = sightline_configs::load(&args.config).wrong_use()?;
    let names = || station.value.cameras.iter().map(|c| c.name.as_str());
    let index = names().position(|name| name == args.name).with_context(|| {
        let known = names().collect::<Vec<_>>().join(", ");
        format!(
            "expected the name of a camera, found `{}`; known: {known}",
            args.name
        )
    });
    let index = index.wrong_use()?;
    let watcher = Arc::new(Watcher::default());
    let camera = open(&station, index, &watcher)?;
    let stop = Stop::on_signals().failed()?;
    let begun = Instant::now();
    let over = |begun: Instant| {
        args.seconds
            .is_some_and(|seconds| begun.elapsed().as_secs_f64() >= seconds)
    };
    let over = || stop.asked() || over(begun) || camera.done();
    while !over() {
        let next = Instant::now() + EVERY;
        while Instant::now() < next && !over() {
            std::thread::sleep(LOOK);
        }
        let recent = std::mem::take(&mut watcher.both().0);
        tell(&line("second", &camera, &recent, None), args.json);
    }
    let all = watcher.both().1.clone();
    let windows = windows(&station.value, &recipe.value, index, &all);
    let last = line("summary", &camera, &all, Some(windows));
    let frames = last.frames;
    tell(&last, args.json);
    let status = camera.status();
    camera.stop().failed()?;
    if frames > 0 {
        return Ok(());
    }
    Err(Failure::Ran(anyhow!(
        "camera `{}` gave no frame: {}: {}",
        args.name,
        status.state.name(),
        status.reason
    )))
}

fn open(station: &Loaded<Station>, index: usize, watcher: &Arc<Watcher>) -> Outcome<CameraHandle> {
    let config = station.value.cameras[index].clone();
    if matches!(config.source, Source::Simulated { .. }) {
        let name = config.name;
        return Err(Failure::Use(anyhow!(
            "camera `{name}` is simulated: it is as good as its line, there is nothing to test"
        )));
    }
    sightline_ingest::start(CameraContext {
        id: CameraId(index as u16),
        config,
        memory: MemoryWish::Auto,
        sink: watcher.clone(),
        clock: Arc::new(SystemClock::default()),
        source: None,
        base_dir: station.base.clone(),
        wants_reference: false,
        raised: false,
    })
    .wrong_use()
}

/// Median and mean distance from it.
fn spread(intervals: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = intervals.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = *sorted.get(sorted.len() / 2)?;
    let off = sorted.iter().map(|i| (i - middle).abs()).sum::<f64>();
    Some((middle, off / sorted.len() as f64))
}

fn line(kind: &'static str, camera: &CameraHandle, seen: &Seen, window: Option<Windows>) -> Line {
    let CameraStatus {
        state,
        reason,
        timing,
        proof,
        levels,
        counts,
        ..
    } = camera.status();
    let rhythm = spread(&seen.intervals);
    let last = seen.last.as_ref();
    Line {
        kind,
        camera: camera.name().to_string(),
        state: state.name(),
        reason: reason.to_string(),
        frames: seen.frames,
        rate_hz: rhythm.map(|(interval, _)| 1e3 / interval.max(1e-3)),
        interval_ms: rhythm.map(|(interval, _)| interval),
        jitter_ms: rhythm.map(|(_, jitter)| jitter),
        time_source: last.map(|meta| meta.timing.source),
        uncertainty_ms: last.map(|meta| ms(meta.timing.uncertainty)),
        worst_uncertainty_ms: seen.worst_uncertainty_ms,
        late_ms: timing.map(|(_, late)| ms(late)),
        proof: proof.says(),
        numbered_by_source: last.map(|meta| meta.numbered),
        lost: counts.lost,
        missed: seen.missed,
        damaged: seen.damaged,
        unhealthy: seen.unhealthy,
        size: last.map(|meta| (meta.width, meta.height)),
        levels: seen.levels,
        range: levels.map(|levels| levels.to_string()),
        contrast: seen.contrast,
        noise: seen.noise,
        mean_level: seen.mean,
        sharpness: seen.sharpness,
        window,
    }
}

/// Which trigger window this camera needs, and which one the line allows.
fn windows(station: &Station, recipe: &Recipe, index: usize, seen: &Seen) -> Windows {
    let camera = &station.cameras[index];
    let uncertainty = seen.last.as_ref().map(|meta| ms(meta.timing.uncertainty));
    let unsure = match station.trigger {
        Trigger::Command { uncertainty_ms, .. } => uncertainty_ms,
        _ => 0.0,
    };
    let rhythm = spread(&seen.intervals);
    let at_least = uncertainty
        .zip(rhythm)
        .map(|(uncertainty, (interval, jitter))| {
            let own = uncertainty + unsure + 3.0 * jitter;
            match camera.expects {
                // one of its pictures must surely lie within
                Expects::Stream => interval / 2.0 + own,
                Expects::Trigger => uncertainty + unsure + ROOM_MS,
            }
        });
    let spacing = sightline_configs::part_spacing_ms(station);
    let at_most = spacing.map(|spacing| (spacing - 2.0 * unsure - ROOM_MS) / 2.0);
    let mine = recipe.views.iter().filter(|v| v.camera == camera.name);
    let set: Vec<_> = mine
        .map(|v| format!("`{}` {} ms", v.name, v.window_ms))
        .collect();
    let says = match (at_least, at_most) {
        (None, _) => "too few frames to say which window is safe".to_owned(),
        (Some(least), None) => format!(
            "window_ms of at least {least:.1}; write trigger.spacing_ms to know the most; set: {}",
            set.join(", ")
        ),
        (Some(least), Some(most)) if least <= most => format!(
            "window_ms from {least:.1} to {most:.1}; set: {}",
            set.join(", ")
        ),
        (Some(least), Some(most)) => format!(
            "no window is safe: this camera needs at least {least:.1} ms, and parts come so near that {most:.1} ms is the \
             most; trigger the camera, raise its rate, or space the parts; set: {}",
            set.join(", ")
        ),
    };
    Windows {
        at_least_ms: at_least,
        at_most_ms: at_most,
        says,
    }
}

fn tell(line: &Line, json: bool) {
    if json {
        return output::json_line(line);
    }
    let number = |n: Option<f64>| n.map_or("-".to_owned(), |n| format!("{n:.1}"));
    let (low, high) = line.levels.unwrap_or_default();
    output::say(&format!(
        "{:<10} {:>5} frames  {:>6}/s  jitter {:>5} ms  time {} ±{} ms, late {} ms  lost {}  missed {}  damaged {}  unfit {}  \
         levels {low}-{high} mean {:.0} contrast {:.0} noise {:.1}  sharpness {:.0}  {}",
        line.state,
        line.frames,
        number(line.rate_hz),
        number(line.jitter_ms),
        line.time_source.map_or("-", TimeSource::name),
        number(line.uncertainty_ms),
        number(line.late_ms),
        line.lost,
        line.missed,
        line.damaged,
        line.unhealthy,
        line.mean_level,
        line.contrast,
        line.noise,
        line.sharpness,
        line.range.as_deref().unwrap_or("-"),
    ));
    if line.frames == 0 || line.state == "unusable" {
        output::say(&format!("           {}", line.reason));
    }
    if let Some(window) = &line.window {
        let own = match line.numbered_by_source {
            Some(true) => "its frames are counted by the source, so that losses are known",
            _ => "its frames have no numbers of their own, so that losses are not known",
        };
        output::say(&format!("{}; {own}", window.says));
        output::say(&format!("proof that pictures are whole: {}", line.proof));
    }
}
