//! Alarms: the list of what stands, and what is raised about cameras and findings.

pub(crate) mod camera_doubts;
pub(crate) mod camera_unfit;
pub(crate) mod list;
pub(crate) mod plausibility;
