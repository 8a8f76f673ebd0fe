//! The simulated line: drawn boards, belt, encoder, gate, faults and the truth book.
//!
//! What lives here: pure logic and drawing, no threads, no files, no sleeping; time comes in as
//! [`sightline_model::MonoTime`]. It imports only the plain data of `pipeline/model`.
//! Where to start: [`boards`] (what a camera of the line sees). The same seeds give the same bytes.

pub mod boards;
pub mod seed;
