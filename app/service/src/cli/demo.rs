//! `sightline demo`: the simulated line, closed loop, against its own truth.

use crate::cli::args::DemoArgs;
use crate::cli::demo_console;
use crate::cli::output::{self, Blame, Failure, Outcome};
use crate::cli::signals::Stop;
use crate::cli::terminal::Terminal;
use crate::log;
use crate::station::assemble;
use crate::station::line::Line;
use crate::station::monitor;
use crate::station::options::RunOptions;
use crate::station::result_sink::Mailbox;
use crate::station::running::{Ended, LAST_PARTS, ON_SIGNAL, Running};
use crate::station::simulated_line::DrivenLine;
use anyhow::{Context, anyhow};
use serde_json::json;
use sightline_configs::journal::Journal;
use sightline_configs::station::{Fault, FaultKind};
use sightline_configs::{Loaded, Station};
use sightline_ingest::{ImageEntry, ImagesIndex};
use sightline_simulation::TruthCounts;
use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time between looks.
const LOOK: Duration = Duration::from_millis(100);
/// How long a held line waits for its operator.
const OPERATOR_COMES: Duration = Duration::from_millis(1_500);
/// Results kept for a slow terminal.
const FOR_THE_TERMINAL: usize = 10_000;
/// The demo's configuration, from the project's folder or an installation's.
const CONFIG: &str = "configs/demo.toml";
const INSTALLED: &str = "/usr/share/sightline/configs/demo.toml";

/// Runs the line and compares it with its truth.
pub fn demo(args: &DemoArgs) -> Outcome {
    let path = args
        .config
        .clone()
        .map_or_else(find_config, Ok)
        .wrong_use()?;
    let (mut config, recipe) = sightline_configs::load(&path).wrong_use()?;
    // Kept until the line has ended: it holds the journal, and may hold the list of a folder's pictures.
    let scratch = tempfile::tempdir()
        .context("cannot make a scratch folder")
        .failed()?;
    adapt(args, &mut config, scratch.path()).wrong_use()?;
    let socket = demo_console::prepare(&mut config, &recipe, scratch.path()).wrong_use()?;
    let stop = Stop::on_signals().failed()?;
    let mailbox = args.json.then(|| Arc::new(Mailbox::new(FOR_THE_TERMINAL)));
    let options = RunOptions {
        mailbox: mailbox.clone(),
        ..RunOptions::default()
    };
    let running = assemble::start(&config, &recipe, options).wrong_use()?;
    announce(&config.value, args);
    log::note(&format!(
        "see and run the line: sightline-console --socket {} (PIN {})",
        socket.display(),
        demo_console::PIN
    ));
    let window = (!args.headless)
        .then(|| demo_console::window(&socket))
        .flatten();
    let terminal = mailbox.map(Terminal::start).transpose().failed()?;
    let start = Instant::now();
    let mut told = Instant::now();
    let mut operator = Operator::default();
    while running.control.rest(&running, &config, &stop, LOOK)
        && args
            .seconds
            .is_none_or(|s| start.elapsed().as_secs_f64() < s)
    {
        running.watch();
        operator.look(&running);
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            tell(&running, start.elapsed());
        }
    }
    drop(window);
    let line = running
        .line
        .clone()
        .context("the demo has no simulated line")
        .failed()?;
    let ended = running.stop(match stop.asked() {
        true => ON_SIGNAL,
        false => LAST_PARTS,
    });
    if let Some(terminal) = terminal {
        terminal.end();
    }
    let line: &dyn Any = &*line;
    let driven = line.downcast_ref::<DrivenLine>();
    let driven = driven
        .context("the demo's line is not simulated")
        .failed()?;
    conclude(args, &ended, &driven.summary().counts)
}

fn find_config() -> anyhow::Result<PathBuf> {
    let mut roots: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    roots.extend(std::env::current_exe());
    let near = roots
        .iter()
        .flat_map(|root| root.ancestors())
        .map(|folder| folder.join(CONFIG));
    let mut all = near.chain([PathBuf::from(INSTALLED)]);
    all.find(|path| path.exists()).with_context(|| {
        format!("expected {CONFIG} in this folder or above, or {INSTALLED}; run it in the project's folder, or say --config FILE")
    })
}

fn adapt(args: &DemoArgs, config: &mut Loaded<Station>, scratch: &Path) -> anyhow::Result<()> {
    let cameras: Vec<String> = config
        .value
        .cameras
        .iter()
        .map(|c| c.name.clone())
        .collect();
    let simulation = config
        .value
        .simulation
        .as_mut()
        .context("expected a configuration with a [simulation] section")?;
    if let Some(seed) = args.seed {
        simulation.seed = seed;
    }
    if let Some(images) = &args.images {
        let images = std::path::absolute(images)?;
        simulation.images = Some(if images.is_dir() {
            good_parts(&images, scratch)?
        } else {
            images
        });
    }
    let journal = || Journal::at(scratch.join("journal"));
    config.value.journal.get_or_insert_with(journal);
    if args.faults {
        simulation.faults = every_fault(&cameras);
    }
    Ok(())
}

/// A folder's pictures as a COCO file without annotations: parts without defects.
fn good_parts(folder: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let index = ImagesIndex::load(folder)?;
    let image = |(i, entry): (usize, &ImageEntry)| json!({"id": i + 1, "file_name": entry.path});
    let images: Vec<_> = index.entries().iter().enumerate().map(image).collect();
    let file = scratch.join("pictures.json");
    std::fs::write(
        &file,
        json!({"images": images, "annotations": [], "categories": []}).to_string(),
    )?;
    Ok(file)
}

/// Every kind of fault, one after the other, three seconds each, with two seconds to recover.
fn every_fault(cameras: &[String]) -> Vec<Fault> {
    use FaultKind::{Blurred, Bright, Burst, Dark, Frozen, GateStuck, Unplugged};
    let kinds = [Unplugged, Frozen, Dark, Bright, Blurred, Burst, GateStuck];
    let fault = |(i, kind): (usize, FaultKind)| Fault {
        kind,
        camera: (!matches!(kind, Burst | GateStuck)).then(|| cameras[i % cameras.len()].clone()),
        at_s: 3.0 + 5.0 * i as f64,
        for_s: 3.0,
    };
    kinds.into_iter().enumerate().map(fault).collect()
}

/// Who answers when the line is held and nobody is at a console: frees the flap, acknowledges, and the belt runs again.
#[derive(Default)]
struct Operator {
    held_since: Option<Instant>,
}

impl Operator {
    /// Comes when the line has been held for a while.
    fn look(&mut self, running: &Running) {
        let attended = running.console.as_ref().is_some_and(|c| c.is_attended());
        let held = |line: &&Arc<dyn Line>| line.is_held() && !attended && !line.is_held_by_person();
        let Some(line) = running.line.as_ref().filter(held) else {
            self.held_since = None;
            return;
        };
        if self.held_since.get_or_insert_with(Instant::now).elapsed() >= OPERATOR_COMES {
            line.gate_was_seen_to();
            running.flow.acknowledge_gate();
            self.held_since = None;
        }
    }
}

fn announce(config: &Station, args: &DemoArgs) {
    let faults = if args.faults {
        ", with every scripted fault"
    } else {
        ""
    };
    log::note(&format!(
        "simulated line: {} cameras{faults}; Ctrl-C ends it",
        config.cameras.len()
    ));
    if let Some(mqtt) = &config.mqtt {
        let (broker, topic) = (mqtt.broker.as_str(), config.station.topic_root());
        let address = if broker == "embedded" {
            mqtt.listen.as_str()
        } else {
            broker.trim_start_matches("mqtt://")
        };
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "1883"));
        log::note(&format!(
            "see the results: mosquitto_sub -h {host} -p {port} -t '{topic}/#' -v"
        ));
    }
}

fn tell(running: &Running, since: Duration) {
    let counters = running.flow.counters();
    let line = &counters.line;
    let alarms = running
        .events
        .all()
        .iter()
        .filter(|a| a.active)
        .map(|a| a.id.to_string())
        .collect::<Vec<_>>();
    let alarms = if alarms.is_empty() {
        String::new()
    } else {
        format!("  ALARMS: {}", alarms.join(", "))
    };
    log::note(&format!(
        "{:5.0} s  {:5} parts  {:5} OK  {:4} NotOK  {:4} NotDecidable  verdict p50 {:.0} ms p99 {:.0} ms{alarms}",
        since.as_secs_f64(),
        line.parts,
        line.ok,
        line.not_ok,
        line.not_decidable,
        counters.stages.trigger_to_verdict.p50_us as f64 / 1e3,
        counters.stages.trigger_to_verdict.p99_us as f64 / 1e3,
    ));
}

fn conclude(args: &DemoArgs, ended: &Ended, truth: &TruthCounts) -> Outcome {
    let line = &ended.flow.line;
    let uplink = ended.uplink.unwrap_or_default();
    let conserved = monitor::check_conservation(&ended.events, &ended.flow, ended.uplink.as_ref())
        && truth.conserved;
    let alarms: Vec<_> = ended
        .events
        .all()
        .iter()
        .map(|a| json!({"id": a.id, "active": a.active, "severity": a.id.kind().severity(), "effect": a.id.kind().effect(), "message": a.message}))
        .collect();
    let summary = json!({
        "kind": "summary",
        "triggers": line.triggers,
        "parts": line.parts,
        "verdicts": line.verdicts,
        "dispositions": line.dispositions,
        "published": line.results,
        "acknowledged": uplink.acknowledged.saturating_sub(line.corrections),
        "corrections": line.corrections,
        "pending": uplink.pending,
        "ok": line.ok,
        "not_ok": line.not_ok,
        "not_decidable": line.not_decidable,
        "defective": truth.defective,
        "overkill": truth.overkill,
        "escapes": truth.escapes,
        "escapes_by_model": truth.escapes_by_model,
        "escapes_by_other": truth.escapes_by_other,
        "contained": truth.contained,
        "went_another_way": truth.disobeyed,
        "good_rejected_for_faults": truth.good_rejected_for_faults,
        "conserved": conserved,
        "alarms": alarms,
    });
    if args.json {
        output::json_line(&summary);
    } else {
        let percent = |n: u64| 100.0 * n as f64 / (truth.finished.max(1)) as f64;
        log::note("");
        log::note(&format!(
            "{} parts: {} OK, {} NotOK, {} NotDecidable",
            line.parts, line.ok, line.not_ok, line.not_decidable
        ));
        log::note(&format!(
            "  good parts rejected by the model (overkill): {} ({:.2} %)",
            truth.overkill,
            percent(truth.overkill)
        ));
        log::note(&format!(
            "  defective parts passed (escapes):            {} ({:.2} %)",
            truth.escapes,
            percent(truth.escapes)
        ));
        log::note(&format!(
            "  of these by anything but the model:          {}",
            truth.escapes_by_other
        ));
        log::note(&format!(
            "  good parts rejected because of faults:       {}",
            truth.good_rejected_for_faults
        ));
        log::note(&format!(
            "  acknowledged by the broker:                  {} of {}",
            uplink.acknowledged, line.results
        ));
        log::note(&format!(
            "  every trigger one verdict, one disposition, one result: {}",
            if conserved { "yes" } else { "NO" }
        ));
    }
    if conserved && truth.promise_kept() {
        Ok(())
    } else {
        Err(Failure::Ran(anyhow!(
            "the line did not keep its promise: {line:?} {truth:?} {uplink:?}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_has_its_time() {
        let cameras = ["cam1".to_string(), "cam2".to_string()];
        let faults = every_fault(&cameras);
        let ends = |f: &Fault| f.at_s + f.for_s;
        assert!(faults.windows(2).all(|w| ends(&w[0]) < w[1].at_s));
        assert!(
            faults
                .iter()
                .filter_map(|f| f.camera.as_ref())
                .all(|c| cameras.contains(c))
        );
        assert_eq!(faults.len(), 7);
    }

    #[test]
    fn the_shipped_demo_takes_every_fault() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(CONFIG);
        let (mut config, _) = sightline_configs::load(&path).expect("demo.toml");
        let cameras: Vec<String> = config
            .value
            .cameras
            .iter()
            .map(|c| c.name.clone())
            .collect();
        config.value.simulation.as_mut().expect("simulated").faults = every_fault(&cameras);
        let problems = sightline_configs::check_station(&config.value, &config.source);
        assert!(problems.is_empty(), "{problems:?}");
    }
}
