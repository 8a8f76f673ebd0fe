//! The belt's thread: it lets the line's events happen when they are due and tells everybody.

use super::line::Inner;
use sightline_domain::{MonoTime, Timing, TrackId, Trigger, UtcMicros};
use sightline_simulation::{Line, PartTruth, line::Arrival};
use std::{
    sync::{PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

/// The longest sleep, so that gate and sensor move between parts too.
const STEP: Duration = Duration::from_millis(10);

impl Inner {
    pub(super) fn drive(&self) {
        let (mut arrivals, mut exposures) = (Vec::with_capacity(16), Vec::with_capacity(16));
        loop {
            let mut state = self.lock();
            if state.stopping {
                return;
            }
            let now = self.clock.now();
            while let Some(arrival) = state.line.arrival(now) {
                self.tell_truth(&mut state.line, arrival.part.track);
                arrivals.push(arrival);
            }
            for number in 0..self.eyes() {
                while let Some(exposure) = state.line.exposure(number, now) {
                    exposures.push((number, exposure));
                }
            }
            if arrivals.is_empty() && exposures.is_empty() {
                let wait = self
                    .next_event(&state.line)
                    .map_or(STEP, |at| at.since(now).min(STEP));
                drop(
                    self.changed
                        .wait_timeout(state, wait)
                        .unwrap_or_else(PoisonError::into_inner),
                );
                continue;
            }
            drop(state);
            // Triggers first: a view must find its part open.
            if !arrivals.drain(..).all(|arrival| self.trigger(&arrival)) {
                tracing::info!("the simulated line ends: nobody takes triggers any more");
                return;
            }
            for (number, exposure) in exposures.drain(..) {
                let port = self.exposures.get(number);
                if port.is_some_and(|(tx, _)| tx.try_send(exposure).is_err()) {
                    self.dropped.fetch_add(1, Relaxed);
                }
            }
        }
    }

    /// Cameras of the line; one that nobody looks through where only its trigger and gate are used.
    fn eyes(&self) -> usize {
        self.cameras.len().max(1)
    }

    /// Drawn parts bring their truth; real pictures have it in their file; what other cameras see is taken for good.
    fn tell_truth(&self, line: &mut Line, track: TrackId) {
        if let Some(pictures) = &self.pictures {
            line.tell_truth(track, pictures.truth(track));
        } else if self.cameras.is_empty() {
            line.tell_truth(track, PartTruth::default());
        }
    }

    fn next_event(&self, line: &Line) -> Option<MonoTime> {
        let exposures = (0..self.eyes()).filter_map(|number| line.next_exposure_at(number));
        line.next_arrival_at().into_iter().chain(exposures).min()
    }

    fn trigger(&self, arrival: &Arrival) -> bool {
        let track = arrival.part.track;
        let trigger = Trigger {
            track_id: track,
            part_id: Some(format!("SIM-{:06}", track.0).into()),
            at: arrival.at,
            at_utc: self.utc_of(arrival.at),
            encoder: arrival.encoder,
            timing: Timing::default(),
        };
        self.sent.fetch_add(1, Relaxed);
        self.triggers.trigger(trigger).is_ok()
    }

    /// Wall-clock time of a moment just past.
    pub(super) fn utc_of(&self, at: MonoTime) -> UtcMicros {
        UtcMicros(self.clock.utc().0 - self.clock.now().signed_us(at))
    }
}
