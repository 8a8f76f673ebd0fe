//! A camera's seat at the line: which parts it has seen, and when.

use crate::belt::Belt;
use crate::fault::{Condition, FaultScript};
use crate::part::PartSpec;
use sightline_domain::{FrameId, MonoTime};
use std::collections::VecDeque;

/// Events a consumer may leave unread before the oldest are dropped (and counted).
pub(crate) const QUEUE: usize = 256;

/// A camera is to take, or could not take, a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposure {
    /// When exactly the part was before the camera.
    pub at: MonoTime,
    /// The camera's number for the frame. It counts what the camera missed while unplugged, too.
    pub frame_id: FrameId,
    /// How the camera was; `Unplugged` means there is no frame.
    pub condition: Condition,
    /// The part.
    pub part: PartSpec,
}

#[derive(Debug)]
pub(crate) struct CameraSeat {
    pub(crate) offset_mm: f64,
    pub(crate) next_track: u64,
    pub(crate) frames: u64,
    pub(crate) waiting: VecDeque<Exposure>,
}

impl CameraSeat {
    /// Notes the exposures due until `now`; returns how many old ones were dropped.
    pub(crate) fn advance(
        &mut self,
        index: usize,
        belt: &Belt,
        faults: &FaultScript,
        parts: &VecDeque<PartSpec>,
        now: MonoTime,
    ) -> u64 {
        let mut dropped = 0;
        let first = parts.front().map_or(self.next_track, |p| p.track.0);
        for part in parts
            .iter()
            .skip(self.next_track.saturating_sub(first) as usize)
        {
            let Some(at) = belt
                .time_at(part.position_mm + self.offset_mm)
                .filter(|at| *at <= now)
            else {
                break;
            };
            let condition = faults.camera(index, part.track, at);
            if condition != Condition::FrozenNumber || self.frames == 0 {
                self.frames += 1;
            }
            self.next_track = part.track.0 + 1;
            let frame_id = FrameId(self.frames);
            dropped += keep_newest(
                &mut self.waiting,
                Exposure {
                    at,
                    frame_id,
                    condition,
                    part: *part,
                },
            );
        }
        dropped
    }
}

/// Appends to a bounded queue; 1 when the oldest had to go.
pub(crate) fn keep_newest<T>(queue: &mut VecDeque<T>, item: T) -> u64 {
    let full = queue.len() >= QUEUE;
    if full {
        queue.pop_front();
    }
    queue.push_back(item);
    u64::from(full)
}
