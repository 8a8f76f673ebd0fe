//! Composes a running station: engines, uplink, flow, gate, cameras, trigger, in this order, and ends it in reverse.

use crate::camera_doubts::Doubts;
use crate::changeover::Changeover;
use crate::console::{self, Console, Deeds};
use crate::control::{Control, Event, GatedTap, GatedTrigger, NamedTrigger, store};
use crate::engines::{self, EngineRoom, Models};
use crate::events::Events;
use crate::gate::{self, LineHold, SimulatedGate};
use crate::keeping::{self, Keeping};
use crate::plausibility::Plausibility;
use crate::recording;
use crate::results::{Mailbox, OnResult, Results};
use crate::threads;
use crate::trial::Trial;
use crate::trigger::{self, RateTrigger};
use crate::watch;
use anyhow::{Context, anyhow};
use sightline_configs::station::{Expects, GateKind, Trigger as TriggerKind};
use sightline_configs::{Loaded, Recipe, Station};
use sightline_flow::{Flow, FlowCounters, FlowHandle, FlowSettings, GateSetup, GenerationBuild};
use sightline_frames::{MemoryWish, TapSink, TriggerSink};
use sightline_ingest::{CameraContext, CameraHandle, CameraState, SimulatedLine};
use sightline_journal::Journal;
use sightline_model::{AlarmEffect, AlarmKind, CameraId, Clock, Generation, SystemClock};
use sightline_uplink::{CommandHandler, Counters, Patience, Uplink, UplinkSettings};
use sightline_verdict::{GateSchedule, ResultConfig, ResultMaker, SeededIds};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Parts on their way through box and belt at once, at most.
const MAX_OPEN_PARTS: usize = 1_024;
/// How long an end takes at most that a signal asks for; what is not done by then is left.
pub const ON_SIGNAL: Duration = Duration::from_millis(3_500);
/// How long the last parts on the belt get to leave it and their results to be acknowledged, where nobody asked for an end.
pub const LAST_PARTS: Duration = Duration::from_secs(40);
/// How long the broker gets to acknowledge the last results at the end.
const LAST_ACKNOWLEDGEMENTS: Duration = Duration::from_secs(5);
/// How long the parts on their way to the gate are waited for after the cameras.
const LAST_AT_GATE: Duration = Duration::from_millis(1_500);

/// What a subcommand wants beside the files.
#[derive(Default)]
pub struct Wishes {
    /// Told of every result on the flow's thread.
    pub on_result: Option<OnResult>,
    /// Keeps results for the terminal.
    pub mailbox: Option<Arc<Mailbox>>,
    /// Results list everything the decoder gives.
    pub findings_below_limit: bool,
    /// Records everything that comes into the flow.
    pub record: Option<PathBuf>,
    /// Nothing acts on what is found: models need not have proved themselves.
    pub only_measures: bool,
    /// Reuses opened models, for subcommands that look at them first.
    pub models: Option<Arc<Models>>,
}

/// A station at work.
pub struct Running {
    pub clock: Arc<dyn Clock>,
    pub flow: Arc<FlowHandle>,
    pub changeover: Arc<Changeover>,
    pub hold: Option<LineHold>,
    pub console: Option<Console>,
    pub cameras: Vec<CameraHandle>,
    pub line: Option<Arc<SimulatedLine>>,
    pub journal: Option<Journal>,
    pub uplink: Option<Arc<Uplink>>,
    pub events: Arc<Events>,
    pub models: Arc<Models>,
    pub losses: watch::Losses,
    pub keeping: Keeping,
    pub trial: Arc<Trial>,
    pub doubts: Doubts,
    pub control: Arc<Control>,
    recorder: Option<Arc<recording::Tap>>,
    rate: Option<RateTrigger>,
}

/// What is left when a station has ended.
pub struct Ended {
    pub flow: FlowCounters,
    pub uplink: Option<Counters>,
    pub events: Arc<Events>,
}

/// What stands before any engine does: commands are answered, alarms told, results taken.
pub struct Ground {
    pub control: Arc<Control>,
    pub events: Arc<Events>,
    pub trial: Arc<Trial>,
    clock: Arc<dyn Clock>,
    boot_id: Uuid,
    raised: bool,
    trigger_door: Arc<trigger::Door>,
    open_parts: Arc<AtomicUsize>,
    journal: Option<Journal>,
    uplink: Option<Arc<Uplink>>,
    consoles: Option<console::Begun>,
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
    let raised = threads::raised(config.threads.priority)?;
    let boot_id = Uuid::now_v7();
    let trigger_door = Arc::new(trigger::Door::default());
    let journal = keeping::open(station, boot_id, &clock)?;
    let control = control(config, &clock, &trigger_door);
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
    let means = console::Means {
        events: events.clone(),
        control: control.clone(),
        journal: journal.clone(),
        uplink: uplink.clone(),
    };
    let mut consoles = console::Begun::new(station, &clock, &means)?;
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
        trigger_door,
        open_parts,
        journal,
        uplink,
        consoles,
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
    mut wishes: Wishes,
) -> anyhow::Result<Running> {
    let models = match wishes.models.take() {
        None if wishes.only_measures => {
            let room = EngineRoom::open(&station.value.engine, &station.base)?;
            Some(Arc::new(room.open_models(recipe)?))
        }
        models => models,
    };
    let engines = build(station, recipe, models)?;
    let ground = prepare(station)?;
    start_on(ground, station, recipe, engines, wishes)
}

/// Starts what inspects, with its first engines.
pub fn start_on(
    ground: Ground,
    station: &Loaded<Station>,
    recipe: &Loaded<Recipe>,
    engines: Engines,
    wishes: Wishes,
) -> anyhow::Result<Running> {
    let Ground {
        control,
        events,
        trial,
        clock,
        boot_id,
        raised,
        trigger_door,
        open_parts,
        journal,
        uplink,
        consoles,
    } = ground;
    let Engines { models, first } = engines;
    let config = &station.value;
    let plan = first.plan.clone();

    let line = gate::simulated_line(config, &plan, &clock, &station.base, &trigger_door)?;
    let hold = line.clone().map(LineHold::new);
    let gate = match (config.gate.kind, &line, &hold) {
        (GateKind::None, ..) => None,
        (GateKind::Simulated, Some(line), Some(hold)) => Some(GateSetup {
            schedule: GateSchedule::new(&config.gate, MAX_OPEN_PARTS)?,
            driver: Box::new(SimulatedGate::new(line.clone(), hold.clone())),
        }),
        (GateKind::Simulated, ..) => {
            return Err(anyhow!("a simulated gate needs the simulated line"));
        }
    };
    let results = Results {
        journal: journal.clone(),
        uplink: uplink.clone(),
        line: line.clone(),
        events: events.clone(),
        mailbox: wishes.mailbox,
        on_result: wishes.on_result,
        control: Some(control.clone()),
        house: consoles.as_ref().map(console::Begun::house),
        plausibility: Plausibility::default(),
    };
    let maker = ResultMaker::new(
        ResultConfig {
            station: config.station.name.clone(),
            boot_id,
            configuration_hash: station.hash.clone(),
            is_simulated: line.is_some(),
            with_findings_below_limit: wishes.findings_below_limit,
            first_seq: journal.as_ref().map_or(1, Journal::first_seq),
        },
        Box::new(SeededIds::from_seed(seed())),
    );
    let mut settings = flow_settings(config, &clock, raised)?;
    settings.open_parts = open_parts;
    let flow = Arc::new(Flow::start(
        settings,
        first,
        gate,
        maker,
        Box::new(results),
        events.clone(),
    )?);
    let recorder = wishes
        .record
        .map(|path| recording::begin(&path, config, &flow, &clock, &events))
        .transpose()?;
    let (sink, triggers): (Arc<dyn TapSink>, Arc<dyn TriggerSink>) = match &recorder {
        Some(recorder) => (recorder.clone(), recorder.clone()),
        None => (Arc::new(flow.tap()), Arc::new(flow.trigger())),
    };
    let triggers: Arc<dyn TriggerSink> = Arc::new(NamedTrigger {
        sources: control.sources.clone(),
        made_up: matches!(config.trigger, TriggerKind::Simulated {}),
        to: triggers,
    });
    trigger_door.open(triggers.clone());
    let sink = match every_frame(config)? {
        Some(camera) => Arc::new(GatedTap {
            sources: control.sources.clone(),
            camera,
            to: sink,
        }),
        None => sink,
    };
    let sink = match &consoles {
        Some(consoles) => consoles.before(sink),
        None => sink,
    };
    let changeover = Changeover::new(
        flow.clone(),
        uplink.clone(),
        clock.clone(),
        station.clone(),
        recipe.clone(),
        plan.clone(),
        &models,
    );
    let changeover = Arc::new(changeover.with(trial.clone()));
    let deeds = Deeds {
        changeover: changeover.clone(),
    };
    let console = consoles.map(|c| c.open(station, deeds)).transpose()?;
    let mut running = Running {
        clock: clock.clone(),
        flow,
        changeover,
        hold,
        console,
        cameras: Vec::new(),
        line,
        journal,
        uplink,
        events,
        models,
        losses: watch::Losses::default(),
        keeping: Keeping::default(),
        trial,
        doubts: Doubts::default(),
        control,
        recorder,
        rate: None,
    };
    // Inspecting begins at once: a part that comes must find its station ready.
    for event in [
        Event::Configured,
        Event::RecipePrepared,
        Event::StartContinuous,
    ] {
        running.control.step(event)?;
    }
    running.start_cameras(station, &plan, &sink, raised)?;
    match &config.trigger {
        TriggerKind::Rate { hz } => {
            let gated = Arc::new(GatedTrigger {
                sources: running.control.sources.clone(),
                to: triggers,
            });
            running.rate = Some(RateTrigger::start(*hz, gated, clock, raised)?);
        }
        TriggerKind::Simulated {} => {
            if let Some(line) = &running.line {
                line.run()?;
            }
        }
        TriggerKind::EveryFrame { .. } | TriggerKind::Command { .. } => {}
    }
    Ok(running)
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

/// `None` without `[mqtt]`. A backlog gives way to the open parts.
pub fn uplink_settings(
    station: &Loaded<Station>,
    boot_id: Uuid,
    clock: &Arc<dyn Clock>,
    commands: Option<CommandHandler>,
    open_parts: &Arc<AtomicUsize>,
) -> Option<UplinkSettings> {
    Some(UplinkSettings {
        identity: station.value.station.clone(),
        mqtt: station.value.mqtt.clone()?,
        sparkplug: station.value.sparkplug.clone(),
        base: station.base.clone(),
        session: boot_id.to_string(),
        clock: clock.clone(),
        commands,
        patience: Patience::default(),
        inspecting: open_parts.clone(),
        state: journal_folder(station),
    })
}

/// Where what is remembered until the next run lies; `None` without `[journal]`.
fn journal_folder(station: &Loaded<Station>) -> Option<PathBuf> {
    let journal = station.value.journal.as_ref()?;
    Some(station.base.join(&journal.folder))
}

fn start_uplink(
    settings: Option<UplinkSettings>,
    journal: Option<&Journal>,
) -> anyhow::Result<Option<Arc<Uplink>>> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    Ok(Some(Arc::new(match journal {
        Some(journal) => Uplink::start_over(settings, journal.clone())?,
        None => Uplink::start(settings)?,
    })))
}

/// The door for commands, with the configured ones allowed.
fn control(config: &Station, clock: &Arc<dyn Clock>, door: &Arc<trigger::Door>) -> Arc<Control> {
    let allowed = config
        .mqtt
        .as_ref()
        .map_or_else(Vec::new, |m| m.commands.clone());
    let trigger = match config.trigger {
        TriggerKind::Command { uncertainty_ms, .. } => Some(trigger::CommandTrigger::new(
            door.clone(),
            clock.clone(),
            uncertainty_ms,
        )),
        _ => None,
    };
    Control::new(allowed, clock.clone(), trigger)
}

fn flow_settings(
    config: &Station,
    clock: &Arc<dyn Clock>,
    raised: bool,
) -> anyhow::Result<FlowSettings> {
    let mut settings = FlowSettings::new(
        clock.clone(),
        config.cameras.iter().map(|c| c.slots).collect(),
    );
    settings.batch_wait = Duration::from_secs_f64(config.engine.batch_wait_ms / 1_000.0);
    let warm = Duration::from_secs_f64(config.engine.keep_warm_ms / 1_000.0);
    settings.keep_warm = (!warm.is_zero()).then_some(warm);
    settings.engine_cores = config.engine.cores.clone();
    settings.stage_core = config.threads.stage_core;
    settings.raised = raised;
    settings.max_open_parts = MAX_OPEN_PARTS;
    settings.stop_patience = LAST_AT_GATE;
    settings.every_frame = every_frame(config)?;
    settings.triggered = triggered(config);
    Ok(settings)
}

/// The cameras that give one frame a trigger.
pub fn triggered(config: &Station) -> Vec<CameraId> {
    let cameras = config.cameras.iter().zip(0..);
    let mine = cameras.filter(|(camera, _)| camera.expects == Expects::Trigger);
    mine.map(|(_, id)| CameraId(id)).collect()
}

/// The camera whose every frame is a part, if that is the trigger.
pub fn every_frame(config: &Station) -> anyhow::Result<Option<CameraId>> {
    let TriggerKind::EveryFrame { camera } = &config.trigger else {
        return Ok(None);
    };
    let index = config
        .cameras
        .iter()
        .position(|c| c.name == *camera)
        .context("trigger.camera is not a camera")?;
    Ok(Some(CameraId(index as u16)))
}

/// Randomness for event ids from the operating system.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    seed[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    seed
}

impl Running {
    fn start_cameras(
        &mut self,
        station: &Loaded<Station>,
        plan: &sightline_verdict::InspectionPlan,
        sink: &Arc<dyn TapSink>,
        raised: bool,
    ) -> anyhow::Result<()> {
        let cameras = station.value.cameras.len();
        let with_reference = crate::changeover::with_reference(plan, &self.models, cameras);
        for (index, config) in station.value.cameras.iter().enumerate() {
            let id = CameraId(index as u16);
            let context = CameraContext {
                id,
                config: config.clone(),
                memory: MemoryWish::Auto,
                sink: sink.clone(),
                clock: self.clock.clone(),
                line: self.line.clone(),
                base_dir: station.base.clone(),
                wants_reference: with_reference[index],
                raised,
            };
            self.cameras.push(sightline_ingest::start(context)?);
        }
        Ok(())
    }

    /// Looks after what changes slowly: camera alarms, conservation, key figures. To be called a few times a second.
    pub fn watch(&self) {
        let counters = watch::look(self);
        if let Some(console) = &self.console {
            console.look(self, &counters);
        }
    }

    /// Cameras and engines stand, and no alarm holds the line. Else: what is waited for.
    pub fn stands(&self) -> Result<(), String> {
        let up = |c: &&CameraHandle| {
            use CameraState::{Ended, Live, Unusable};
            matches!(c.status().state, Live | Unusable | Ended)
        };
        if let Some(camera) = self.cameras.iter().find(|c| !up(c)) {
            return Err(format!("waiting for camera {}", camera.name()));
        }
        if self.flow.counters().workers == 0 {
            return Err("waiting for an engine".into());
        }
        match self.events.effect(|_| true) {
            AlarmEffect::Hold => Err("an alarm holds the line".into()),
            _ => Ok(()),
        }
    }

    /// Reads the active recipe's file again and lets it take over between parts, on a thread of its own. With anything wrong
    /// the old one goes on, and an alarm stands until it is read well or another recipe takes over.
    pub fn reload_recipe(&self) {
        let changeover = self.changeover.clone();
        let control = self.control.clone();
        aside("sl-reload", move || {
            let before = changeover.active();
            let (new, reason) = match changeover.reload("SIGHUP") {
                Ok(_) => {
                    let now = changeover.active().in_words();
                    (Some(now), "the recipe's file was read again".into())
                }
                Err(error) => (None, format!("refused: {error:#}")),
            };
            let old = Some(before.in_words());
            control.audit("SIGHUP", "reload_recipe", old, new, &reason);
        });
    }

    /// True when every camera has given its last frame and nothing is in flight.
    pub fn finished(&self) -> bool {
        self.cameras.iter().all(CameraHandle::done) && self.flow.idle()
    }

    /// Ends in order, within `patience` where nothing hangs: trigger and line, cameras, flow (engines, judge, gate), journal,
    /// uplink.
    pub fn stop(self, patience: Duration) -> Ended {
        let end = Instant::now() + patience;
        let left = || end.saturating_duration_since(Instant::now());
        if let Err(error) = self.control.step(Event::Halt) {
            tracing::debug!(%error, "the state stays");
        }
        drop(self.rate);
        drop(self.console);
        if let Some(line) = &self.line {
            // The rest is for what comes after the belt.
            empty_belt(line, self.hold.as_ref(), left().mul_f64(0.5));
        }
        for camera in self.cameras {
            if let Err(error) = camera.stop() {
                tracing::error!(%error, "stopping a camera");
            }
        }
        if let Some(Err(error)) = self.recorder.map(|recorder| recorder.finish()) {
            tracing::error!(%error, "the recording has no end");
        }
        self.flow.stop();
        let flow = self.flow.counters();
        self.control.follow_trail(true);
        if let Some(journal) = &self.journal {
            self.keeping.settle(journal, &self.events, left());
        }
        self.control.follow_trail(true);
        let uplink = self.uplink.as_ref().map(|uplink| {
            uplink.settle(LAST_ACKNOWLEDGEMENTS.min(left()));
            uplink.counters()
        });
        if let Some(uplink) = &uplink {
            watch::check_conservation(&self.events, &flow, Some(uplink));
        }
        Ended {
            flow,
            uplink,
            events: self.events,
        }
    }
}

/// No more parts onto the belt; those on it go through gate and exit, also if a person had stopped it. Parts on a belt that the gate
/// holds stay where they are.
fn empty_belt(line: &SimulatedLine, hold: Option<&LineHold>, patience: Duration) {
    line.stop_feeding();
    if let Some(hold) = hold.filter(|hold| hold.is_by_person()) {
        hold.by_person(false);
    }
    let begin = Instant::now();
    while !line.is_empty() && !line.is_held() && begin.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    line.stop();
}
