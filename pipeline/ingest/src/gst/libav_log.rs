//! What decoders only write into a log.
//!
//! The libav decoders patch what they cannot decode and hand it on unmarked; only their log tells, without saying which
//! decoder speaks. They are held to one thread, so it is one of those that this thread has entered. GStreamer's own base
//! of decoders logs errors that it lets pass, with their object.

use super::damage::Stage;
use gstreamer as gst;
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, Once, PoisonError, Weak},
};

const LIBAV: &str = "libav";
const DECODER_BASE: &str = "videodecoder";

thread_local! {
    /// The decoders whose pictures this thread brings.
    static ENTERED: RefCell<Vec<Weak<Stage>>> = const { RefCell::new(Vec::new()) };
}

/// All decoders of the process, for words that nobody else can be given.
static ALL: Mutex<Vec<Weak<Stage>>> = Mutex::new(Vec::new());

/// A decoder is there.
pub(super) fn register(stage: &Arc<Stage>) {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|stage| stage.strong_count() > 0);
    all.push(Arc::downgrade(stage));
}

/// This thread brings a picture to a decoder.
pub(super) fn enter(stage: &Arc<Stage>) {
    ENTERED.with_borrow_mut(|entered| {
        if entered
            .iter()
            .any(|other| other.as_ptr() == Arc::as_ptr(stage))
        {
            return;
        }
        entered.retain(|other| other.strong_count() > 0);
        entered.push(Arc::downgrade(stage));
    });
}

/// A streaming thread begins: GStreamer takes it from a pool, where it has worked for another pipeline before.
pub(super) fn forget() {
    ENTERED.with_borrow_mut(Vec::clear);
}

/// Hears the logs, once a process.
pub(super) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without a wish for GStreamer's log nobody needs these lines on the terminal.
        if std::env::var_os("GST_DEBUG").is_none() {
            gst::log::remove_default_log_function();
        }
        gst::log::set_threshold_for_name(LIBAV, gst::DebugLevel::Debug);
        gst::log::set_threshold_for_name(DECODER_BASE, gst::DebugLevel::Warning);
        gst::log::add_log_function(|category, level, _, _, _, object, message| {
            match category.name() {
                LIBAV if tells_damage(level, message) => libav_erred(),
                DECODER_BASE if begins(message, "error: ") => {
                    if let Some(object) = object {
                        base_erred(object.as_ptr() as usize);
                    }
                }
                _ => {}
            }
        });
    });
}

/// Missing parts without a bit that is wrong are concealed, and missing pictures made up, with a word on a lower level.
fn tells_damage(level: gst::DebugLevel, message: &gst::DebugMessage) -> bool {
    const QUIET: [&str; 2] = ["concealing", "Frame num gap"];
    level == gst::DebugLevel::Error
        || message
            .get()
            .is_some_and(|text| QUIET.iter().any(|words| text.contains(words)))
}

fn begins(message: &gst::DebugMessage, with: &str) -> bool {
    message.get().is_some_and(|text| text.starts_with(with))
}

fn libav_erred() {
    let known = ENTERED.with_borrow(|entered| {
        let mut stages = entered.iter().filter_map(Weak::upgrade).peekable();
        let known = stages.peek().is_some();
        stages.for_each(|stage| stage.erred());
        known
    });
    if !known {
        each(|stage| stage.is_libav);
    }
}

fn base_erred(element: usize) {
    each(|stage| stage.element == element);
}

fn each(of: impl Fn(&Stage) -> bool) {
    let stages: Vec<_> = ALL
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .filter_map(Weak::upgrade)
        .filter(|stage| of(stage))
        .collect();
    stages.iter().for_each(|stage| stage.erred());
}
