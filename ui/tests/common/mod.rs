//! A console that is drawn into memory: the same pixels on every machine, without graphics card or display.

pub mod raster;
pub mod sample;
