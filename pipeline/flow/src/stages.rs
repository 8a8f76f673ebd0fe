//! Where the time of parts went, as distributions.

use hdrhistogram::Histogram;
use sightline_domain::MonoTime;
use sightline_domain::result::StagesUs;
use sightline_verdict::{Dossier, Undecided, ViewState, ViewVerdict};
use std::time::Duration;

/// Longest time told apart: a minute. What takes longer counts as a minute.
const MOST_US: u64 = 60_000_000;

/// What is kept of one distribution, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageSummary {
    /// Parts counted.
    pub count: u64,
    /// Mean.
    pub mean_us: f64,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// 999 of 1,000 took no longer.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Distributions over parts of which every view was judged: each stage of the part's slowest view, and the whole way.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct StageTimes { $($(#[$doc])* pub $name: StageSummary,)* }

        pub(crate) struct Stages { configured_wait: Duration, $($name: Histogram<u64>,)* }

        impl Stages {
            /// `batch_wait`: the configured one, which is not counted as our own.
            pub(crate) fn new(batch_wait: Duration) -> Self {
                Self { configured_wait: batch_wait, $($name: histogram(),)* }
            }

            pub(crate) fn summary(&self) -> StageTimes {
                StageTimes { $($name: summary(&self.$name),)* }
            }

            pub(crate) fn reset(&mut self) {
                $(self.$name.reset();)*
            }
        }
    };
}

stages! {
    /// Trigger to frame in memory.
    capture,
    /// Waiting while the engine was busy with other views.
    engine_busy,
    /// Then waiting for other views to fill the batch.
    batch_wait,
    /// The way to the engine and back.
    queue,
    /// Registration and preprocessing.
    preprocess,
    /// Inference, both stages.
    infer,
    /// Decoding and suppression.
    postprocess,
    /// Last finding to verdict.
    judge,
    /// Trigger to verdict.
    trigger_to_verdict,
    /// The same without engine time, its own view's and that spent on others meanwhile, and without the configured
    /// batching wait: what is our own, and the camera's.
    own,
    /// The same without capture: what is our own.
    own_after_capture,
}

impl Stages {
    /// Counts one decided part, unless a deadline or a missing view closed it.
    pub(crate) fn observe(&mut self, dossier: &Dossier, at: MonoTime) {
        let total =
            |s: &StagesUs| s.capture + s.engine_busy + s.batch_wait + s.queue + engine(s) + s.judge;
        let views = dossier.views();
        let missed = |s| {
            matches!(
                s,
                ViewState::Judged(ViewVerdict::Undecided(Undecided::Missed(_)))
            )
        };
        if dossier.decision().expired || views.iter().any(|v| missed(v.state)) {
            return;
        }
        let Some(s) = views.iter().map(|v| v.stages).max_by_key(total) else {
            return;
        };
        let wait = s.batch_wait.min(self.configured_wait.as_micros() as u64);
        let whole = at.since(dossier.trigger().at).as_micros() as u64;
        let own = whole.saturating_sub(engine(&s) + s.engine_busy + wait);
        for (histogram, us) in [
            (&mut self.capture, s.capture),
            (&mut self.engine_busy, s.engine_busy),
            (&mut self.batch_wait, s.batch_wait),
            (&mut self.queue, s.queue),
            (&mut self.preprocess, s.preprocess),
            (&mut self.infer, s.infer),
            (&mut self.postprocess, s.postprocess),
            (&mut self.judge, s.judge),
            (&mut self.trigger_to_verdict, whole),
            (&mut self.own, own),
            (&mut self.own_after_capture, own.saturating_sub(s.capture)),
        ] {
            histogram.saturating_record(us.min(MOST_US));
        }
    }
}

fn engine(s: &StagesUs) -> u64 {
    s.preprocess + s.infer + s.postprocess
}

#[expect(
    clippy::expect_used,
    reason = "the bounds are constants that a test tries"
)]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MOST_US, 3).expect("1 and a minute are valid bounds")
}

fn summary(h: &Histogram<u64>) -> StageSummary {
    if h.is_empty() {
        return StageSummary::default();
    }
    StageSummary {
        count: h.len(),
        mean_us: h.mean(),
        p50_us: h.value_at_quantile(0.5),
        p99_us: h.value_at_quantile(0.99),
        p999_us: h.value_at_quantile(0.999),
        max_us: h.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_tells_the_distribution() {
        let mut h = histogram();
        (1..=1_000).for_each(|us| h.saturating_record(us));
        let s = summary(&h);
        assert_eq!(
            (s.count, s.p50_us, s.p99_us, s.max_us),
            (1_000, 500, 990, 1_000)
        );
        assert_eq!(summary(&histogram()), StageSummary::default());
    }
}
