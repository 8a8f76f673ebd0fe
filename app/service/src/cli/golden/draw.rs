//! What a model says, drawn onto its pictures for a person to look at.

use super::Candidate;
use anyhow::Context;
use sightline_domain::BoxView;
use sightline_engine::Bundle;
use sightline_engine::bundle::golden::Expected;
use std::path::Path;

/// Colours of the classes, in their order; then again from the first.
const COLOURS: [[u8; 3]; 6] = [
    [230, 40, 40],
    [40, 160, 230],
    [240, 170, 0],
    [60, 190, 70],
    [200, 70, 210],
    [0, 200, 190],
];

/// Draws each candidate's boxes to `folder`, as `NAME.png`.
///
/// # Errors
/// A picture that cannot be read, a folder that cannot be written.
pub fn draw_all(bundle: &Bundle, candidates: &[Candidate], folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    for candidate in candidates {
        let image = &candidate.golden.image;
        let picture = image::open(image).with_context(|| image.display().to_string())?;
        let mut picture = picture.into_rgb8();
        if let Expected::Detections { detections } = &candidate.golden.expected {
            for d in detections {
                let class = bundle
                    .manifest()
                    .classes
                    .iter()
                    .position(|c| c.code == d.class);
                draw(
                    &mut picture,
                    &d.bbox_px,
                    COLOURS[class.unwrap_or(0) % COLOURS.len()],
                );
            }
        }
        let name = image.file_stem().unwrap_or_default().to_string_lossy();
        picture.save(folder.join(format!("{name}.png")))?;
    }
    Ok(())
}

/// A box of two pixels' width.
fn draw(picture: &mut image::RgbImage, b: &BoxView, colour: [u8; 3]) {
    let (width, height) = picture.dimensions();
    let (left, top) = (b.x.max(0.0) as u32, b.y.max(0.0) as u32);
    let (right, bottom) = ((b.x + b.w).max(0.0) as u32, (b.y + b.h).max(0.0) as u32);
    let mut put = |x: u32, y: u32| {
        if x < width && y < height {
            picture.put_pixel(x, y, image::Rgb(colour));
        }
    };
    for inset in 0..2 {
        for x in left..=right.min(width) {
            put(x, top + inset);
            put(x, bottom.saturating_sub(inset));
        }
        for y in top..=bottom.min(height) {
            put(left + inset, y);
            put(right.saturating_sub(inset), y);
        }
    }
}
