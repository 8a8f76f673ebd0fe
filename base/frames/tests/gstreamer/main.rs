//! Real elements of the GStreamer on this machine write into our slots.

mod buffers;
#[path = "../common/mod.rs"]
mod common;
mod line;
mod short_of_slots;
mod writes;
