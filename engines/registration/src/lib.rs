//! Registers a recipe's golden picture to the part with OpenCV.
//!
//! What lives here: where a part lies relative to its golden picture, and the golden picture moved there, so that a
//! change-detecting model sees both in the same place. It imports `sightline-domain` only, opens no thread and keeps
//! OpenCV from opening any. Where to start: [`Registrar`].
//!
//! How: both pictures are halved down to some 160 pixels a side and rid of slow changes of light. Phase correlation
//! (Kuglin & Hines, 1975) finds the shift, the inverse compositional algorithm (Baker & Matthews, "Lucas-Kanade 20 Years
//! On", IJCV 2004) refines it coarse to fine; everything that depends on the golden picture alone is made once, which
//! OpenCV's own `findTransformECC` cannot do.

mod aligner;
mod error;
mod lay;
mod level;
mod matrix;
mod motion;
mod plane;
mod registrar;
mod warp;

pub use error::RegistrationError;
pub use motion::Mode;
pub use registrar::{Registered, Registrar};
