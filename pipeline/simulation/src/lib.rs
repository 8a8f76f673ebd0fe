//! The simulated line: drawn boards, belt, encoder, gate, faults and the truth book.
//!
//! What lives here: pure logic and drawing, no threads, no files, no sleeping; time comes in as
//! [`sightline_domain::MonoTime`]. It imports only the plain data of `base/domain`.
//! Where to start: [`line`] (everything composed, behind one lock), [`boards`] (what the cameras see), [`truth`] (overkill,
//! escapes, conservation). The same seeds give the same bytes.

pub mod belt;
pub mod boards;
pub mod encoder;
pub mod face;
pub mod fault;
pub mod gate;
pub mod line;
pub mod part;
mod seat;
pub mod seed;
mod settings;
pub mod truth;

pub use belt::{Belt, BeltSettings};
pub use boards::{
    Board, BoardError, BoardSpec, DefectKind, DefectMix, DrawError, FrameTruth, Look, Painter,
};
pub use face::Face;
pub use fault::{Condition, EncoderFault, Fault, FaultKind, FaultScript, GatePosition, Window};
pub use gate::{GateEvent, GateSettings, PhysicalEnd, SimGate};
pub use line::{Arrival, Exposure, Line, LineCamera, LineError, LineSettings};
pub use part::{MAX_CAMERAS, PartMix, PartSpec, Parts};
pub use truth::{PartTruth, StationDecision, TruthBook, TruthCounts};
