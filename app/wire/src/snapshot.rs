//! The station's state as consoles see it, in sections that change on their own.

use crate::ask::UserFacts;
use serde::{Deserialize, Serialize};
use sightline_model::{
    AlarmSeverity, BoxView, Disposition, DispositionReason, Evaluation, Health, MissReason,
    Severity, UtcMicros,
};

macro_rules! sections {
    ($($(#[$doc:meta])* $field:ident: $name:ident($inner:ty),)*) => {
        /// One part of the state.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Section { $($(#[$doc])* $name($inner),)* }

        /// Everything a console knows.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Snapshot { $($(#[$doc])* pub $field: $inner,)* }

        /// Sections there are.
        pub(crate) const SECTIONS: usize = [$(stringify!($name)),*].len();

        impl Section {
            /// Which one, from 0.
            pub(crate) fn index(&self) -> usize {
                let mut index = 0;
                $(if matches!(self, Self::$name(_)) { return index; } index += 1;)*
                index
            }
        }

        impl Snapshot {
            /// Takes a section in.
            pub fn apply(&mut self, section: Section) {
                match section { $(Section::$name(new) => self.$field = new,)* }
            }
        }
    };
}

sections! {
    /// Who the station is.
    station: Station(StationFacts),
    /// Counts and rates of the line.
    line: Line(LineFacts),
    /// The cameras, by number.
    cameras: Cameras(Vec<CameraFacts>),
    /// The last parts, newest first.
    parts: Parts(Vec<PartCard>),
    /// Alarms that are active, shelved, or not yet acknowledged; most urgent first.
    alarms: Alarms(Vec<AlarmCard>),
    /// The recipe that inspects and those that could.
    recipes: Recipes(RecipeFacts),
    /// The models that look and those that are installed.
    models: Models(ModelFacts),
    /// The installation that goes on, or the last one.
    install: Install(Option<InstallFacts>),
    /// Times of parts, queues, gate.
    timing: Timing(TimingFacts),
    /// The way to the MES.
    uplink: Uplink(Option<UplinkFacts>),
    /// The box.
    system: System(SystemFacts),
    /// The station's heart beat.
    pulse: Pulse(Pulse),
}

/// Comes several times a second; when it stays away, what a console shows is old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pulse {
    /// The station's wall clock.
    pub at: UtcMicros,
    /// Seconds since the station started.
    pub uptime_s: u64,
}

/// Who the station is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StationFacts {
    /// Its name.
    pub name: String,
    /// Area, line and cell, as in the MQTT topics.
    pub place: String,
    /// Version of the program.
    pub version: String,
    /// The simulated line.
    pub simulated: bool,
    /// SHA-256 of the configuration, hex.
    pub configuration_hash: String,
    /// Who may log in.
    pub users: Vec<UserFacts>,
    /// What happened is kept: there is history, audit trail, review.
    pub has_journal: bool,
    /// Reviewed parts and what support needs can be written.
    pub can_export: bool,
}

/// What the line does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineState {
    /// Parts are inspected.
    #[default]
    Running,
    /// The gate's alarms hold it until a person has looked.
    Held,
    /// A person stopped it.
    Stopped,
}

/// Counts and rates of the line since the station started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineFacts {
    /// What it does.
    pub state: LineState,
    /// Triggers taken.
    pub triggers: u64,
    /// Results made.
    pub results: u64,
    /// Verdicts OK.
    pub ok: u64,
    /// Verdicts NotOK.
    pub not_ok: u64,
    /// Verdicts NotDecidable.
    pub not_decidable: u64,
    /// Parts passed.
    pub passed: u64,
    /// Parts rejected.
    pub rejected: u64,
    /// Parts a minute, over the last minute.
    pub per_minute: f32,
    /// Parts rejected one after the other, up to the last.
    pub reject_streak: u32,
    /// Parts without a verdict yet.
    pub open_parts: u32,
    /// Engine workers at work and those there should be.
    pub engines: (u32, u32),
}

/// What a camera is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CameraState {
    /// Its source is being opened.
    #[default]
    Connecting,
    /// Frames arrive.
    Live,
    /// No frame for too long.
    Stalled,
    /// Waiting to be opened again.
    Retrying,
    /// Given up.
    Failed,
    /// A finite source is at its end.
    Ended,
}

/// One camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CameraFacts {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: CameraState,
    /// Why, in the station's words.
    pub reason: String,
    /// Frames a second.
    pub fps: f32,
    /// Frames handed on.
    pub frames: u64,
    /// Frames the source numbered and never gave.
    pub lost: u64,
    /// Frames without a free slot, without room in the queue, or undecodable.
    pub dropped: u64,
    /// Views that parts went without.
    pub missed_views: u64,
    /// Frames unfit to be judged: frozen, dark, bright, out of focus, corrupt.
    pub unhealthy: [u64; 5],
    /// Frames that had to be copied on the way in.
    pub copied: u64,
}

/// A finding, in pixels of the view as captured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the class.
    pub class: String,
    /// How bad it is.
    pub severity: Severity,
    /// 0 to 1.
    pub score: f32,
    /// Where.
    pub bbox: BoxView,
    /// Whether it counts against the part.
    pub counted: bool,
}

/// One view of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewCard {
    /// Its name in the recipe.
    pub view: String,
    /// The camera's name.
    pub camera: String,
    /// Fit to be judged, or why not; absent when missed.
    pub health: Option<Health>,
    /// Why it is missing.
    pub missed: Option<MissReason>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Whether a picture of it is kept.
    pub has_picture: bool,
}

/// One part's result, as much as people look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartCard {
    /// The result's number.
    pub seq: u64,
    /// The result's id.
    pub event_id: String,
    /// Our number of the part.
    pub track: u64,
    /// The part's id from outside.
    pub part_id: Option<String>,
    /// Recipe and version.
    pub recipe: String,
    /// When it was decided.
    pub decided: UtcMicros,
    /// The evaluation.
    pub evaluation: Evaluation,
    /// What the gate did.
    pub disposition: Disposition,
    /// Why.
    pub reason: DispositionReason,
    /// Trigger to verdict, ms.
    pub took_ms: f32,
    /// Verdict to deadline, ms.
    pub margin_ms: f32,
    /// Its views.
    pub views: Vec<ViewCard>,
    /// What a person said of it: true, it is good.
    pub overruled: Option<bool>,
}

impl PartCard {
    /// The findings that count, worst first, each with its view.
    pub fn causes(&self) -> Vec<(&ViewCard, &Finding)> {
        let counted = |v| Vec::from_iter(ViewCard::counted(v).map(|f| (v, f)));
        let mut all: Vec<_> = self.views.iter().flat_map(counted).collect();
        all.sort_by(|(_, a), (_, b)| {
            (b.severity.cmp(&a.severity)).then(b.score.total_cmp(&a.score))
        });
        all
    }
}

impl ViewCard {
    /// The findings that count.
    pub fn counted(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.counted)
    }
}

/// State of an alarm after ISA-18.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmState {
    /// Active, not acknowledged.
    Unacknowledged,
    /// Active, acknowledged.
    Acknowledged,
    /// Over, but nobody has acknowledged it.
    Returned,
    /// Put aside by a person until then.
    Shelved {
        /// When it comes back by itself.
        until: UtcMicros,
    },
}

/// One alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmCard {
    /// Its id.
    pub id: String,
    /// How much it matters.
    pub severity: AlarmSeverity,
    /// Its state.
    pub state: AlarmState,
    /// Whether its condition holds now.
    pub active: bool,
    /// When its condition last changed.
    pub since: UtcMicros,
    /// What was expected, what was found, what to do, in the station's words.
    pub message: String,
    /// Who acknowledged or shelved it.
    pub by: Option<String>,
}

/// A recipe file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecipeCard {
    /// The file's name, what it is chosen by.
    pub file: String,
    /// The MES's id.
    pub external_id: String,
    /// Version as written in it.
    pub version: String,
    /// SHA-256 of its content, hex.
    pub hash: String,
    /// What is wrong with it, if anything.
    pub problem: Option<String>,
}

/// The recipe that inspects and those that could.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecipeFacts {
    /// The active one.
    pub active: RecipeCard,
    /// Number of the recipe-and-models set that inspects.
    pub generation: u32,
    /// Time from trigger to verdict, ms.
    pub deadline_ms: f32,
    /// Views: name, camera, model.
    pub views: Vec<(String, String, String)>,
    /// All files beside it.
    pub known: Vec<RecipeCard>,
}

/// One model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Bundle's name.
    pub name: String,
    /// Bundle's version.
    pub version: String,
    /// SHA-256 of the model file, hex.
    pub digest: String,
    /// Engine and precision, where it runs.
    pub engine: String,
    /// What it does.
    pub task: String,
    /// Its classes, in English and, where the bundle says it, in Chinese.
    pub classes: Vec<(String, Option<String>)>,
    /// Metrics of its manifest: name and value.
    pub metrics: Vec<(String, String)>,
    /// Terms.
    pub license: String,
}

/// The models that look and those that are installed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Those that look.
    pub active: Vec<ModelCard>,
    /// Those that are installed.
    pub installed: Vec<ModelCard>,
    /// The models that a roll-back would bring back; empty: there is nothing to go back to.
    pub previous: Vec<String>,
}

/// How an installation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstallState {
    /// It goes on: its digest is compared, then it is unpacked, then it proves itself on its golden pictures.
    #[default]
    Running,
    /// The model can be activated.
    Done,
    /// The station did not take it.
    Refused,
}

/// A model's way into the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallFacts {
    /// The file in the inbox.
    pub file: String,
    /// Who asked for it.
    pub by: String,
    /// How it stands.
    pub state: InstallState,
    /// Seconds it has taken.
    pub took_s: u32,
    /// The step it is at, or what came of it, in the station's words.
    pub said: String,
}

/// Where the time of parts went, microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageFacts {
    /// Which stage.
    pub stage: Stage,
    /// Half took no longer.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Stages on the way of a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "they are what sightline_flow::StageTimes explains"
)]
pub enum Stage {
    Capture,
    BatchWait,
    Queue,
    Preprocess,
    Infer,
    Postprocess,
    Judge,
    #[default]
    Whole,
}

/// A queue between threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueFacts {
    /// Its name.
    pub name: String,
    /// Items in it.
    pub depth: u32,
    /// The most there ever were.
    pub high_water: u32,
    /// Its bound.
    pub capacity: u32,
}

/// The gate's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateFacts {
    /// Parts between trigger and gate.
    pub coming: u32,
    /// Rejects fired.
    pub rejects: u64,
    /// Rejects that the sensor saw.
    pub confirmed: u64,
    /// Rejects that the sensor did not see in time.
    pub unconfirmed: u64,
    /// Parts whose verdict came after the gate had acted.
    pub late: u64,
}

/// A part between trigger and gate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeltPart {
    /// Our number of it.
    pub track: u64,
    /// How much of the way is behind it, 0 to 1.
    pub way: f32,
    /// What becomes of it, once it is decided.
    pub disposition: Option<Disposition>,
}

/// Times of parts, queues, gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimingFacts {
    /// Each stage, in order.
    pub stages: Vec<StageFacts>,
    /// The queues.
    pub queues: Vec<QueueFacts>,
    /// The gate, where there is one.
    pub gate: Option<GateFacts>,
    /// The next parts at the gate, nearest first.
    pub belt: Vec<BeltPart>,
}

/// A certificate in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Which field of the configuration names it.
    pub field: String,
    /// The file.
    pub path: String,
    /// Days until its end; negative when it has ended.
    pub days_left: i32,
}

/// The way to the MES.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UplinkFacts {
    /// Where the broker is.
    pub broker: String,
    /// The root of all topics.
    pub topic_root: String,
    /// Connected now.
    pub connected: bool,
    /// Connections made.
    pub connections: u64,
    /// Results sent, repeats included.
    pub published: u64,
    /// Results acknowledged.
    pub acknowledged: u64,
    /// Results waiting for their acknowledgement.
    pub pending: u64,
    /// Results that found no room.
    pub refused: u64,
    /// Certificates, as they were read for the last connection.
    pub certificates: Vec<CertificateFacts>,
}

/// The box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemFacts {
    /// Operating system.
    pub os: String,
    /// Processor cores.
    pub cores: u32,
    /// Processor time of the station, share of one core.
    pub cpu: f32,
    /// Memory of the station, bytes.
    pub memory: u64,
    /// Memory of the box: free and in all, bytes.
    pub box_memory: (u64, u64),
    /// Disk under the station: free and in all, bytes.
    pub disk: (u64, u64),
    /// Temperatures: sensor and degrees Celsius.
    pub temperatures: Vec<(String, f32)>,
    /// Whether the clock is synchronised, where that is known.
    pub clock_synchronised: Option<bool>,
    /// Consoles connected.
    pub consoles: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_goes_where_it_belongs() {
        let mut snapshot = Snapshot::default();
        let line = LineFacts {
            ok: 7,
            ..LineFacts::default()
        };
        snapshot.apply(Section::Line(line.clone()));
        assert_eq!(snapshot.line, line);
        assert_eq!(Section::Pulse(Pulse::default()).index(), SECTIONS - 1);
    }
}
