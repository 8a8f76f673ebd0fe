//! Triggers that the service makes itself: at a rate, and by command.

use sightline_domain::{Clock, TimeSource, Timing, TrackId, Trigger, UtcMicros};
use sightline_frames::TriggerSink;
use sightline_threads::{Place, Urgency};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// The way to the flow for those who are there before it: closed until it runs.
#[derive(Default)]
pub struct TriggerRelay(OnceLock<Arc<dyn TriggerSink>>);

impl TriggerRelay {
    /// The flow is there.
    pub fn open(&self, triggers: Arc<dyn TriggerSink>) {
        // A second flow on the same door does not exist; the first one stays.
        let _ = self.0.set(triggers);
    }
}

impl TriggerSink for TriggerRelay {
    fn trigger(&self, trigger: Trigger) -> Result<(), Trigger> {
        match self.0.get() {
            Some(triggers) => triggers.trigger(trigger),
            None => Err(trigger),
        }
    }
}

/// The oldest time stamp that a command may carry.
const OLDEST: Duration = Duration::from_secs(10);
/// And how far it may lie in the future, by clocks that are not quite in step.
const AHEAD: Duration = Duration::from_millis(50);

fn trigger(number: u64, part_id: Option<Arc<str>>, clock: &dyn Clock) -> Trigger {
    Trigger {
        track_id: TrackId(number),
        part_id,
        at: clock.now(),
        at_utc: clock.utc(),
        encoder: None,
        timing: Timing::default(),
    }
}

/// Opens a part when a command asks for it.
pub struct CommandTrigger {
    door: Arc<TriggerRelay>,
    clock: Arc<dyn Clock>,
    /// How well a command's time is known.
    uncertainty: Duration,
    parts: AtomicU64,
}

impl CommandTrigger {
    pub fn new(door: Arc<TriggerRelay>, clock: Arc<dyn Clock>, uncertainty_ms: f64) -> Self {
        Self {
            door,
            clock,
            uncertainty: Duration::from_secs_f64(uncertainty_ms.max(0.0) / 1e3),
            parts: AtomicU64::new(0),
        }
    }

    /// Opens one; says which, or why not. `at` is when the part was at the sensor, by the sender's clock, which must be
    /// in step with ours.
    pub fn fire(&self, part_id: Option<String>, at: Option<UtcMicros>) -> Result<String, String> {
        let age = at.map(|at| self.age(at)).transpose()?;
        let number = self.parts.fetch_add(1, Ordering::Relaxed) + 1;
        let mut trigger = trigger(number, part_id.map(Into::into), &*self.clock);
        trigger.timing = Timing {
            uncertainty: self.uncertainty,
            source: match age {
                Some(_) => TimeSource::Message,
                None => TimeSource::Arrival,
            },
        };
        if let (Some(at), Some(age)) = (at, age) {
            trigger.at = trigger.at - age;
            trigger.at_utc = at;
        }
        match self.door.trigger(trigger) {
            Ok(()) => Ok(format!("part {number} opened")),
            Err(_) => Err("the station is starting or stopping; no part was opened".into()),
        }
    }
}

impl CommandTrigger {
    /// How long ago that was.
    fn age(&self, at: UtcMicros) -> Result<Duration, String> {
        let ago_us = self.clock.utc().0.saturating_sub(at.0);
        let most = (OLDEST.as_micros() as i64, AHEAD.as_micros() as i64);
        if ago_us > most.0 || ago_us < -most.1 {
            return Err(format!(
                "`at` must be at most {} s ago by this station's clock and not in its future, found {} ({:.3} s ago); hold \
                 both clocks in step (NTP or PTP), or leave `at` out; no part was opened",
                OLDEST.as_secs(),
                at.to_rfc3339(),
                ago_us as f64 / 1e6
            ));
        }
        Ok(Duration::from_micros(ago_us.max(0) as u64))
    }
}

/// Parts at a fixed rate.
pub struct RateTrigger {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RateTrigger {
    /// Starts the thread `sl-trigger`.
    pub fn start(
        hz: f64,
        triggers: Arc<dyn TriggerSink>,
        clock: Arc<dyn Clock>,
        raised: bool,
    ) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("sl-trigger".into())
            .spawn(move || {
                let urgency = raised.then_some(Urgency::Stage);
                if let Err(refused) = (Place {
                    core: None,
                    urgency,
                })
                .take()
                {
                    tracing::warn!("the trigger's thread {refused}");
                }
                let start = clock.now();
                for number in 1_u64.. {
                    let due = start + Duration::from_secs_f64(number as f64 / hz);
                    while !stopped.load(Ordering::Relaxed) {
                        let left = due.since(clock.now());
                        if left.is_zero() {
                            break;
                        }
                        std::thread::sleep(left.min(Duration::from_millis(50)));
                    }
                    if stopped.load(Ordering::Relaxed)
                        || triggers.trigger(trigger(number, None, &*clock)).is_err()
                    {
                        return;
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for RateTrigger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the trigger thread panicked");
        }
    }
}
