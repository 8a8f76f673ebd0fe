//! `sightline model`: look at, check and pack bundles, and the store on the command line.

use crate::cli::{ModelCommand, StoreArgs};
use crate::picture;
use crate::report::{self, Blame, Failure, Outcome};
use crate::store::Store;
use anyhow::{Context, anyhow};
use serde_json::json;
use sightline_engine::bundle::{archive, draft};
use sightline_engine::{
    Batch, BatchView, Bundle, EngineFactory, EngineSettings, Precision, Reference,
};
use sightline_frames::{FramePool, MemoryWish, PoolConfig};
use sightline_model::{
    CameraId, FrameId, FrameMeta, Generation, Health, MonoTime, PixelFormat, Timing, TrackId,
    UtcMicros, ViewId, ViewTag,
};
use sightline_onnx::{LibrarySearch, OnnxFactory, inspect};
use std::path::Path;

/// What a line of an installation begins with that tells how far it is.
pub const STEP: &str = "step: ";

/// Does one of them.
pub fn model(command: &ModelCommand) -> Outcome {
    match command {
        ModelCommand::Inspect { path, .. } if path.is_dir() => show(path),
        ModelCommand::Inspect {
            path,
            decoder,
            classes,
        } => inspect_onnx(path, decoder.as_ref(), classes),
        ModelCommand::Verify { bundle, precision } => verify(bundle, precision.as_deref()),
        ModelCommand::Pack { bundle, output } => {
            let bundle = Bundle::load(bundle).wrong_use()?;
            archive::pack(&bundle, output).failed()?;
            eprintln!("wrote {}", output.display());
            Ok(())
        }
        ModelCommand::Install {
            store,
            bundle,
            sha256,
            gently,
        } => {
            if *gently {
                rustix::process::nice(19)
                    .context("cannot lower the priority")
                    .failed()?;
            }
            eprintln!("{STEP}comparing and unpacking");
            let proved = |bundle: &Bundle| {
                eprintln!("{STEP}proving it on its golden pictures");
                verify_bundle(bundle, None).map_err(|f| anyhow!("{f}"))
            };
            let (name, version) = open(store)?
                .install(bundle, sha256.as_deref(), proved)
                .failed()?;
            eprintln!("installed {name} {version}");
            Ok(())
        }
        ModelCommand::List { store, json } => {
            for (name, version, looks) in open(store)?.list().failed()? {
                if *json {
                    let bundle = json!({"name": name, "version": version, "active": looks});
                    report::json_line(&bundle);
                    continue;
                }
                let mark = if looks { "  active" } else { "" };
                report::say(&format!("{name} {version}{mark}"));
            }
            Ok(())
        }
        ModelCommand::Activate {
            store,
            name,
            version,
        } => {
            open(store)?.activate(name, version).failed()?;
            eprintln!("{name} {version} looks from the next start or reload");
            Ok(())
        }
        ModelCommand::Rollback { store, name } => {
            let (_, now) = open(store)?.rollback(name).failed()?;
            eprintln!("{name} looks {now} from the next start or reload");
            Ok(())
        }
    }
}

fn open(which: &StoreArgs) -> Outcome<Store> {
    let folder = match (&which.store, &which.config) {
        (Some(folder), _) => folder.clone(),
        (None, Some(config)) => {
            let (station, _) = sightline_configs::load(config).wrong_use()?;
            let models = station.value.models;
            let models = models.with_context(|| {
                format!(
                    "expected [models] in {}, found no such section",
                    config.display()
                )
            });
            station.base.join(models.wrong_use()?.store)
        }
        (None, None) => return Err(Failure::Use(anyhow!("write --store or --config"))),
    };
    Store::open(&folder).failed()
}

fn show(path: &Path) -> Outcome {
    let bundle = Bundle::load(path).wrong_use()?;
    let m = bundle.manifest();
    report::say(&format!(
        "{} {} ({:?}), {}",
        m.name, m.version, m.task, m.license
    ));
    report::say(&format!("source: {}", m.source));
    for file in &m.files {
        report::say(&format!(
            "file: {} {} bytes sha256 {}",
            file.path, file.size, file.sha256
        ));
    }
    let i = &m.input;
    report::say(&format!(
        "input: {} {}x{} {:?} {:?} {:?}",
        i.name, i.width, i.height, i.color, i.resize, i.channels
    ));
    report::say(&format!(
        "decoder: {} version {}",
        m.decoder.kind.name(),
        m.decoder.version
    ));
    for class in &m.classes {
        let limit = class.default_limit;
        report::say(&format!(
            "class {}: {} ({}), {:?}, limit {limit}",
            class.id, class.code, class.name.en, class.severity
        ));
    }
    report::say(&format!("golden pictures: {}", m.golden.len()));
    Ok(())
}

fn inspect_onnx(path: &Path, decoder: Option<&String>, classes: &[String]) -> Outcome {
    let factory = OnnxFactory::new(&LibrarySearch::usual(None)).failed()?;
    let info = inspect(factory.runtime(), path).wrong_use()?;
    let choice = draft::Choice {
        decoder: decoder.cloned(),
        classes: classes.to_vec(),
    };
    let drafted = draft::draft(&info, &choice).wrong_use()?;
    eprintln!("read as: {}", drafted.read_as);
    for weights in &info.weights {
        eprintln!(
            "weights: {}, to be copied into the bundle beside the model",
            weights.path
        );
    }
    for guess in &drafted.guesses {
        eprintln!("guessed: {guess}");
    }
    eprintln!("check every guess, then save what follows as manifest.toml beside the model");
    report::raw_line(drafted.manifest_toml.as_bytes());
    Ok(())
}

fn verify(path: &Path, precision: Option<&str>) -> Outcome {
    let unpacked = tempfile::tempdir()
        .context("cannot make a scratch folder")
        .failed()?;
    let bundle = if path.is_dir() {
        Bundle::load(path)
    } else {
        archive::unpack(path, &unpacked.path().join("bundle"))
    };
    verify_bundle(&bundle.wrong_use()?, precision)
}

/// Runs every golden picture in every precision the bundle has, or the one asked for.
fn verify_bundle(bundle: &Bundle, precision: Option<&str>) -> Outcome {
    let factory = OnnxFactory::new(&LibrarySearch::usual(None)).failed()?;
    let all = [Precision::Fp32, Precision::Int8];
    let has = |p: &Precision| bundle.model_file(Some(*p)).is_ok();
    let wanted: Vec<Precision> = match precision {
        Some(name) => all.into_iter().filter(|p| p.name() == name).collect(),
        None => all.into_iter().filter(has).collect(),
    };
    let mut wrong = 0;
    for precision in wanted {
        wrong += verify_precision(&factory, bundle, precision)?;
    }
    match wrong {
        0 => Ok(()),
        n => Err(Failure::Ran(anyhow!(
            "{n} golden pictures are not as expected; do not use this bundle on this box"
        ))),
    }
}

/// Runs every golden picture; returns how many are not as expected.
fn verify_precision(
    factory: &OnnxFactory,
    bundle: &Bundle,
    precision: Precision,
) -> Outcome<usize> {
    let settings = EngineSettings {
        precision: Some(precision),
        ..EngineSettings::default()
    };
    let mut engine = factory.build(bundle, &settings).wrong_use()?;
    let format = match bundle.manifest().input.color {
        sightline_engine::bundle::Color::Gray => PixelFormat::Gray8,
        _ => PixelFormat::Rgb,
    };
    let mut wrong = 0;
    for golden in bundle.goldens().wrong_use()? {
        let mut batch = Batch::with_capacity(1, 1);
        batch.push_whole(view(&golden.image, golden.reference.as_deref(), format).wrong_use()?);
        engine
            .submit(batch)
            .map_err(|rejected| rejected.error)
            .failed()?;
        let done = engine
            .collect()
            .context("the engine lost a golden picture")
            .failed()?;
        let done = done.map_err(|rejected| rejected.error).failed()?;
        let classes = engine.info().classes.clone();
        let differences = golden.differences(&done.outputs[0], &classes);
        let name = golden
            .image
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        eprintln!(
            "{} {name}: {}",
            precision.name(),
            if differences.is_empty() {
                "as expected"
            } else {
                "NOT as expected"
            }
        );
        differences.iter().for_each(|d| eprintln!("    {d}"));
        wrong += usize::from(!differences.is_empty());
    }
    Ok(wrong)
}

/// A picture file as an engine takes it.
fn view(path: &Path, reference: Option<&Path>, format: PixelFormat) -> anyhow::Result<BatchView> {
    let picture = picture::load(path, format)?;
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
        layout: picture.layout,
        health: Health::Ok,
        host_copies: 1,
    })?;
    let reference = reference.map(|r| picture::load(r, format)).transpose()?;
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
