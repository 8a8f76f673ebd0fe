//! One picture file into one slot.

use super::{
    PictureError,
    convert::{WHOLE, Window, converter},
    turn::turn,
    whole::Whole,
};
use crate::tap::Shape;
use image::{
    ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, metadata::Orientation,
};
use sightline_domain::{Levels, PixelFormat, PlaneLayout};
use std::{
    io::{Cursor, Read},
    path::Path,
};

/// Smaller pictures than this are no pictures of parts.
pub const SMALLEST_SIDE_PX: u32 = 8;
/// Larger files are not read: no picture that fits a slot needs them.
const LARGEST_FILE_BYTES: u64 = 256 << 20;

/// Decodes pictures into slots; keeps its scratch memory between them.
#[derive(Debug, Default)]
pub struct PictureDecoder {
    file: Vec<u8>,
    pixels: Vec<u8>,
    whole: Whole,
    lying: Vec<u8>,
    window: Option<Window>,
}

/// What a decoded picture looks like in its slot, and whether the host copied its pixels on the way.
#[derive(Clone, Copy, Debug)]
pub struct Decoded {
    /// Size, format and layout.
    pub shape: Shape,
    /// How often the host copied its pixels.
    pub host_copies: u8,
}

impl PictureDecoder {
    /// Samples of more than 8 bits count from `window[0]` to `window[1]`; absent: all 16 bits.
    pub(crate) fn with_window(window: Option<Window>) -> Self {
        Self {
            window,
            ..Self::default()
        }
    }

    /// Decodes `path` into `slot` as `format` (GRAY8, RGB or BGR), upright as its EXIF orientation says, rows without
    /// padding. Grey of colour is ITU-R BT.601; 16 bits become 8 by rounding; an alpha channel is dropped. `size` is the
    /// one size accepted.
    ///
    /// # Errors
    /// A file that is no picture, a damaged one, another size than `size`, or one too large for the slot.
    pub fn decode(
        &mut self,
        path: &Path,
        format: PixelFormat,
        size: (Option<u32>, Option<u32>),
        slot: &mut [u8],
    ) -> Result<Decoded, PictureError> {
        self.read(path)?;
        let damaged = |found: String| PictureError::Damaged {
            path: path.to_owned(),
            found,
        };
        let broken = |e: ImageError| damaged(e.to_string());
        let mut reader = ImageReader::new(Cursor::new(&self.file[..]))
            .with_guessed_format()
            .map_err(|source| PictureError::Read {
                path: path.to_owned(),
                source,
            })?;
        reader.limits(Limits::no_limits()); // ours are stricter: below, before anything is decoded
        self.whole
            .check(reader.format(), &self.file)
            .map_err(damaged)?;
        let kind = reader.format();
        let mut decoder = reader.into_decoder().map_err(broken)?;
        let (width, height) = decoder.dimensions();
        let turned = decoder.orientation().map_err(broken)?;
        let upright = match stands_across(turned) {
            true => (height, width),
            false => (width, height),
        };
        let shape = fit(path, format, size, upright, slot.len())?;
        // Working memory of a decoder: what 16-bit RGBA of this picture takes, twice, and some for small ones.
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(u64::from(width) * u64::from(height) * 16 + (16 << 20));
        decoder.set_limits(limits).map_err(broken)?;
        let color = decoder.color_type();
        let slot = &mut slot[..shape.layout.len];
        let is_turned = turned != Orientation::NoTransforms;
        // The pixels as they lie in the file come into a place of their own, and from there into the slot.
        let mut lying = std::mem::take(&mut self.lying);
        let to = if is_turned {
            lying.resize(slot.len(), 0);
            &mut lying[..]
        } else {
            &mut slot[..]
        };
        // A PNM says itself how far its samples go.
        let window = self.window.filter(|_| kind != Some(ImageFormat::Pnm));
        let pixels = &mut self.pixels;
        let host_copies = pixels_into(pixels, decoder, (color, format), window, to, path)?;
        if is_turned {
            turn(&lying, (width, height), format, turned, slot);
        }
        self.lying = lying;
        Ok(Decoded {
            shape,
            host_copies: host_copies.max(u8::from(is_turned)),
        })
    }

    fn read(&mut self, path: &Path) -> Result<(), PictureError> {
        self.file.clear();
        let wrong = |source| PictureError::Read {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(wrong)?;
        let bytes = file
            .take(LARGEST_FILE_BYTES)
            .read_to_end(&mut self.file)
            .map_err(wrong)?;
        if bytes as u64 == LARGEST_FILE_BYTES {
            return Err(wrong(std::io::Error::other("256 MiB or more")));
        }
        Ok(())
    }
}

/// The pixels of an opened file in the camera's format; how often they were copied.
fn pixels_into(
    pixels: &mut Vec<u8>,
    decoder: impl ImageDecoder,
    (color, format): (ColorType, PixelFormat),
    window: Option<Window>,
    to: &mut [u8],
    path: &Path,
) -> Result<u8, PictureError> {
    let broken = |e: ImageError| PictureError::Damaged {
        path: path.to_owned(),
        found: e.to_string(),
    };
    let direct = matches!(
        (color, format),
        (ColorType::L8, PixelFormat::Gray8) | (ColorType::Rgb8, PixelFormat::Rgb)
    );
    if direct {
        decoder.read_image(to).map_err(broken)?;
        return Ok(0);
    }
    let convert = converter(color, format).ok_or_else(|| PictureError::Pixels {
        path: path.to_owned(),
        found: format!("{color:?}"),
    })?;
    pixels.resize(decoder.total_bytes() as usize, 0);
    decoder.read_image(pixels).map_err(broken)?;
    convert(pixels, to, window.unwrap_or(WHOLE));
    Ok(1)
}

fn stands_across(turned: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(
        turned,
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH
    )
}

/// The picture's shape in the slot, rows packed.
fn fit(
    path: &Path,
    format: PixelFormat,
    expected: (Option<u32>, Option<u32>),
    (width, height): (u32, u32),
    slot_bytes: usize,
) -> Result<Shape, PictureError> {
    let size = |expected: String| PictureError::Size {
        path: path.to_owned(),
        expected,
        width,
        height,
    };
    if width.min(height) < SMALLEST_SIDE_PX {
        return Err(size(format!(
            "at least {SMALLEST_SIDE_PX}x{SMALLEST_SIDE_PX} pixels"
        )));
    }
    if expected.0.is_some_and(|w| w != width) || expected.1.is_some_and(|h| h != height) {
        let side = |s: Option<u32>| s.map_or("any".into(), |s| s.to_string());
        return Err(size(format!(
            "{}x{} pixels, as configured",
            side(expected.0),
            side(expected.1)
        )));
    }
    let channels = if format == PixelFormat::Gray8 { 1 } else { 3 };
    let needed = u64::from(width) * u64::from(height) * channels as u64;
    if needed > slot_bytes as u64 {
        return Err(PictureError::TooLarge {
            path: path.to_owned(),
            width,
            height,
            format: format.name(),
            needed,
            slot_bytes,
        });
    }
    let layout = PlaneLayout {
        offsets: [0; 3],
        strides: [width as usize * channels, 0, 0],
        len: needed as usize,
    };
    Ok(Shape {
        width,
        height,
        format,
        levels: Levels::default(),
        layout,
    })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
