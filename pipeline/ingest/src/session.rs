//! What a source is to its supervisor: something that can be opened, and is closed by drop.

use crate::{
    link::{Link, StopFlag},
    seat::{Seat, SeatedTap},
    state::Reason,
};
use sightline_threads::Place;
use std::thread::JoinHandle;

/// A kind of source, ready to be opened again and again.
pub(crate) trait Source: Send {
    /// Opens it. The session speaks through its link from then on; an error here is the same as its being lost.
    fn open(&mut self, seat: &Seat, link: Link) -> Result<Box<dyn Session>, Reason>;
}

/// An open source. Its drop closes it and waits for its threads.
pub(crate) trait Session: Send {
    /// The session said that it is at its end, after the camera had delivered `frames` views in all.
    fn at_end(&mut self, _frames: u64) -> AtEnd {
        AtEnd::Ended
    }
}

/// What the end of a session means.
#[derive(Debug)]
pub(crate) enum AtEnd {
    /// It began again.
    GoesOn,
    /// There is no more.
    Ended,
    /// It should not have ended.
    Lost(Reason),
}

/// A session that is one thread of ours.
pub(crate) struct ThreadSession {
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

/// What the thread of a [`ThreadSession`] works with.
pub(crate) struct Work {
    pub(crate) tap: SeatedTap,
    pub(crate) link: Link,
    pub(crate) stop: StopFlag,
}

impl ThreadSession {
    /// Starts `work` on a thread of its own, put in its `place`.
    pub(crate) fn start(
        camera: &str,
        place: Place,
        seat: &Seat,
        link: Link,
        work: impl FnOnce(Work) + Send + 'static,
    ) -> Result<Box<dyn Session>, Reason> {
        let tap = take_tap(seat, &link)?;
        let stop = StopFlag::default();
        let (name, inner) = (camera.to_owned(), stop.clone());
        let thread = std::thread::Builder::new()
            .name(thread_name("cam", camera))
            .spawn(move || {
                take(place, &name);
                work(Work {
                    tap,
                    link,
                    stop: inner,
                });
            })
            .map_err(|e| Reason::from(format!("expected a thread for the source, found: {e}")))?;
        Ok(Box::new(Self {
            stop,
            thread: Some(thread),
        }))
    }
}

/// Puts the calling thread in its place. What was checked at start can still be refused when it was taken away since.
pub(crate) fn take(place: Place, camera: &str) {
    if let Err(refused) = place.take() {
        tracing::warn!(camera, "the camera's thread {refused}");
    }
}

/// The tap for a new session.
pub(crate) fn take_tap(seat: &Seat, link: &Link) -> Result<SeatedTap, Reason> {
    seat.take(link.clone())
        .ok_or_else(|| "the session before has not let go of the camera yet".into())
}

/// A thread's name, which Linux cuts at 15 bytes: the kind first, then as much of the camera's name as fits.
pub(crate) fn thread_name(kind: &str, camera: &str) -> String {
    let room = 15usize.saturating_sub(kind.len() + 1);
    let end = camera
        .char_indices()
        .map(|(i, c)| i + c.len_utf8())
        .take_while(|&end| end <= room)
        .last()
        .unwrap_or(0);
    format!("{kind}-{}", &camera[..end])
}

impl Session for ThreadSession {}

impl Drop for ThreadSession {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of a source panicked; its camera is opened again");
        }
    }
}
