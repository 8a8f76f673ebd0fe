//! The reject gate: when each part is there, what really happens to it, and whether the sensor saw it happen.
//!
//! [`GateSchedule`] decides (pure), [`GateDriver`] does. A part's disposition is final exactly once: the default is
//! reject, a verdict can change it until the gate's command is due, and nothing can afterwards.

mod alarms;
mod belt;
mod confirm;
mod counters;
mod driver;
mod schedule;
mod speed;

pub use alarms::{GateAlarm, GateAlarmKind};
pub use belt::GateConfigError;
pub use counters::GateCounters;
pub use driver::{Confirmation, GateDriver, GateError};
pub use schedule::{AlreadyFinal, GateCommand, GateSchedule, OnTheWay, Registered};
