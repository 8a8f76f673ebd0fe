//! What a source is to its supervisor: something that can be opened, and is closed by drop.

use crate::{
    link::{Link, StopFlag},
    shared_tap::{SharedTap, TapGuard},
    state::Reason,
};
use sightline_threads::Place;
use std::thread::JoinHandle;

/// A kind of source, ready to be opened again and again.
pub trait Source: Send {
    /// Opens it. The session speaks through its link from then on; an error here is the same as its being lost.
    ///
    /// # Errors
    /// What was expected and found, for people: it stands as the camera's reason.
    fn open(&mut self, tap: &SharedTap, link: Link) -> Result<Box<dyn Session>, Reason>;

    /// Width and height of its pictures, pixels, where they are known before it is opened: its slots are made for them.
    fn size(&self) -> Option<(u32, u32)> {
        None
    }

    /// It gives pictures only when it is asked, so that silence is no fault.
    fn is_on_demand(&self) -> bool {
        false
    }
}

/// An open source. Its drop closes it and waits for its threads.
pub trait Session: Send {
    /// The session said that it is at its end, after the camera had delivered `frames` views in all.
    fn at_end(&mut self, _frames: u64) -> AtEnd {
        AtEnd::Ended
    }
}

/// What the end of a session means.
#[derive(Debug)]
pub enum AtEnd {
    /// It began again.
    GoesOn,
    /// There is no more.
    Ended,
    /// It should not have ended.
    Lost(Reason),
}

/// A session that is one thread of ours.
pub struct ThreadSession {
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

/// What the thread of a [`ThreadSession`] works with.
pub struct Work {
    /// Where pictures and misses go.
    pub tap: TapGuard,
    /// What the supervisor is told.
    pub link: Link,
    /// Raised when the session is to end.
    pub stop: StopFlag,
}

impl ThreadSession {
    /// Starts `work` on a thread of its own, put in its `place`.
    ///
    /// # Errors
    /// The session before still has the tap, or the system gives no thread.
    pub fn start(
        camera: &str,
        place: Place,
        shared_tap: &SharedTap,
        link: Link,
        work: impl FnOnce(Work) + Send + 'static,
    ) -> Result<Box<dyn Session>, Reason> {
        let tap = take_tap(shared_tap, &link)?;
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
pub(crate) fn take_tap(shared_tap: &SharedTap, link: &Link) -> Result<TapGuard, Reason> {
    shared_tap
        .take(link.clone())
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
