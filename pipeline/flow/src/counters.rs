//! What is counted while the line runs, without a lock.

use sightline_domain::CameraId;
use sightline_verdict::{Challenges, Conservation};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

macro_rules! counters {
    ($(#[$doc:meta])* $live:ident => $(#[$snap_doc:meta])* $snap:ident { $($(#[$field_doc:meta])* $name:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $live { $(pub $name: AtomicU64,)* }

        $(#[$snap_doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $snap { $($(#[$field_doc])* pub $name: u64,)* }

        impl $live {
            pub(crate) fn snapshot(&self) -> $snap {
                $snap { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// One camera's frames.
    CameraTally =>
    /// One camera's frames. `seen == claimed + unclaimed` + those that still wait for their trigger.
    CameraCounts {
        /// Frames that reached the flow.
        seen,
        /// Frames that were a part's view.
        claimed,
        /// Frames that belonged to no part.
        unclaimed,
        /// Frames the camera said it lost.
        lost,
        /// Frames refused because the flow's input was full or closed.
        refused,
        /// Views owed by this camera that parts went without, for whatever reason.
        missed,
        /// Views of which nobody knows whether the frame that came was theirs.
        ambiguous,
        /// Views whose frame came with a number that its time contradicts.
        out_of_step,
        /// Frames in another size than the view's.
        wrong_size,
        /// Mean distance of the last frames from their due times, ns, as the bits of an `i64`.
        shift_ns,
        /// The longest window of the camera's views, ns.
        window_ns,
    }
}

counters! {
    /// The line as a whole.
    LineTally =>
    /// The line as a whole; `triggers - duplicate_triggers == parts == verdicts == dispositions == results` at rest.
    LineCounts {
        /// Triggers taken.
        triggers,
        /// Triggers whose track id was used before; they open nothing.
        duplicate_triggers,
        /// Parts opened, or rejected for want of room.
        parts,
        /// Parts rejected for want of room.
        overflowed,
        /// Verdicts reached.
        verdicts,
        /// Final dispositions.
        dispositions,
        /// Results handed to the sink.
        results,
        /// Results told again because a part went another way than was told first.
        corrections,
        /// Results that could not be written; each is an alarm.
        unwritten,
        /// Verdicts OK.
        ok,
        /// Verdicts NotOK.
        not_ok,
        /// Verdicts NotDecidable.
        not_decidable,
        /// Parts passed.
        passed,
        /// Parts rejected.
        rejected,
        /// Batches given to engines.
        batches,
        /// Views in them.
        batch_views,
        /// Microseconds in which engines made batches ready.
        prepare_us,
        /// Of those, beside the network of the batch before.
        overlap_us,
        /// Views that no engine was given any more because their part could not make it.
        too_late,
        /// Batches an engine failed on.
        engine_faults,
        /// Engines made anew after a fault.
        rebuilt,
        /// Golden pictures that could not be registered to a part.
        misaligned,
        /// Judge: views that came after their part's deadline or verdict.
        late_views,
        /// Judge: views of no part.
        unknown_views,
        /// Judge: views that came twice.
        duplicate_views,
    }
}

/// Everything the threads share by number.
#[derive(Debug)]
pub(crate) struct Counters {
    pub line: LineTally,
    pub cameras: Vec<CameraTally>,
    /// Items the sinks took, and those the batcher dealt with.
    pub taken: AtomicU64,
    pub dealt: AtomicU64,
    /// Parts opened and not yet told as a result.
    pub open: Arc<AtomicUsize>,
    /// Whether the inspection has shown lately that it finds what it must.
    challenges: Mutex<Challenges>,
}

impl Counters {
    pub(crate) fn new(cameras: usize, open: Arc<AtomicUsize>) -> Self {
        Self {
            line: LineTally::default(),
            cameras: (0..cameras).map(|_| CameraTally::default()).collect(),
            taken: AtomicU64::new(0),
            dealt: AtomicU64::new(0),
            open,
            challenges: Mutex::default(),
        }
    }

    pub(crate) fn challenges(&self) -> MutexGuard<'_, Challenges> {
        self.challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one for a camera, if there is such a camera.
    pub(crate) fn camera(&self, camera: CameraId, which: fn(&CameraTally) -> &AtomicU64) {
        if let Some(tally) = self.cameras.get(camera.index()) {
            bump(which(tally));
        }
    }
}

/// Adds one.
pub(crate) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl LineCounts {
    /// The flow's share of the conservation law; the uplink fills in what was acknowledged and what is pending.
    pub fn conservation(&self) -> Conservation {
        Conservation {
            triggers: self.triggers - self.duplicate_triggers.min(self.triggers),
            parts: self.parts,
            verdicts: self.verdicts,
            dispositions: self.dispositions,
            published: self.results,
            corrections: self.corrections,
            acknowledged: 0,
            pending: 0,
        }
    }
}
