//! Which elements a camera's pipeline is made of.

use super::{
    damage::Damage,
    keys::Keys,
    levels::{self, Said},
    rtp_time::RtpTimes,
    rtsp::{self, Offered},
    shape::Target,
    timing::Basis,
};
use crate::{capture_time::Reach, state::Reason};
use gstreamer::{self as gst, prelude::*};
use sightline_configs::station::{Camera, Expects, Source};
use sightline_domain::PixelFormat;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Everything needed to make a camera's pipeline, again and again.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    source: Source,
    format: PixelFormat,
    size: (Option<u32>, Option<u32>),
    base_dir: PathBuf,
    pub(super) expects: Expects,
    pub(super) arrival_uncertainty: Duration,
    pub(super) target: Target,
}

/// A pipeline that has not been started.
pub(super) struct Built {
    pub(super) pipeline: gst::Pipeline,
    /// Where frames come out.
    pub(super) out: gst::Pad,
    /// What it says of its pictures' times.
    pub(super) rtp: RtpTimes,
    /// What it says of damage.
    pub(super) damage: Damage,
    pub(super) basis: (Basis, Reach),
    /// What a network camera offers.
    pub(super) offered: Offered,
    /// What is said of its levels, and of its pictures' coding.
    pub(super) words: (Said, Keys),
}

impl Plan {
    pub(super) fn of(camera: &Camera, base_dir: &Path) -> Self {
        Self {
            source: camera.source.clone(),
            format: camera.format,
            size: (camera.width, camera.height),
            base_dir: base_dir.to_owned(),
            expects: camera.expects,
            target: Target::of(camera),
            arrival_uncertainty: Duration::from_secs_f64(
                camera.arrival_uncertainty_ms.max(0.0) / 1e3,
            ),
        }
    }

    /// Waits for slots instead of losing frames.
    pub(super) fn lossless(&self) -> bool {
        matches!(self.source, Source::Video { paced: false, .. })
    }

    /// Plays at the file's own pace.
    pub(super) fn paced(&self) -> bool {
        matches!(self.source, Source::Video { paced: true, .. })
    }

    pub(super) fn repeats(&self) -> bool {
        matches!(self.source, Source::Video { repeat: true, .. })
    }

    /// A source whose end is meant.
    pub(super) fn may_end(&self) -> bool {
        matches!(
            self.source,
            Source::Video { .. } | Source::Pipeline { ends: true, .. }
        )
    }

    /// The picture is scaled to the configured size.
    pub(super) fn scales(&self) -> bool {
        !is_bayer(self.format) && self.size.0.is_some()
    }

    pub(super) fn size(&self) -> (Option<u32>, Option<u32>) {
        self.size
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Makes the elements.
    pub(super) fn build(&self) -> Result<Built, Reason> {
        let text = format!(
            "{} ! {} identity silent=true name=sightline_last",
            self.head(),
            self.middle()
        );
        let element = gst::parse::launch(&text).map_err(|e| {
            Reason::from(format!(
                "expected GStreamer elements `{text}`, found: {}",
                e.message()
            ))
        })?;
        let pipeline = element.downcast::<gst::Pipeline>().map_err(|_| {
            Reason::from(format!(
                "expected a pipeline, found a single element in `{text}`"
            ))
        })?;
        let last = pipeline.by_name("sightline_last");
        let out = last.and_then(|last| last.static_pad("src"));
        let out =
            out.ok_or("expected our last element, another has taken the name sightline_last")?;
        let (rtp, damage, offered) = <(RtpTimes, Damage, Offered)>::default();
        let words = <(Said, Keys)>::default();
        self.set_up(&pipeline, &rtp, &damage, &offered, &words)?;
        let basis = Basis::of(&self.source, &pipeline);
        damage.expect(basis.0.proof());
        Ok(Built {
            basis,
            pipeline,
            out,
            rtp,
            damage,
            offered,
            words,
        })
    }

    fn head(&self) -> String {
        match &self.source {
            Source::Video { .. } => "filesrc name=sightline_source ! decodebin".into(),
            Source::Rtsp { .. } => {
                "rtspsrc name=sightline_source ! application/x-rtp,media=video ! decodebin".into()
            }
            Source::V4l2 { fps, .. } => {
                let raw = fps.map_or(String::new(), |fps| format!(" ! capsfilter caps-change-mode=delayed caps=\"video/x-raw,framerate={fps}/1;image/jpeg,framerate={fps}/1;video/x-bayer,framerate={fps}/1\""));
                let decode = if is_bayer(self.format) {
                    ""
                } else {
                    " ! decodebin"
                };
                format!("v4l2src name=sightline_source{raw}{decode}")
            }
            Source::Pipeline { description, .. } => {
                description.trim().trim_end_matches('!').to_owned()
            }
            Source::Simulated { .. } | Source::Images { .. } => "fakesrc num-buffers=0".into(),
        }
    }

    /// Converters pass frames through untouched when nothing is to be converted.
    fn middle(&self) -> String {
        let side = |name: &str, pixels: Option<u32>| {
            pixels.map_or(String::new(), |p| format!(",{name}={p}"))
        };
        let size = side("width", self.size.0) + &side("height", self.size.1);
        if is_bayer(self.format) {
            let mosaic = self
                .format
                .name()
                .trim_start_matches("BAYER_")
                .to_lowercase();
            let deep = [10, 12, 14, 16].map(|bits| format!("{mosaic}{bits}le, {mosaic}{bits}be"));
            let formats = format!("{mosaic}, {}", deep.join(", "));
            return format!("capsfilter caps=\"video/x-bayer,format={{ {formats} }}{size}\" !");
        }
        let scale = if size.is_empty() {
            ""
        } else {
            "videoscale name=sightline_scale ! "
        };
        // What is not the camera's format and is here becomes it on the way into its slot: see `convert`.
        let formats = match self.format {
            PixelFormat::Gray8 => {
                "GRAY8, GRAY16_LE, GRAY16_BE, I420, NV12, YUY2, Y444, RGB, BGR, RGBx, BGRx, RGBA, BGRA".into()
            }
            PixelFormat::Rgb | PixelFormat::Bgr => {
                format!("{}, GRAY8, I420, NV12, YUY2, Y444", self.format.name())
            }
            other => other.name().to_owned(),
        };
        format!(
            "videoconvert name={} ! {scale}capsfilter caps=\"video/x-raw,format={{ {formats} }}{size}\" !",
            levels::CONVERTER
        )
    }

    /// Properties are set on elements and not written into the text, whose quoting a path or an address could break.
    fn set_up(
        &self,
        pipeline: &gst::Pipeline,
        rtp: &RtpTimes,
        damage: &Damage,
        offered: &Offered,
        (said, keys): &(Said, Keys),
    ) -> Result<(), Reason> {
        let (packets, damage) = (rtp.clone(), damage.clone());
        let (said, keys) = (said.clone(), keys.clone());
        let watch = move |element: &gst::Element| {
            tame_decoder(element);
            packets.watch(element);
            damage.watch(element);
            said.watch(element);
            keys.watch(element);
        };
        // what the description names itself, and what comes later
        let named = pipeline.iterate_recurse().into_iter().flatten();
        named.for_each(|element| watch(&element));
        pipeline.connect_deep_element_added(move |_, _, element| watch(element));
        let Some(source) = pipeline.by_name("sightline_source") else {
            return Ok(());
        };
        match &self.source {
            Source::Video { path, .. } => {
                source.set_property(
                    "location",
                    self.base_dir.join(path).to_string_lossy().as_ref(),
                );
            }
            Source::V4l2 { device, .. } => {
                source.set_property("device", device.to_string_lossy().as_ref())
            }
            Source::Rtsp { .. } => rtsp::set_up(&source, &self.source, &self.base_dir, offered)?,
            _ => {}
        }
        Ok(())
    }
}

fn is_bayer(format: PixelFormat) -> bool {
    format.name().starts_with("BAYER")
}

/// Makes decoders quick and honest: one thread (more deliver later, take cores from the engines, and their errors are
/// nobody's), and new key frames where the sender can be asked for them.
fn tame_decoder(element: &gst::Element) {
    let is_decoder = element.factory().is_some_and(|f| {
        f.has_type(gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO)
    });
    if !is_decoder {
        return;
    }
    if element
        .find_property("max-threads")
        .is_some_and(|p| p.value_type() == i32::static_type())
    {
        element.set_property("max-threads", 1i32);
    }
    if element.has_property("automatic-request-sync-points") {
        element.set_property("automatic-request-sync-points", true);
        element.set_property_from_str("automatic-request-sync-point-flags", "corrupt-output");
    }
}
