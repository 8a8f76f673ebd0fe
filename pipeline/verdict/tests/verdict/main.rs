//! The promise, tested: one decision a part, unknown is never OK, late changes nothing, nothing is lost.

mod allocation;
mod challenge;
mod common;
mod confirm;
mod encoder_faults;
mod gate;
mod gate_model;
mod judge;
mod judge_model;
mod plan;
mod result;
mod rules;
mod rules_laws;
