//! The engine over the scripted device: real kernels, any order of work, any call failing.

mod decode;
mod faults;
mod order;
mod preprocess;
mod rig;
