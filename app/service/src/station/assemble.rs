//! Composes a running station: engines, uplink, flow, gate, cameras, trigger, in this order, and ends it in reverse.

use super::console::ConsoleHandle;
use super::journal::{self, Keeping};
use super::line::{self, Line, Site};
use super::options::RunOptions;
use super::result_sink::Results;
use super::running::Running;
use super::settings::{
    MAX_OPEN_PARTS, control, every_frame, flow_settings, seed, start_uplink, uplink_settings,
};
use super::triggers::{RateTrigger, TriggerRelay};
use super::{monitor, priority, record};
use crate::alarms::camera_doubts::Doubts;
use crate::alarms::list::Events;
use crate::alarms::plausibility::Plausibility;
use crate::control::{Control, Event, GatedTap, GatedTrigger, NamedTrigger, store};
use crate::models::changeover::Changeover;
use crate::models::engines::{self, EngineRoom, Models};
use crate::models::trial::Trial;
use anyhow::anyhow;
use sightline_configs::station::{GateKind, Trigger as TriggerKind};
use sightline_configs::{Loaded, Recipe, Station};
use sightline_console_host::ConsoleSetup;
use sightline_domain::{AlarmKind, CameraId, Clock, Generation, SystemClock};
use sightline_flow::{Flow, FlowHandle, GateSetup, GenerationBuild};
use sightline_frames::{MemoryWish, TapSink, TriggerSink};
use sightline_ingest::CameraContext;
use sightline_journal::Journal;
use sightline_uplink::Uplink;
use sightline_verdict::{GateSchedule, InspectionPlan, ResultConfig, ResultMaker, SeededIds};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// What stands before any engine does: commands are answered, alarms told, results taken.
pub struct Ground {
    pub control: Arc<Control>,
    pub events: Arc<Events>,
    pub trial: Arc<Trial>,
    /// The run's id, as in its results.
    pub boot_id: Uuid,
    clock: Arc<dyn Clock>,
    raised: bool,
    trigger_relay: Arc<TriggerRelay>,
    open_parts: Arc<AtomicUsize>,
    journal: Option<Journal>,
    uplink: Option<Arc<Uplink>>,
    consoles: Option<ConsoleSetup>,
    console_handle: Arc<ConsoleHandle>,
}

/// The first generation, built.
pub struct Engines {
    models: Arc<Models>,
    first: GenerationBuild,
}

/// Brings up what engines are not needed for.
pub fn prepare(station: &Loaded<Station>) -> anyhow::Result<Ground> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let config = &station.value;
    let raised = priority::raised(config.threads.priority)?;
    let boot_id = Uuid::now_v7();
    let trigger_relay = Arc::new(TriggerRelay::default());
    let journal = journal::open(station, boot_id, &clock)?;
    let control = control(config, &clock, &trigger_relay);
    let open_parts = Arc::new(AtomicUsize::new(0));
    let settings = uplink_settings(
        station,
        boot_id,
        &clock,
        Some(control.handler()),
        &open_parts,
    );
    let uplink = start_uplink(settings, journal.as_ref())?;
    control.record_with(uplink.as_ref(), journal.clone());
    let events = Arc::new(Events::new(uplink.clone(), clock.clone()).keeping(journal.clone()));
    tell_commissioning(config, &events, &control);
    let console_handle = Arc::new(ConsoleHandle {
        events: events.clone(),
        control: control.clone(),
        uplink: uplink.clone(),
        clock: clock.clone(),
        store: (config.models.as_ref()).map(|models| station.base.join(&models.store)),
        changeover: OnceLock::new(),
    });
    let handle = console_handle.clone();
    let mut consoles = ConsoleSetup::new(station, &clock, handle, journal.clone())?;
    if let Some(consoles) = &mut consoles {
        consoles.listen(station)?;
    }
    let store = config.models.as_ref().map(|_| store(station)).transpose()?;
    Ok(Ground {
        control,
        events,
        trial: Arc::new(Trial::new(store)),
        clock,
        boot_id,
        raised,
        trigger_relay,
        open_parts,
        journal,
        uplink,
        consoles,
        console_handle,
    })
}

/// Builds the first generation; may take its time, and must not keep the main thread.
pub fn build(
    station: &Loaded<Station>,
    recipe: &Loaded<Recipe>,
    models: Option<Arc<Models>>,
) -> anyhow::Result<Engines> {
    let config = &station.value;
    let models = match models {
        Some(models) => models,
        None => Arc::new(
            EngineRoom::open(&config.engine, &station.base)?
                .with_store(config.models.as_ref(), &station.base)?
                .open_models(recipe)?,
        ),
    };
    let section = config.models.as_ref();
    EngineRoom::check_stand_in(&config.engine, &station.base, section, recipe)?;
    let first = engines::build(Generation(1), config, recipe, models.clone())?;
    Ok(Engines { models, first })
}

/// Starts a station.
pub fn start(
    station: &Loaded<Station>,
    recipe: &Loaded<Recipe>,
    mut options: RunOptions,
) -> anyhow::Result<Running> {
    let models = match options.models.take() {
        None if options.only_measures => {
            let room = EngineRoom::open(&station.value.engine, &station.base)?;
            Some(Arc::new(room.open_models(recipe)?))
        }
        models => models,
    };
    let engines = build(station, recipe, models)?;
    let ground = prepare(station)?;
    start_on(ground, station, recipe, engines, options)
}

/// Starts what inspects, with its first engines.
pub fn start_on(
    ground: Ground,
    station: &Loaded<Station>,
    recipe: &Loaded<Recipe>,
    engines: Engines,
    options: RunOptions,
) -> anyhow::Result<Running> {
    let Engines { models, first } = engines;
    let config = &station.value;
    let plan = first.plan.clone();

    let line = line::line(&Site {
        config,
        plan: &plan,
        clock: &ground.clock,
        base: &station.base,
        triggers: &ground.trigger_relay,
    })?;
    let gate = gate(config, line.as_deref())?;
    let results = Results {
        journal: ground.journal.clone(),
        uplink: ground.uplink.clone(),
        line: line.clone(),
        events: ground.events.clone(),
        mailbox: options.mailbox,
        on_result: options.on_result,
        control: Some(ground.control.clone()),
        consoles: ground.consoles.as_ref().map(ConsoleSetup::context),
        plausibility: Plausibility::default(),
    };
    let first_seq = ground.journal.as_ref().map_or(1, Journal::first_seq);
    let findings_below_limit = options.findings_below_limit;
    let maker = maker(
        station,
        ground.boot_id,
        line.is_some(),
        findings_below_limit,
        first_seq,
    );
    let mut settings = flow_settings(config, &ground.clock, ground.raised)?;
    settings.open_parts = ground.open_parts.clone();
    let flow = Arc::new(Flow::start(
        settings,
        first,
        gate,
        maker,
        Box::new(results),
        ground.events.clone(),
    )?);
    let recorder = options
        .record
        .map(|path| record::begin(&path, config, &flow, &ground.clock, &ground.events))
        .transpose()?;
    let (sink, triggers) = inputs(config, &ground.control, &flow, recorder.as_ref());
    ground.trigger_relay.open(triggers.clone());
    let sink = gated(config, &ground.control, sink)?;
    let sink = match &ground.consoles {
        Some(consoles) => consoles.before(sink),
        None => sink,
    };
    let changeover = changeover(&ground, station, recipe, &flow, &plan, &models);
    // Nobody else has set it: one flow starts on this.
    let _ = ground.console_handle.changeover.set(changeover.clone());
    let console = ground.consoles.map(|c| c.open(station)).transpose()?;
    let mut running = Running {
        clock: ground.clock.clone(),
        flow,
        changeover,
        console,
        cameras: Vec::new(),
        line,
        journal: ground.journal,
        uplink: ground.uplink,
        events: ground.events,
        models,
        losses: monitor::Losses::default(),
        keeping: Keeping::default(),
        trial: ground.trial,
        doubts: Doubts::default(),
        control: ground.control,
        recorder,
        rate: None,
    };
    begin_inspecting(&running.control)?;
    start_cameras(&mut running, station, &sink, ground.raised)?;
    start_triggers(&mut running, config, triggers, ground.raised)?;
    Ok(running)
}

fn changeover(
    ground: &Ground,
    station: &Loaded<Station>,
    recipe: &Loaded<Recipe>,
    flow: &Arc<FlowHandle>,
    plan: &Arc<InspectionPlan>,
    models: &Models,
) -> Arc<Changeover> {
    let changeover = Changeover::new(
        flow.clone(),
        ground.uplink.clone(),
        ground.clock.clone(),
        station.clone(),
        recipe.clone(),
        plan.clone(),
        models,
    );
    Arc::new(changeover.with(ground.trial.clone()))
}

fn maker(
    station: &Loaded<Station>,
    boot_id: Uuid,
    is_simulated: bool,
    with_findings_below_limit: bool,
    first_seq: u64,
) -> ResultMaker {
    let config = ResultConfig {
        station: station.value.station.name.clone(),
        boot_id,
        configuration_hash: station.hash.clone(),
        is_simulated,
        with_findings_below_limit,
        first_seq,
    };
    ResultMaker::new(config, Box::new(SeededIds::from_seed(seed())))
}

/// Where frames and triggers go: to the flow, past the recorder where there is one. A part gets the id announced for it.
fn inputs(
    config: &Station,
    control: &Control,
    flow: &FlowHandle,
    recorder: Option<&Arc<record::Tap>>,
) -> (Arc<dyn TapSink>, Arc<dyn TriggerSink>) {
    let (sink, to): (Arc<dyn TapSink>, Arc<dyn TriggerSink>) = match recorder {
        Some(recorder) => (recorder.clone(), recorder.clone()),
        None => (Arc::new(flow.tap()), Arc::new(flow.trigger())),
    };
    let triggers = NamedTrigger {
        sources: control.sources.clone(),
        made_up: matches!(config.trigger, TriggerKind::Simulated {}),
        to,
    };
    (sink, Arc::new(triggers))
}

/// At once: a part that comes must find its station ready.
fn begin_inspecting(control: &Control) -> anyhow::Result<()> {
    for event in [
        Event::Configured,
        Event::RecipePrepared,
        Event::StartContinuous,
    ] {
        control.step(event)?;
    }
    Ok(())
}

/// What moves the gate, and when.
fn gate(config: &Station, line: Option<&dyn Line>) -> anyhow::Result<Option<GateSetup>> {
    Ok(match (config.gate.kind, line) {
        (GateKind::None, _) => None,
        (GateKind::Simulated, Some(line)) => Some(GateSetup {
            schedule: GateSchedule::new(&config.gate, MAX_OPEN_PARTS)?,
            driver: line.gate(),
        }),
        (GateKind::Simulated, None) => {
            return Err(anyhow!("a simulated gate needs the simulated line"));
        }
    })
}

/// Frames of the camera that opens parts pass while parts are taken.
fn gated(
    config: &Station,
    control: &Control,
    sink: Arc<dyn TapSink>,
) -> anyhow::Result<Arc<dyn TapSink>> {
    Ok(match every_frame(config)? {
        Some(camera) => Arc::new(GatedTap {
            sources: control.sources.clone(),
            camera,
            to: sink,
        }),
        None => sink,
    })
}

/// The station's own triggers begin, and the belt to move.
fn start_triggers(
    running: &mut Running,
    config: &Station,
    triggers: Arc<dyn TriggerSink>,
    raised: bool,
) -> anyhow::Result<()> {
    match &config.trigger {
        TriggerKind::Rate { hz } => {
            let gated = Arc::new(GatedTrigger {
                sources: running.control.sources.clone(),
                to: triggers,
            });
            running.rate = Some(RateTrigger::start(
                *hz,
                gated,
                running.clock.clone(),
                raised,
            )?);
        }
        TriggerKind::Simulated {} => {
            if let Some(line) = &running.line {
                line.run()?;
            }
        }
        TriggerKind::EveryFrame { .. } | TriggerKind::Command { .. } => {}
    }
    Ok(())
}

/// Does what may take its time beside the main thread, which is not told of its end.
pub fn aside(name: &str, work: impl FnOnce() + Send + 'static) {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
    if let Err(error) = spawned {
        tracing::error!(%error, name, "expected a thread, found none; it is not done");
    }
}

/// What is open for commissioning is an alarm as long as it is, and stands in the audit trail.
fn tell_commissioning(config: &Station, events: &Events, control: &Control) {
    let open = config.models.as_ref().map(|m| m.commissioning());
    let open = open.unwrap_or_default();
    for words in &open {
        tracing::warn!("OPEN FOR COMMISSIONING: {words}");
        control.audit("configuration", "commissioning", None, None, words);
    }
    let raised = (!open.is_empty()).then(|| open.join("; "));
    events.set(AlarmKind::ModelsOpen, raised);
}

fn start_cameras(
    running: &mut Running,
    station: &Loaded<Station>,
    sink: &Arc<dyn TapSink>,
    raised: bool,
) -> anyhow::Result<()> {
    let plan = running.changeover.active().plan;
    let cameras = station.value.cameras.len();
    let with_reference = crate::models::changeover::with_reference(&plan, &running.models, cameras);
    for (index, config) in station.value.cameras.iter().enumerate() {
        let id = CameraId(index as u16);
        let mut context = CameraContext {
            id,
            config: config.clone(),
            memory: MemoryWish::Auto,
            sink: sink.clone(),
            clock: running.clock.clone(),
            source: None,
            base_dir: station.base.clone(),
            wants_reference: with_reference[index],
            raised,
        };
        if let Some(line) = &running.line {
            context.source = line.source(&context)?;
        }
        running.cameras.push(sightline_ingest::start(context)?);
    }
    Ok(())
}
