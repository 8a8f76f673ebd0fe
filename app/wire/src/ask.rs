//! What people at a console ask of the station, what it takes, and what it says.

use crate::preview::PreviewHead;
use crate::snapshot::PartCard;
use serde::{Deserialize, Serialize};
use sightline_domain::{AlarmSeverity, UtcMicros};

/// What a person may do; each may what those before may.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks, acknowledges, stops.
    #[default]
    Operator,
    /// Shelves alarms, overrules, changes recipes.
    Supervisor,
    /// Changes models.
    Engineer,
    /// Gives roles.
    Administrator,
}

impl Role {
    /// All, least first.
    pub const ALL: [Self; 4] = [
        Self::Operator,
        Self::Supervisor,
        Self::Engineer,
        Self::Administrator,
    ];
}

/// Someone who may log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserFacts {
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
}

/// Who is logged in at a console. Nobody: the operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Whose PIN was given.
    pub user: Option<String>,
    /// What they may do.
    pub role: Role,
}

/// A question or a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// Begins a session.
    LogIn {
        /// Who.
        user: String,
        /// Their PIN.
        pin: String,
    },
    /// Ends it.
    LogOut,
    /// A person is there: the session goes on.
    StillHere,
    /// An alarm was seen.
    Acknowledge {
        /// Which.
        alarm: String,
    },
    /// An alarm is put aside for a while.
    Shelve {
        /// Which.
        alarm: String,
        /// For so long.
        minutes: u32,
        /// Why.
        reason: String,
    },
    /// And back.
    Unshelve {
        /// Which.
        alarm: String,
    },
    /// No more parts.
    StopLine,
    /// Parts again.
    StartLine,
    /// Another recipe, between two parts.
    ChangeRecipe {
        /// Its file's name.
        file: String,
        /// Why.
        reason: String,
    },
    /// What differs between the active recipe and another.
    CompareRecipe {
        /// Its file's name.
        file: String,
    },
    /// Another model, between two parts.
    ActivateModel {
        /// Bundle's name.
        name: String,
        /// Bundle's version.
        version: String,
        /// Why.
        reason: String,
    },
    /// The bundles that could be installed: those of the inbox and of sticks.
    Bundles,
    /// One of them is taken into the model store once it has proved itself; nothing looks through it yet.
    InstallModel {
        /// Where it lies, as [`BundleFile::stick`] says.
        stick: Option<String>,
        /// Its file's name.
        file: String,
        /// Why.
        reason: String,
    },
    /// The models before the last activation.
    RollBackModel {
        /// Why.
        reason: String,
    },
    /// The last rejected (or passed) parts that the filter lets through, newest first.
    Rejects(PartFilter),
    /// The picture of one view of a part.
    Picture {
        /// The result's number.
        seq: u64,
        /// Place of the view in the part.
        view: u16,
    },
    /// A person judges a rejected part anew.
    Overrule {
        /// The result's number.
        seq: u64,
        /// It is good after all (true), or it is bad indeed.
        good: bool,
        /// Why.
        reason: String,
    },
    /// Defects, yield and times of a while.
    Quality {
        /// The last so many minutes.
        minutes: u32,
    },
    /// The newest entries of the audit trail.
    Audit {
        /// At most so many.
        limit: u32,
    },
    /// The newest changes of alarms.
    AlarmHistory {
        /// At most so many.
        limit: u32,
    },
    /// Writes the reviewed parts as a COCO data set into the station's folder.
    ExportReviewed,
    /// Writes what support needs into the station's folder.
    ExportSupport,
    /// Adds a user, or gives one another role and PIN.
    SetUser {
        /// Who.
        name: String,
        /// What they may do.
        role: Role,
        /// Their new PIN.
        pin: String,
    },
    /// Takes a user away.
    RemoveUser {
        /// Who.
        name: String,
    },
}

/// Which parts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFilter {
    /// At most so many.
    pub limit: u32,
    /// Of the last so many minutes; 0: of any time.
    pub minutes: u32,
    /// With this defect, `missed:…` or `health:…`.
    pub cause: Option<String>,
    /// With something wrong on this camera.
    pub camera: Option<String>,
    /// Judged by a person, or not.
    pub reviewed: Option<bool>,
    /// Those that passed instead of those that were rejected.
    pub passed: bool,
}

impl Ask {
    /// The least role that may ask it. The station holds it; consoles only show it.
    pub fn needs(&self) -> Role {
        match self {
            Self::LogIn { .. }
            | Self::LogOut
            | Self::StillHere
            | Self::Acknowledge { .. }
            | Self::StopLine
            | Self::StartLine
            | Self::CompareRecipe { .. }
            | Self::Rejects(_)
            | Self::Picture { .. }
            | Self::Quality { .. }
            | Self::AlarmHistory { .. } => Role::Operator,
            Self::Shelve { .. }
            | Self::Unshelve { .. }
            | Self::ChangeRecipe { .. }
            | Self::Overrule { .. }
            | Self::ExportReviewed
            | Self::Audit { .. } => Role::Supervisor,
            Self::Bundles
            | Self::InstallModel { .. }
            | Self::ActivateModel { .. }
            | Self::RollBackModel { .. }
            | Self::ExportSupport => Role::Engineer,
            Self::SetUser { .. } | Self::RemoveUser { .. } => Role::Administrator,
        }
    }
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Refusal {
    /// Only this role may.
    Needs(Role),
    /// Name or PIN is wrong.
    WrongPin,
    /// Too many wrong PINs; so many seconds to wait.
    Locked {
        /// Seconds.
        wait_s: u32,
    },
    /// There is no such thing any more.
    NotThere,
    /// It must be said why.
    NeedsReason,
    /// The station does not keep what is asked for.
    NotKept,
    /// It did not work; the station's words.
    Failed(String),
}

/// A row of the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    pub at: UtcMicros,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Before.
    pub old: String,
    /// After.
    pub new: String,
    /// Why.
    pub reason: String,
}

/// A bundle that could be installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFile {
    /// The folder of a stick; absent: the station's inbox.
    pub stick: Option<String>,
    /// The file's name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last written.
    pub changed: UtcMicros,
}

/// Defects, yield and times of a while.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QualityFacts {
    /// Parts in it.
    pub parts: u64,
    /// Defect (or `missed:…`, `health:…`) and how many parts it failed, most first.
    pub pareto: Vec<(String, u64)>,
    /// Slices of time, oldest first: minutes ago, parts, rejected.
    pub trend: Vec<(u32, u32, u32)>,
    /// Parts that scores and times are of: the newest ones.
    pub sampled: u32,
    /// Scores of counted findings in tenths, class by class, most findings first.
    pub scores: Vec<(String, [u32; 10])>,
    /// Times from trigger to verdict in tenths of the deadline, the last also what took longer.
    pub times: [u32; 10],
    /// Rejects that people looked at, and how many of them were good (overkill).
    pub rejects_reviewed: (u64, u64),
    /// Passed parts that people looked at, and how many of them were bad (escapes).
    pub passes_reviewed: (u64, u64),
}

/// What happened to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmHappening {
    /// The condition came.
    Raised,
    /// The condition went.
    Cleared,
    /// A person has seen it.
    Acknowledged,
    /// A person put it aside.
    Shelved,
    /// It is no longer put aside.
    Unshelved,
}

/// A row of the history of alarms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmRow {
    /// When.
    pub at: UtcMicros,
    /// Which alarm.
    pub id: String,
    /// What happened to it.
    pub what: AlarmHappening,
    /// How much it matters.
    pub severity: AlarmSeverity,
    /// Who did it, where a person did.
    pub by: Option<String>,
}

/// What the station says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Done.
    Done,
    /// Not done.
    Refused(Refusal),
    /// Parts.
    Parts(Vec<PartCard>),
    /// A picture; its pixels follow.
    Picture(PreviewHead),
    /// Lines of two recipes: only in the active one (`-`), only in the other (`+`).
    Difference(Vec<(char, String)>),
    /// Bundles, newest first.
    Bundles(Vec<BundleFile>),
    /// Figures.
    Quality(Box<QualityFacts>),
    /// Rows of the audit trail, newest first.
    Audit(Vec<AuditRow>),
    /// Changes of alarms, newest first.
    AlarmHistory(Vec<AlarmRow>),
    /// Something was written on the station.
    Written {
        /// The file or folder.
        path: String,
        /// Pictures or files in it.
        items: u32,
    },
}

/// An answer with the pixels that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What the station says.
    pub answer: Answer,
    /// Pixels of [`Answer::Picture`], else empty.
    pub pixels: Vec<u8>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            pixels: Vec::new(),
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Answer::Refused(refusal).into()
    }
}
