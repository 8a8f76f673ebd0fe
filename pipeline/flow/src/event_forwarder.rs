//! Events on a thread of their own: who acts never waits for who hears.

use crate::{FlowError, FlowEvents};
use sightline_domain::{Alarm, AlarmKind, Clock, Generation};
use sightline_queue::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Events that may wait.
const ROOM: usize = 4_096;
/// How long the last ones may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

enum Said {
    Alarm(Alarm),
    Active(Generation),
    Retired(Generation),
    End,
}

/// Takes events from the flow's threads and tells them to whoever hears, on the thread `sl-events`.
pub(crate) struct EventForwarder {
    queue: Sender<Said>,
    lost: Arc<AtomicU64>,
    ended: AtomicBool,
    /// The thread, and its word that it is done.
    thread: Mutex<Option<(JoinHandle<()>, Receiver<()>)>>,
}

impl EventForwarder {
    pub(crate) fn start(
        hears: Arc<dyn FlowEvents>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, FlowError> {
        let (queue, told) = bounded("events", ROOM);
        let (done, is_done) = bounded("events-told", 1);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let name = "sl-events";
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                tell(&told, &*hears, &counted, &*clock);
                let _ = done.try_send(());
            });
        let thread = thread.map_err(|source| FlowError::Thread {
            name: name.into(),
            source,
        })?;
        Ok(Arc::new(Self {
            queue,
            lost,
            ended: AtomicBool::new(false),
            thread: Mutex::new(Some((thread, is_done))),
        }))
    }

    fn say(&self, said: Said) {
        if self.queue.try_send(said).is_err() && !self.ended.load(Ordering::Relaxed) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells what is left. Who hears may hang: it is waited for no longer than a moment.
    pub(crate) fn end(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((thread, is_done)) = thread else {
            return;
        };
        let end = Instant::now() + LAST_WORDS;
        while self.queue.try_send(Said::End).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ended.store(true, Ordering::Relaxed);
        if is_done.recv_timeout(LAST_WORDS).is_ok() {
            let _ = thread.join();
        }
    }
}

fn tell(told: &Receiver<Said>, hears: &dyn FlowEvents, lost: &AtomicU64, clock: &dyn Clock) {
    while let Ok(said) = told.recv() {
        match said {
            Said::Alarm(alarm) => hears.alarm(alarm),
            Said::Active(generation) => hears.generation_active(generation),
            Said::Retired(generation) => hears.generation_retired(generation),
            Said::End => return,
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            hears.alarm(Alarm {
                id: AlarmKind::FlowEventsLost.into(),
                active: true,
                since: clock.utc(),
                message: format!(
                    "expected alarms to be taken as they come, found {lost} lost because log, journal or network took none; look at the parts and cameras yourself"
                ),
            });
        }
    }
}

impl FlowEvents for EventForwarder {
    fn alarm(&self, alarm: Alarm) {
        self.say(Said::Alarm(alarm));
    }

    fn generation_active(&self, generation: Generation) {
        self.say(Said::Active(generation));
    }

    fn generation_retired(&self, generation: Generation) {
        self.say(Said::Retired(generation));
    }
}
