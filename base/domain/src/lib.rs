//! Plain data every crate speaks: ids, time, geometry, frame meta, detections, verdicts, results, alarms.
//!
//! What lives here: types without threads, files, sockets or foreign handles. It imports nothing of ours.
//! Where to start: [`frame`] (what a picture is), [`part`] (what is decided about a part), [`result`] (what
//! the factory receives). Coordinate spaces and units are in the names: `bbox_view` is in pixels of the view
//! as captured, `_tensor` in pixels of a network's input, `_ns`, `_us`, `_ms` say the unit of a duration.

pub mod alarm;
pub mod alarm_kind;
pub mod area;
pub mod detection;
pub mod frame;
pub mod geometry;
pub mod id;
pub mod levels;
pub mod part;
pub mod result;
pub mod time;

pub use alarm::{Alarm, AlarmEvent, AlarmSeverity, AlarmStanding, AlarmState};
pub use alarm_kind::{AlarmEffect, AlarmId, AlarmKind, AlarmRule};
pub use area::{Area, Contour};
pub use detection::{Detection, Severity, Suppressed, VerifierOutcome};
pub use frame::{FrameMeta, Health, MissReason, PictureRef, PixelFormat, PlaneLayout};
pub use geometry::{BoxTensor, BoxView, ViewToTensor};
pub use id::{CameraId, ClassId, FrameId, Generation, TrackId, ViewId};
pub use levels::{ColorMatrix, LevelRange, Levels};
pub use part::{Disposition, DispositionReason, Evaluation, ResultState, Trigger, ViewTag};
pub use result::InspectionResult;
pub use time::{Clock, MockClock, MonoTime, SystemClock, TimeSource, Timing, UtcMicros};
