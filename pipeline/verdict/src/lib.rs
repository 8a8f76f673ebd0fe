//! What is decided about a part, as pure state machines: no threads, no clock reads, no files; `now` comes in.
//!
//! It carries the product's promise: every trigger gets exactly one verdict, on time, or the part is rejected;
//! unknown is never OK. It imports `sightline-domain` and `sightline-configs` only.
//! Where to start: [`plan`] (what a recipe means on this box), [`rules`] (what counts against a part), [`judge`]
//! (open parts and their deadlines), [`gate`] (what happens at the reject gate), [`result`] (what the factory is
//! told), [`conservation`] (that nothing was lost). `pipeline/flow` owns the threads that drive them.

mod challenge;
pub mod conservation;
pub mod dossier;
pub mod gate;
pub mod ids;
pub mod judge;
pub mod outcome;
pub mod plan;
mod plan_error;
mod resolve;
pub mod result;
pub mod rules;
mod verifier;
mod window;

pub use challenge::{ChallengeCounters, ChallengeStanding, Challenges, Ruling};
pub use conservation::{Conservation, Gap, InFlight};
pub use dossier::{Dossier, DossierView, ViewState};
pub use gate::{
    AlreadyFinal, Confirmation, Correction, GateAlarm, GateAlarmKind, GateCommand, GateConfigError,
    GateCounters, GateDriver, GateError, GateSchedule, OnTheWay, Registered,
};
pub use ids::{IdSource, SeededIds};
pub use judge::{Judge, JudgeCounters, OpenError};
pub use outcome::{Decision, Outcome};
pub use plan::{
    ClassFacts, InspectionPlan, ModelFacts, PlannedClass, PlannedModel, PlannedVerifier,
    PlannedView, Task, VerifierFacts,
};
pub use plan_error::PlanError;
pub use result::{ResultConfig, ResultMaker};
pub use rules::{Answer, Finding, Undecided, ViewVerdict};
pub use verifier::VerifierFault;
