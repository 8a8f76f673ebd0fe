//! What a source says of its levels: caps and the coded stream's own words, then the configuration, then a guess.

use crate::status::{KnownFrom, LevelsKnown};
use gstreamer::{self as gst, prelude::*};
use gstreamer_video::{VideoColorMatrix, VideoColorRange, VideoColorimetry, VideoInfo};
use sightline_configs::station::Camera;
use sightline_domain::{ColorMatrix, LevelRange, Levels};
use std::{
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The converter in front of our last elements.
pub(super) const CONVERTER: &str = "sightline_convert";

/// What was said, gathered where it passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(Arc<Mutex<Words>>);

#[derive(Clone, Copy, Debug, Default)]
struct Words {
    /// A decoder's input says it; `None` without a decoder.
    coded: Option<Coded>,
    /// What the raw pictures' caps say, in front of our converter.
    raw: Option<VideoColorimetry>,
    /// They are RGB there.
    is_rgb: bool,
}

#[derive(Clone, Copy, Debug)]
enum Coded {
    /// Full range and BT.601, by JFIF.
    Jpeg,
    /// The stream describes its colours.
    Described(VideoColorimetry),
    /// It does not, so that what the decoder puts into its caps is made up, but for a full range.
    Silent,
}

/// What the configuration says where the source does not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    range: Option<LevelRange>,
    matrix: Option<ColorMatrix>,
}

impl Wanted {
    pub(super) fn of(camera: &Camera) -> Self {
        Self {
            range: camera.range,
            matrix: camera.matrix,
        }
    }
}

impl Said {
    /// Listens to an element where it is a decoder of pictures, or our converter.
    pub(super) fn watch(&self, element: &gst::Element) {
        let is_decoder = element.factory().is_some_and(|f| {
            f.has_type(gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO)
                || f.has_type(
                    gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_IMAGE,
                )
        });
        let is_converter = element.name() == CONVERTER;
        let Some(pad) = element
            .static_pad("sink")
            .filter(|_| is_decoder || is_converter)
        else {
            return;
        };
        let said = self.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::PadProbeData::Event(event)) = &info.data
                && let gst::EventView::Caps(caps) = event.view()
                && let Some(s) = caps.caps().structure(0)
            {
                if is_decoder {
                    said.words().coded = Some(coded(s));
                } else {
                    said.hear_raw(s, caps.caps());
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Raw pictures with these caps are converted next, or reach us.
    pub(super) fn hear_raw(&self, s: &gst::StructureRef, caps: &gst::CapsRef) {
        let is_rgb = VideoInfo::from_caps(caps).is_ok_and(|info| info.is_rgb());
        let mut words = self.words();
        (words.raw, words.is_rgb) = (colorimetry(s), is_rgb);
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How pictures that reach us as `info` are read.
    pub(super) fn levels(&self, info: &VideoInfo, wanted: Wanted) -> LevelsKnown {
        use KnownFrom::{Guess, Setting, Source};
        let words = *self.words();
        if !info.is_yuv() && !info.is_gray() {
            return LevelsKnown {
                levels: Levels::default(),
                range: Source,
                matrix: None,
            };
        }
        let decoded = read(&info.colorimetry());
        let declared = match words.coded {
            Some(Coded::Jpeg) => Some((Some(LevelRange::Full), Some(ColorMatrix::Bt601))),
            Some(Coded::Silent) => {
                let full = decoded.0.filter(|range| *range == LevelRange::Full);
                Some((full, None))
            }
            // a container may name the matrix and leave the range to the stream, which the decoder reads
            Some(Coded::Described(c)) => Some((read(&c).0.or(decoded.0), read(&c).1)),
            // made of RGB by the converter, as it says
            None if words.is_rgb => Some(decoded),
            None => words.raw.map(|c| read(&c)),
        };
        let (range, matrix) = declared.unwrap_or_default();
        let gray = info.is_gray() && words.coded.is_none();
        let guessed = if gray {
            LevelRange::Full
        } else {
            LevelRange::Video
        };
        let (range, range_from) = match (range, wanted.range) {
            (Some(range), _) => (range, Source),
            (None, Some(range)) => (range, Setting),
            // what is grey by itself has no other range unless somebody says so
            (None, None) if gray => (guessed, Source),
            (None, None) => (guessed, Guess),
        };
        let (matrix, matrix_from) = match (matrix, wanted.matrix) {
            (Some(matrix), _) => (matrix, Source),
            (None, Some(matrix)) => (matrix, Setting),
            (None, None) => (ColorMatrix::guessed(info.height()), Guess),
        };
        LevelsKnown {
            levels: Levels { range, matrix },
            range: range_from,
            matrix: info.is_yuv().then_some(matrix_from),
        }
    }
}

fn coded(s: &gst::StructureRef) -> Coded {
    match s.name().as_str() {
        "image/jpeg" => Coded::Jpeg,
        _ => colorimetry(s).map_or(Coded::Silent, Coded::Described),
    }
}

fn colorimetry(s: &gst::StructureRef) -> Option<VideoColorimetry> {
    VideoColorimetry::from_str(s.get::<&str>("colorimetry").ok()?).ok()
}

fn read(c: &VideoColorimetry) -> (Option<LevelRange>, Option<ColorMatrix>) {
    let range = match c.range() {
        VideoColorRange::Range0_255 => Some(LevelRange::Full),
        VideoColorRange::Range16_235 => Some(LevelRange::Video),
        _ => None,
    };
    let matrix = match c.matrix() {
        VideoColorMatrix::Bt601 | VideoColorMatrix::Fcc => Some(ColorMatrix::Bt601),
        VideoColorMatrix::Bt709 => Some(ColorMatrix::Bt709),
        VideoColorMatrix::Bt2020 => Some(ColorMatrix::Bt2020),
        _ => None,
    };
    (range, matrix)
}
