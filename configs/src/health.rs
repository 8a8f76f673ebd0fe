//! When a picture is unfit to be judged, and how its numbers are read.

use crate::check::Report;
use crate::station::{Camera, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sightline_domain::PixelFormat;

/// When a picture is unfit to be judged. Levels are those of a full range, 0..=255, whatever range the source has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthLimits {
    /// Mean level (0..=255) below which a picture is too dark.
    pub dark_below: f32,
    /// Mean level above which it is too bright.
    pub bright_above: f32,
    /// Share of pixels at white (254 and more) above which it is too bright; 1 switches the check off.
    pub white_share: f32,
    /// Contrast (from the 2nd to the 98th of 100 pixels) below which nothing is to be seen on it; 0 switches the check off.
    pub flat_below: f32,
    /// So many pictures in a row with the same content mean frozen; 0 switches the check off.
    pub frozen_after: u32,
    /// So many pictures that a stream only predicts (H.264 and the like) may repeat what was before: a still scene. 0 takes
    /// none.
    pub still_pictures: u32,
    /// Sharpness below this share of the learned baseline means out of focus; 0 switches the check off.
    pub focus_share: f32,
    /// Pictures from which the focus baseline is learned.
    pub focus_learn: u32,
}

impl Default for HealthLimits {
    fn default() -> Self {
        Self {
            dark_below: 8.0,
            bright_above: 248.0,
            white_share: 1.0,
            flat_below: 4.0,
            frozen_after: 2,
            still_pictures: 1_000,
            focus_share: 0.35,
            focus_learn: 30,
        }
    }
}

pub(crate) fn check(r: &mut Report<'_>, at: &str, h: &HealthLimits) {
    for (field, level) in [
        ("dark_below", h.dark_below),
        ("bright_above", h.bright_above),
        ("flat_below", h.flat_below),
    ] {
        r.within(
            format!("{at}.health.{field}"),
            level,
            -1.0..=256.0,
            "(a grey level; -1 and 256 lie beyond all)",
        );
    }
    for (field, pictures) in [
        ("frozen_after", h.frozen_after),
        ("still_pictures", h.still_pictures),
        ("focus_learn", h.focus_learn),
    ] {
        r.within(
            format!("{at}.health.{field}"),
            pictures,
            0..=1_000_000,
            "pictures",
        );
    }
    r.require(
        h.dark_below < h.bright_above,
        format!("{at}.health.dark_below"),
        || {
            format!(
                "expected less than bright_above = {}, found {}",
                h.bright_above, h.dark_below
            )
        },
    );
    r.share(format!("{at}.health.focus_share"), f64::from(h.focus_share));
    r.share(format!("{at}.health.white_share"), f64::from(h.white_share));
}

/// How a camera's numbers are read.
pub(crate) fn check_levels(r: &mut Report<'_>, at: &str, camera: &Camera) {
    r.within_if(format!("{at}.bits"), camera.bits, 8..=16, "bits");
    if let Some([low, high]) = camera.window {
        for (i, sample) in [low, high].into_iter().enumerate() {
            r.within(format!("{at}.window[{i}]"), sample, 0..=65_535, "");
        }
        r.require(low < high, format!("{at}.window"), || {
            format!("expected [low, high] with low below high, found [{low}, {high}]")
        });
    }
    r.require(
        camera.bits.is_none() || camera.window.is_none(),
        format!("{at}.bits"),
        || "expected bits or window, found both; remove one".into(),
    );
    let deep = camera.format == PixelFormat::Gray8
        || camera.format.name().starts_with("BAYER")
        || matches!(camera.source, Source::Images { .. });
    let set = camera.bits.is_some() || camera.window.is_some();
    r.require(deep || !set, format!("{at}.bits"), || {
        format!(
            "bits and window are for sources of more than 8 bits in grey or as a mosaic; found format = \"{}\". Write format = \"GRAY8\" \
             or a BAYER one, or remove them",
            camera.format.name()
        )
    });
}
