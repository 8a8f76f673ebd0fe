//! Models: the store, proving, signatures, engines, and changing from one set to another.

pub(crate) mod backend;
pub(crate) mod changeover;
pub(crate) mod engines;
pub(crate) mod golden_picture;
pub(crate) mod proving;
pub(crate) mod signing;
pub(crate) mod store;
pub(crate) mod trial;
pub(crate) mod tuning;
