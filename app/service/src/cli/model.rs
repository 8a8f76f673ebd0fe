//! `sightline model`: look at, check and pack bundles, and the store on the command line.

use crate::cli::args::{ModelCommand, StoreArgs};
use crate::cli::golden;
use crate::cli::output::{self, Blame, Outcome};
use crate::models::proving::{self, Event, Files, Limits, On, Report, Task};
use crate::models::signing::Trust;
use crate::models::store::Store;
use anyhow::{Context, ensure};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sightline_configs::station::Models;
use sightline_configs::{Loaded, Station};
use sightline_engine::bundle::{archive, draft};
use sightline_engine::{Bundle, Precision};
use sightline_onnx::{LibrarySearch, OnnxFactory, inspect};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

/// What a line of an installation begins with that tells how far it is.
pub const STEP: &str = "step: ";

/// Does one of them.
pub fn model(command: &ModelCommand) -> Outcome {
    match command {
        ModelCommand::Inspect { path, json, .. } if path.is_dir() => show(path, *json),
        ModelCommand::Inspect {
            path,
            decoder,
            classes,
            json,
        } => inspect_onnx(path, decoder.as_ref(), classes, *json),
        ModelCommand::Verify {
            bundle,
            precision,
            engine,
            config,
            json,
        } => {
            let (on, limits) = where_to_prove(config.as_deref(), engine.as_deref())?;
            verify(bundle, precision.as_deref(), on, limits, *json)
        }
        ModelCommand::Golden(args) => golden::golden(args),
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
            with_parent,
        } => {
            let policy = if *with_parent {
                Policy::receive().failed()?
            } else {
                Policy::read(store)?
            };
            if *gently {
                rustix::process::nice(19)
                    .context("cannot lower the priority")
                    .failed()?;
            }
            install(&policy, bundle, sha256.as_deref()).failed()
        }
        ModelCommand::List { store, json } => {
            for (name, version, looks) in open(store)?.list().failed()? {
                if *json {
                    let bundle = json!({"name": name, "version": version, "active": looks});
                    output::json_line(&bundle);
                    continue;
                }
                let mark = if looks { "  active" } else { "" };
                output::say(&format!("{name} {version}{mark}"));
            }
            Ok(())
        }
        ModelCommand::Activate {
            store,
            name,
            version,
        } => {
            let policy = Policy::read(store)?;
            let store = policy.open().failed()?;
            if let Some(bundle) = store.installed(name, version).failed()? {
                policy.prove(&bundle, "ACTIVATED").failed()?;
            }
            store.activate(name, version).failed()?;
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

/// What a station asks of a bundle before it is taken.
#[derive(Serialize, Deserialize)]
pub struct Policy {
    /// The store's folder.
    pub store: PathBuf,
    /// Absent: the store of no station.
    models: Option<Models>,
    base: PathBuf,
    on: Vec<On>,
    limits: Limits,
}

impl Policy {
    /// Of a station that has a store.
    pub fn of(station: &Loaded<Station>) -> anyhow::Result<Self> {
        let models = station.value.models.clone();
        let models = models.context("this station has no model store; write [models] store")?;
        Ok(Self {
            store: station.base.join(&models.store),
            on: proving::engines_of(&station.value.engine, &station.base),
            limits: proving::limits(Some(&models)),
            models: Some(models),
            base: station.base.clone(),
        })
    }

    fn read(which: &StoreArgs) -> Outcome<Self> {
        if let Some(config) = &which.config {
            let (station, _) = sightline_configs::load(config).wrong_use()?;
            return Self::of(&station).wrong_use();
        }
        let store = which.store.clone().context("write --store or --config");
        let (on, limits) = where_to_prove(None, None)?;
        Ok(Self {
            store: store.wrong_use()?,
            models: None,
            base: PathBuf::new(),
            on,
            limits,
        })
    }

    /// Tells the process that installs.
    pub fn send(&self, mut to: impl Write) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        to.write_all(&line)
            .context("the installation ended at once")
    }

    /// A station that asked for this tells it in a line, then keeps our standard input open as long as it lives.
    fn receive() -> anyhow::Result<Self> {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        let policy = serde_json::from_str(&line).context("no station told what it asks")?;
        let watch = || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
        };
        std::thread::Builder::new()
            .name("sl-parent".into())
            .spawn(watch)
            .context("cannot watch the station that asked")?;
        Ok(policy)
    }

    /// Refuses a bundle that is not proved on every engine of the station; while it is open for commissioning, says so.
    fn prove(&self, bundle: &Bundle, what: &str) -> anyhow::Result<()> {
        let open = self.models.as_ref().is_some_and(|m| m.allow_unproved);
        match prove(bundle, self.on.clone(), self.limits, !open) {
            Err(error) if open => {
                eprintln!("UNPROVED MODEL {what} (models.allow_unproved): {error:#}");
                Ok(())
            }
            proved => proved,
        }
    }

    /// The store, with what the station trusts.
    fn open(&self) -> anyhow::Result<Store> {
        let store = Store::open(&self.store)?;
        Ok(match &self.models {
            Some(models) => store.trusting(Trust::of(models, &self.base)?),
            None => store,
        })
    }
}

fn install(policy: &Policy, bundle: &Path, sha256: Option<&str>) -> anyhow::Result<()> {
    eprintln!("{STEP}comparing and unpacking");
    let proved = |bundle: &Bundle| {
        eprintln!("{STEP}proving it on its golden pictures");
        policy.prove(bundle, "INSTALLED")
    };
    let (name, version, signed) = policy.open()?.install(bundle, sha256, proved)?;
    eprintln!("installed {name} {version}, {signed}");
    Ok(())
}

/// Engines and limits: those of a station, or of one engine alone.
fn where_to_prove(config: Option<&Path>, engine: Option<&str>) -> Outcome<(Vec<On>, Limits)> {
    let on = |name: &str| On {
        engine: name.into(),
        library: None,
        files: Files::Every,
    };
    let Some(config) = config else {
        return Ok((vec![on(engine.unwrap_or("onnx"))], Limits::default()));
    };
    let (station, _) = sightline_configs::load(config).wrong_use()?;
    let engines = match engine {
        Some(name) => vec![on(name)],
        None => proving::engines_of(&station.value.engine, &station.base),
    };
    Ok((engines, proving::limits(station.value.models.as_ref())))
}

fn open(which: &StoreArgs) -> Outcome<Store> {
    Policy::read(which)?.open().failed()
}

fn show(path: &Path, json: bool) -> Outcome {
    let bundle = Bundle::load(path).wrong_use()?;
    let m = bundle.manifest();
    if json {
        output::json_line(m);
        return Ok(());
    }
    output::say(&format!(
        "{} {} ({:?}), {}",
        m.name, m.version, m.task, m.license
    ));
    output::say(&format!("source: {}", m.source));
    for file in &m.files {
        output::say(&format!(
            "file: {} {} bytes sha256 {}",
            file.path, file.size, file.sha256
        ));
    }
    let i = &m.input;
    output::say(&format!(
        "input: {} {}x{} {:?} {:?} {:?}",
        i.name, i.width, i.height, i.color, i.resize, i.channels
    ));
    output::say(&format!(
        "decoder: {} version {}",
        m.decoder.kind.name(),
        m.decoder.version
    ));
    for class in &m.classes {
        let limit = class.default_limit;
        output::say(&format!(
            "class {}: {} ({}), {:?}, limit {limit}",
            class.id, class.code, class.name.en, class.severity
        ));
    }
    output::say(&format!("golden pictures: {}", m.golden.len()));
    Ok(())
}

fn inspect_onnx(path: &Path, decoder: Option<&String>, classes: &[String], json: bool) -> Outcome {
    let factory = OnnxFactory::new(&LibrarySearch::usual(None)).failed()?;
    let info = inspect(factory.runtime(), path).wrong_use()?;
    let choice = draft::Choice {
        decoder: decoder.cloned(),
        classes: classes.to_vec(),
    };
    let drafted = draft::draft(&info, &choice).wrong_use()?;
    if json {
        let weights: Vec<_> = info.weights.iter().map(|w| &w.path).collect();
        output::json_line(&json!({
            "read_as": drafted.read_as, "weights": weights, "guesses": drafted.guesses,
            "manifest_toml": drafted.manifest_toml,
        }));
        return Ok(());
    }
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
    output::raw_line(drafted.manifest_toml.as_bytes());
    Ok(())
}

/// Proves a bundle on every engine that would run it.
fn verify(
    path: &Path,
    precision: Option<&str>,
    on: Vec<On>,
    limits: Limits,
    json: bool,
) -> Outcome {
    let unpacked = tempfile::tempdir()
        .context("cannot make a scratch folder")
        .failed()?;
    let bundle = if path.is_dir() {
        Bundle::load(path)
    } else {
        archive::unpack(path, &unpacked.path().join("bundle"))
    };
    let bundle = bundle.wrong_use()?;
    let wanted = [Precision::Fp32, Precision::Fp16, Precision::Int8];
    let wanted = wanted.into_iter().find(|p| Some(p.name()) == precision);
    let files = wanted.map_or(Files::Every, |p| Files::Chosen(Some(p)));
    let on = on.into_iter().map(|on| On { files, ..on }).collect();
    if !json {
        return prove(&bundle, on, limits, false).failed();
    }
    let mut found = Vec::new();
    let report = run_proof(&bundle, on, limits, false, &mut |event| {
        if !matches!(event, Event::Step { .. } | Event::Done) {
            found.push(event.clone());
        }
    });
    let m = bundle.manifest();
    let reasons = match &report {
        Ok(report) => report.reasons(),
        Err(error) => format!("{error:#}"),
    };
    let is_proved = report.as_ref().is_ok_and(Report::is_proved);
    output::json_line(&json!({
        "name": m.name, "version": m.version, "proved": is_proved, "reasons": reasons, "found": found,
    }));
    proved(&report.failed()?).failed()
}

/// Proves a bundle, and says how it goes.
fn prove(bundle: &Bundle, on: Vec<On>, limits: Limits, ends_at_gaps: bool) -> anyhow::Result<()> {
    proved(&run_proof(bundle, on, limits, ends_at_gaps, &mut tell)?)
}

fn run_proof(
    bundle: &Bundle,
    on: Vec<On>,
    limits: Limits,
    ends_at_gaps: bool,
    say: &mut dyn FnMut(&Event),
) -> anyhow::Result<Report> {
    let task = Task {
        bundle: std::path::absolute(bundle.dir())?,
        on,
        limits,
        ends_at_gaps,
    };
    task.prove(say)
}

fn proved(report: &Report) -> anyhow::Result<()> {
    ensure!(
        report.is_proved(),
        "not proved, do not use this bundle on this box: {}",
        report.reasons()
    );
    Ok(())
}

fn tell(event: &Event) {
    match event {
        Event::Looked {
            whose,
            picture,
            differences,
        } => {
            let verdict = if differences.is_empty() {
                "as expected"
            } else {
                "NOT as expected"
            };
            eprintln!("{whose} {picture}: {verdict}");
            differences.iter().for_each(|d| eprintln!("    {d}"));
        }
        Event::Disagree {
            one,
            other,
            picture,
            differences,
        } => {
            eprintln!("{one} and {other} disagree on {picture}");
            differences.iter().for_each(|d| eprintln!("    {d}"));
        }
        Event::Step { .. } | Event::Gap(_) | Event::Cannot { .. } | Event::Done => {}
    }
}
