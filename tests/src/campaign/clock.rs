//! A wall clock that steps, as one does that an operator or NTP sets.

use sightline_domain::{Clock, MonoTime, SystemClock, UtcMicros};
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The machine's clocks, the wall clock so far from its own.
#[derive(Default)]
pub struct SteppedClock {
    machine: SystemClock,
    off_by_us: AtomicI64,
}

impl SteppedClock {
    /// Steps by each number of microseconds that comes as a line, until the lines end.
    pub fn follow(lines: impl BufRead + Send + 'static) -> Arc<Self> {
        let clock = Arc::new(Self::default());
        let theirs = clock.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let us: i64 = line.parse().expect("microseconds");
                theirs.off_by_us.fetch_add(us, Ordering::SeqCst);
            }
        });
        clock
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> MonoTime {
        self.machine.now()
    }

    fn utc(&self) -> UtcMicros {
        UtcMicros(self.machine.utc().0 + self.off_by_us.load(Ordering::SeqCst))
    }
}
