//! How long a step of proving has taken of its own: on a busy box a good model waits for a core most of the time, and that
//! says nothing about the model.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// So many times its limit a step may take on the clock, however long it waits.
const CLOCK: u32 = 6;

/// One step of another process, from its begin.
pub(super) struct Patience {
    process: u32,
    limit: Duration,
    begun: Instant,
    /// What each thread had waited when it began, ns.
    before: BTreeMap<u32, u64>,
    /// Of the thread that waited most, so far.
    waited: Duration,
}

/// A step that took too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TooLong {
    limit: Duration,
    wall: Duration,
    waited: Duration,
}

impl Patience {
    /// A step of `process` begins now, and may take `limit`.
    pub(super) fn begin(process: u32, limit: Duration) -> Self {
        Self {
            process,
            limit,
            begun: Instant::now(),
            before: waits(process),
            waited: Duration::ZERO,
        }
    }

    /// How long to wait until it is worth looking again.
    pub(super) fn pause(&self) -> Duration {
        (self.limit / 10).clamp(Duration::from_millis(10), Duration::from_millis(200))
    }

    /// Whether it has taken too long by now.
    pub(super) fn is_over(&mut self) -> Option<TooLong> {
        let most = most_waited(&self.before, &waits(self.process));
        self.waited = self.waited.max(most);
        too_long(self.limit, self.begun.elapsed(), self.waited)
    }
}

/// `wall` since its begin, `waited` of that for a core.
fn too_long(limit: Duration, wall: Duration, waited: Duration) -> Option<TooLong> {
    let own = wall.saturating_sub(waited);
    let over = own >= limit || wall >= limit * CLOCK;
    over.then_some(TooLong {
        limit,
        wall,
        waited,
    })
}

/// How much longer the thread that waited most has waited `now` than `before`; a thread that is new has waited since it began.
fn most_waited(before: &BTreeMap<u32, u64>, now: &BTreeMap<u32, u64>) -> Duration {
    let more = now.iter().map(|(thread, ns)| {
        let then = before.get(thread).copied().unwrap_or(0);
        ns.saturating_sub(then)
    });
    Duration::from_nanos(more.max().unwrap_or(0))
}

/// How long each thread of a process has waited for a core in its life, ns: the second number of its `schedstat`. A kernel
/// that does not count that, and a process that has ended, have none: then the clock alone decides.
fn waits(process: u32) -> BTreeMap<u32, u64> {
    let tasks = PathBuf::from(format!("/proc/{process}/task"));
    let threads = std::fs::read_dir(tasks).into_iter().flatten().flatten();
    let waited = threads.filter_map(|thread| {
        let id = thread.file_name().to_str()?.parse().ok()?;
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        Some((id, text.split_whitespace().nth(1)?.parse().ok()?))
    });
    waited.collect()
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [limit, wall, waited] = [self.limit, self.wall, self.waited].map(|d| d.as_secs_f64());
        let own = wall - waited.min(wall);
        match self.wall.saturating_sub(self.waited) >= self.limit {
            true => write!(
                f,
                "expected at most {limit} s for a step (models.prove_step_s), found {own:.1} s of its own, and {waited:.1} s \
                 that it waited for a core; take a smaller model, or raise models.prove_step_s"
            ),
            false => write!(
                f,
                "expected at most {} s on the clock ({CLOCK} times models.prove_step_s), found {wall:.1} s, {waited:.1} s of \
                 that waiting for a core; try again when the box is less busy, or raise models.prove_step_s",
                limit * f64::from(CLOCK)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn what_it_waited_for_a_core_does_not_count_up_to_six_times_the_limit() {
        let over = |wall, waited| too_long(s(3.0), s(wall), s(waited)).is_some();
        for (wall, waited, expected) in [
            (2.9, 0.0, false),
            (3.0, 0.0, true),
            (3.0, 0.1, false),
            (17.9, 15.0, false),
            (17.9, 14.9, true),
            (18.0, 17.9, true),
            (18.0, 18.0, true),
            // the clock of the one and the count of the other are not read at the same time
            (1.0, 1.1, false),
        ] {
            assert_eq!(over(wall, waited), expected, "{wall} s, {waited} s waited");
        }
    }

    #[test]
    fn the_words_say_whether_it_was_the_model_or_the_box() {
        let words = |wall, waited| too_long(s(3.0), s(wall), s(waited)).unwrap().to_string();
        let model = words(4.2, 1.2);
        assert!(
            model.contains("found 3.0 s of its own, and 1.2 s"),
            "{model}"
        );
        let busy = words(18.0, 16.5);
        assert!(busy.contains("at most 18 s on the clock"), "{busy}");
        assert!(busy.contains("found 18.0 s, 16.5 s of that"), "{busy}");
    }

    #[test]
    fn the_thread_that_waited_most_counts_and_never_what_it_had_waited_before() {
        let of = |waits: &[(u32, u64)]| waits.iter().copied().collect::<BTreeMap<_, _>>();
        let before = of(&[(1, 5_000), (2, 100)]);
        for (now, expected) in [
            (vec![], 0),
            (vec![(1, 5_000), (2, 100)], 0),
            (vec![(1, 5_010), (2, 900)], 800),
            // a new thread, and an id that another one has by now
            (vec![(1, 40), (3, 70)], 70),
        ] {
            assert_eq!(
                most_waited(&before, &of(&now)),
                Duration::from_nanos(expected),
                "{now:?}"
            );
        }
    }

    /// The kernel counts: of two threads that spin on one core, each waits about half of the time.
    #[test]
    fn the_time_that_a_thread_waits_for_its_core_is_seen() {
        let core = *sightline_threads::allowed_cores().last().unwrap();
        let mut patience = Patience::begin(std::process::id(), s(60.0));
        let spin = move || {
            let place = sightline_threads::Place {
                core: Some(core),
                urgency: None,
            };
            place.take().unwrap();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(600) {
                std::hint::spin_loop();
            }
        };
        let threads = [(); 3].map(|()| std::thread::spawn(spin));
        while threads.iter().any(|t| !t.is_finished()) {
            assert_eq!(patience.is_over(), None);
            std::thread::sleep(Duration::from_millis(5));
        }
        let waited = patience.waited;
        assert!(waited > Duration::from_millis(200), "{waited:?}");
    }
}
