//! The process that proves: `sightline prove-worker` reads a task on standard input and says how it goes on standard output.

use super::{Event, Files, On, Task};
use crate::cli::output::{self, Blame, Outcome};
use crate::models::backend::Backend;
use crate::models::golden_picture;
use anyhow::Context;
use rustix::process::{Resource, Rlimit, Signal};
use sightline_domain::{
    CameraId, FrameId, FrameMeta, Generation, Health, MonoTime, PixelFormat, Timing, TrackId,
    UtcMicros, ViewId, ViewTag,
};
use sightline_engine::bundle::Color;
use sightline_engine::bundle::golden::Golden;
use sightline_engine::{
    BatchView, Bundle, Engine, EngineSettings, Precision, Reference, RegionOutput, tiles,
};
use sightline_frames::{FramePool, MemoryWish, PoolConfig};
use std::io::Read;
use std::path::Path;

/// Largest task read, bytes.
const MAX_TASK: u64 = 1 << 20;
/// Address space beyond the memory limit: libraries, stacks, mapped files.
const MAPPED_MB: u64 = 4_096;

/// What the process does, asked by the process `parent`.
pub fn run(parent: i32) -> Outcome {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot be made to end with the process that asked")
        .failed()?;
    let mine = rustix::process::getppid().map(|p| p.as_raw_nonzero().get());
    let orphan = "the process that asked has ended";
    (mine == Some(parent))
        .then_some(())
        .context(orphan)
        .failed()?;
    let mut text = Vec::new();
    let read = std::io::stdin().take(MAX_TASK).read_to_end(&mut text);
    read.context("no task on standard input").wrong_use()?;
    let task: Task = serde_json::from_slice(&text).wrong_use()?;
    output::json_line(&step("reading the bundle".into()));
    confine(&task).failed()?;
    prove(&task, &mut |event| output::json_line(&event));
    Ok(())
}

/// Bounds this process.
fn confine(task: &Task) -> anyhow::Result<()> {
    let bound = |resource, most: u64| {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        rustix::process::setrlimit(resource, limit)
            .with_context(|| format!("cannot bound {resource:?}"))
    };
    let memory = task.limits.memory_mb << 20;
    bound(Resource::Core, 0)?;
    bound(Resource::Data, memory)?;
    // CUDA reserves address space as large as all GPUs and the main memory together.
    if task.on.iter().all(|on| on.engine.starts_with("onnx")) {
        bound(Resource::As, memory + (MAPPED_MB << 20))?;
    }
    let goldens = Bundle::load(&task.bundle).map_or(0, |b| b.manifest().golden.len());
    // Every engine, every precision, loading and each picture: the watch outside looks at each step alone.
    let steps = (task.on.len() * 3 * (goldens + 1)) as f64;
    let makes_plans = task.on.iter().any(|on| on.engine.starts_with("tensorrt"));
    let most = task.limits.step(makes_plans) * steps;
    bound(Resource::Cpu, most.ceil() as u64)
}

/// What a model said of every golden picture.
struct Answers {
    /// Engine and precision.
    whose: String,
    outputs: Vec<RegionOutput>,
}

/// Proves, and says how it goes; the last word is [`Event::Done`].
pub fn prove(task: &Task, say: &mut dyn FnMut(Event)) {
    let bundle = match Bundle::load(&task.bundle) {
        Ok(bundle) => bundle,
        Err(error) => return give_up(say, "the bundle", &error.to_string()),
    };
    let goldens = match (bundle.proof_gaps(), bundle.goldens()) {
        (Ok(gaps), Ok(goldens)) => {
            let ends = task.ends_at_gaps && !gaps.is_empty();
            gaps.into_iter().for_each(|gap| say(Event::Gap(gap)));
            if ends {
                return say(Event::Done);
            }
            goldens
        }
        (Err(error), _) | (_, Err(error)) => return give_up(say, "the bundle", &error.to_string()),
    };
    let mut first: Option<Answers> = None;
    for on in &task.on {
        for answers in on_engine(&bundle, &goldens, on, task, say) {
            match &first {
                Some(first) => compare(&bundle, &goldens, first, &answers, say),
                None => first = Some(answers),
            }
        }
    }
    say(Event::Done);
}

fn step(what: String) -> Event {
    Event::Step {
        what,
        makes_a_plan: false,
    }
}

fn give_up(say: &mut dyn FnMut(Event), what: &str, reason: &str) {
    say(Event::Cannot {
        what: what.into(),
        reason: reason.into(),
    });
    say(Event::Done);
}

/// Runs the files that `on` names; those that cannot be run are told and left out.
fn on_engine(
    bundle: &Bundle,
    goldens: &[Golden],
    on: &On,
    task: &Task,
    say: &mut dyn FnMut(Event),
) -> Vec<Answers> {
    say(step(format!("opening {}", on.engine)));
    let backend = match Backend::open(&on.engine, on.library.clone()) {
        Ok(backend) => backend,
        Err(error) => {
            say(Event::Cannot {
                what: on.engine.clone(),
                reason: format!("{error:#}"),
            });
            return Vec::new();
        }
    };
    let mut all = Vec::new();
    for precision in precisions(bundle, &backend, on.files) {
        let settings = EngineSettings {
            precision,
            provider: backend.provider().to_owned(),
            ..EngineSettings::default()
        };
        let what = format!(
            "{} on {}",
            precision.map_or("the chosen file", Precision::name),
            on.engine
        );
        say(Event::Step {
            what: format!("loading {what}"),
            makes_a_plan: on.engine.starts_with("tensorrt"),
        });
        let answers = backend
            .build(bundle, &settings)
            .map_err(anyhow::Error::from)
            .and_then(|engine| answers(bundle, goldens, engine, say));
        match answers {
            Ok(answers) => all.push(answers),
            Err(error) => say(Event::Cannot {
                reason: in_words(&format!("{error:#}"), task),
                what,
            }),
        }
    }
    all
}

/// Says which limit it was, where a library only says that there is no memory.
fn in_words(reason: &str, task: &Task) -> String {
    let starved = [
        "bad_alloc",
        "bad allocation",
        "allocate",
        "out of memory",
        "not enough memory",
    ];
    if starved.iter().any(|words| reason.contains(words)) {
        return format!("{}: {reason}", super::report::too_much_memory(task));
    }
    reason.to_owned()
}

fn precisions(bundle: &Bundle, backend: &Backend, files: Files) -> Vec<Option<Precision>> {
    match files {
        Files::Chosen(precision) => vec![precision],
        Files::Every => {
            let all = [Precision::Fp32, Precision::Fp16, Precision::Int8];
            let can = |p: &Precision| {
                let settings = EngineSettings {
                    precision: Some(*p),
                    provider: backend.provider().to_owned(),
                    ..EngineSettings::default()
                };
                backend.info(bundle, &settings).is_ok()
            };
            all.into_iter().filter(can).map(Some).collect()
        }
    }
}

/// Shows an engine every golden picture.
fn answers(
    bundle: &Bundle,
    goldens: &[Golden],
    mut engine: Box<dyn Engine>,
    say: &mut dyn FnMut(Event),
) -> anyhow::Result<Answers> {
    let whose = engine.info().name.clone();
    let classes = engine.info().classes.clone();
    let mut outputs = Vec::new();
    for (n, golden) in goldens.iter().enumerate() {
        let picture = name_of(golden);
        let (n, of) = (n + 1, goldens.len());
        say(step(format!("picture {n} of {of}, {picture} by {whose}")));
        let output = answer(bundle, golden, &mut *engine)?;
        let differences = golden.differences(&output, &classes);
        say(Event::Looked {
            whose: whose.clone(),
            picture,
            differences,
        });
        outputs.push(output);
    }
    say(step(format!("closing {whose}")));
    drop(engine);
    Ok(Answers { whose, outputs })
}

/// What an engine says of one golden picture.
pub fn answer(
    bundle: &Bundle,
    golden: &Golden,
    engine: &mut dyn Engine,
) -> anyhow::Result<RegionOutput> {
    let format = match bundle.manifest().input.color {
        Color::Gray => PixelFormat::Gray8,
        _ => PixelFormat::Rgb,
    };
    let view = view(&golden.image, golden.reference.as_deref(), format)?;
    Ok(tiles::look(engine, view, golden.tiles)?)
}

fn name_of(golden: &Golden) -> String {
    let name = golden.image.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Two engines or precisions that say different things of the same picture.
fn compare(
    bundle: &Bundle,
    goldens: &[Golden],
    first: &Answers,
    second: &Answers,
    say: &mut dyn FnMut(Event),
) {
    let classes: Vec<_> = bundle.manifest().classes.iter().map(|c| c.info()).collect();
    let pairs = first.outputs.iter().zip(&second.outputs);
    for (golden, (a, b)) in goldens.iter().zip(pairs) {
        let expected = golden.expecting(a, bundle.manifest());
        let differences = expected.map_or_else(Vec::new, |g| g.differences(b, &classes));
        if !differences.is_empty() {
            say(Event::Disagree {
                one: first.whose.clone(),
                other: second.whose.clone(),
                picture: name_of(golden),
                differences,
            });
        }
    }
}

/// A picture file as an engine takes it.
fn view(path: &Path, reference: Option<&Path>, format: PixelFormat) -> anyhow::Result<BatchView> {
    let picture = golden_picture::load(path, format)?;
    let pool = FramePool::new(PoolConfig {
        name: "golden".into(),
        slots: 1,
        slot_bytes: picture.layout.len,
        memory: MemoryWish::Plain,
    })?;
    let mut slot = pool.open().context("a new pool has no free slot")?;
    slot.bytes_mut()[..picture.layout.len].copy_from_slice(&picture.bytes);
    let lease = slot.seal(FrameMeta {
        camera: CameraId(0),
        frame_id: FrameId(0),
        captured: MonoTime(0),
        captured_utc: UtcMicros(0),
        timing: Timing::default(),
        numbered: true,
        width: picture.width,
        height: picture.height,
        format,
        levels: sightline_domain::Levels::guessed(format, picture.height),
        layout: picture.layout,
        health: Health::Ok,
        host_copies: 1,
    })?;
    let reference = reference
        .map(|r| golden_picture::load(r, format))
        .transpose()?;
    let tag = ViewTag {
        track_id: TrackId(1),
        view: ViewId(0),
        generation: Generation(0),
        deadline: MonoTime(u64::MAX),
        enqueued: MonoTime(0),
    };
    Ok(BatchView {
        lease,
        reference: reference.map(|r| Reference::Shared(r.into())),
        tag,
    })
}
