//! Golden pictures from files.

use anyhow::{Context, bail};
use sightline_domain::PixelFormat;
use sightline_engine::ReferencePicture;
use std::path::Path;

/// Reads a picture file into `format` (GRAY8, RGB or BGR).
pub fn load(path: &Path, format: PixelFormat) -> anyhow::Result<ReferencePicture> {
    let picture =
        image::open(path).with_context(|| format!("expected a picture at {}", path.display()))?;
    let (width, height) = (picture.width(), picture.height());
    let (bytes, channels) = match format {
        PixelFormat::Gray8 => (picture.into_luma8().into_raw(), 1),
        PixelFormat::Rgb => (picture.into_rgb8().into_raw(), 3),
        PixelFormat::Bgr => {
            let mut bytes = picture.into_rgb8().into_raw();
            bytes.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
            (bytes, 3)
        }
        other => bail!(
            "{}: a golden picture can be used as GRAY8, RGB or BGR, but its camera gives {}; set the camera's format",
            path.display(),
            other.name()
        ),
    };
    let mut padded = ReferencePicture::blank(width, height, format);
    let row = width as usize * channels;
    let stride = padded.layout.strides[0];
    for (to, from) in padded
        .bytes
        .chunks_exact_mut(stride)
        .zip(bytes.chunks_exact(row))
    {
        to[..row].copy_from_slice(from);
    }
    Ok(padded)
}
