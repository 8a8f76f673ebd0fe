//! The one font: a subset of Noto Sans SC (`fonts/`, made by `fonts/make`), so that both languages look alike everywhere.

use eframe::egui::{FontData, FontDefinitions, FontFamily};
use std::sync::Arc;

const BYTES: &[u8] = include_bytes!("../fonts/sightline-sans-sc.otf");
const NAME: &str = "sightline-sans-sc";

/// For all text.
pub fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::empty();
    fonts
        .font_data
        .insert(NAME.into(), Arc::new(FontData::from_static(BYTES)));
    for family in [FontFamily::Proportional, FontFamily::Monospace] {
        fonts.families.insert(family, vec![NAME.into()]);
    }
    fonts
}
