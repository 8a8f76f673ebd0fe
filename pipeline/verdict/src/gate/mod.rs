//! The reject gate: when each part is there, what really happens to it, and whether the sensor saw it happen.
//!
//! [`GateSchedule`] decides (pure), [`GateDriver`] does. A part is decided exactly once: the default is reject, a verdict
//! can change it until the gate's command is due, and nothing can afterwards. What the gate then really does may be
//! another thing (a command that came too late, an encoder that jumped, a part the sensor sees in the bin): that is a
//! [`Correction`].

mod alarms;
mod belt;
mod confirm;
mod corrections;
mod counters;
mod driver;
mod encoder;
mod happened;
mod schedule;
mod speed;
mod sync;

pub use alarms::{GateAlarm, GateAlarmKind};
pub use belt::GateConfigError;
pub use corrections::Correction;
pub use counters::GateCounters;
pub use driver::{Confirmation, GateDriver, GateError};
pub use schedule::{AlreadyFinal, GateCommand, GateSchedule, OnTheWay, Registered};
