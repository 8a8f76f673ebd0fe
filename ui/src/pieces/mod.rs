//! Pieces that screens share: buttons, signs, facts, tables, pictures with their overlays, bars.

mod buttons;
mod charts;
mod picture;
mod places;
mod signs;
mod words;

pub use buttons::*;
pub use charts::*;
pub use picture::*;
pub use places::*;
pub use signs::*;
pub use words::*;
