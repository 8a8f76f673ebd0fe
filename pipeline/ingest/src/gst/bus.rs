//! What a pipeline says of itself, heard where it is said: the handler runs in the thread that posts.

use super::{
    damage::{self, Damage},
    rtsp::Explain,
};
use crate::{link::Link, session, state::Reason, status::Stats};
use gstreamer::{self as gst, MessageView, glib, prelude::*};
use sightline_threads::Place;
use std::sync::{Arc, Mutex, PoisonError};

/// Hears a pipeline's bus. Nothing waits on the bus, so nothing piles up there.
#[derive(Clone)]
pub(super) struct Ear {
    camera: Arc<str>,
    place: Place,
    link: Link,
    stats: Arc<Stats>,
    error: Arc<Mutex<Option<Reason>>>,
    explain: Option<Explain>,
    damage: Damage,
    /// The camera is silent until it is triggered: that it runs is all the life there is.
    when_running: bool,
}

impl Ear {
    pub(super) fn new(
        camera: Arc<str>,
        place: Place,
        link: Link,
        stats: Arc<Stats>,
        explain: Option<Explain>,
        damage: Damage,
        when_running: bool,
    ) -> Self {
        Self {
            camera,
            place,
            link,
            stats,
            error: Arc::default(),
            explain,
            damage,
            when_running,
        }
    }

    pub(super) fn listen(&self, bus: &gst::Bus) {
        let ear = self.clone();
        bus.set_sync_handler(move |_, message| {
            ear.hear(message);
            gst::BusSyncReply::Drop
        });
    }

    /// The first error that was posted.
    pub(super) fn error(&self) -> Option<Reason> {
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hear(&self, message: &gst::Message) {
        match message.view() {
            MessageView::Error(error) => {
                self.damage.warned(error.src(), &error.error());
                let reason = said(error.src(), &error.error(), error.debug());
                let reason = match &self.explain {
                    Some(explain) => explain.explain(reason),
                    None => reason,
                };
                self.error
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert_with(|| reason.clone());
                self.link.lost(reason);
            }
            MessageView::Warning(warning) => {
                Stats::count(&self.stats.warnings);
                self.damage.warned(warning.src(), &warning.error());
                let reason = said(warning.src(), &warning.error(), warning.debug());
                tracing::debug!(
                    camera = &*self.camera,
                    warning = &*reason,
                    "the source warns"
                );
            }
            MessageView::Eos(_) => self.link.ended(),
            // A server answered PLAY, or a device runs.
            MessageView::Progress(progress) if self.when_running => {
                let (kind, code, _) = progress.get();
                if kind == gst::ProgressType::Complete && code == "request" {
                    self.link.alive();
                }
            }
            MessageView::StateChanged(change)
                if self.when_running
                    && self.explain.is_none()
                    && change.current() == gst::State::Playing
                    && message.src().is_some_and(|src| src.is::<gst::Pipeline>()) =>
            {
                self.link.alive();
            }
            // Posted by a new streaming thread before its first frame.
            MessageView::StreamStatus(status) if status.get().0 == gst::StreamStatusType::Enter => {
                damage::forget();
                session::take(self.place, &self.camera);
            }
            _ => {}
        }
    }
}

/// One line of what an element said: who, what, and the last line of the details, which names the cause.
fn said(src: Option<&gst::Object>, error: &glib::Error, debug: Option<glib::GString>) -> Reason {
    let who = src.map_or_else(|| "source".into(), |src| src.name());
    let detail = debug
        .as_deref()
        .and_then(|d| d.lines().last())
        .map(str::trim);
    // A first line names a place in GStreamer's own code.
    match detail.filter(|d| !d.is_empty() && !d.contains(".c(")) {
        Some(detail) => format!("{who}: {} ({detail})", error.message()).into(),
        None => format!("{who}: {}", error.message()).into(),
    }
}
