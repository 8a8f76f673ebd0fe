//! Whether a picture file is whole, as far as its format can say. Decoders stop at the last pixel and fill what is missing.

use crate::jpeg;
use image::ImageFormat;

/// Checks files, each by its own means.
#[derive(Debug, Default)]
pub(super) struct Whole {
    jpeg: jpeg::Checker,
}

impl Whole {
    /// What is wrong with `file`, if that can be seen.
    pub(super) fn check(&mut self, format: Option<ImageFormat>, file: &[u8]) -> Result<(), String> {
        match format {
            Some(ImageFormat::Jpeg) => {
                let checked = self.jpeg.check(file);
                checked.map(drop).map_err(|fault| fault.to_string())
            }
            Some(ImageFormat::Png) => png(file).map_err(str::to_owned),
            Some(ImageFormat::Bmp) => bmp(file).map_err(str::to_owned),
            _ => Ok(()),
        }
    }
}

/// All chunks are there, to the last one, and agree with their checksums.
fn png(file: &[u8]) -> Result<(), &'static str> {
    const CUT: &str = "a PNG that is cut short";
    let mut rest = file.get(8..).ok_or(CUT)?;
    loop {
        let (length, chunk) = rest.split_first_chunk::<4>().ok_or(CUT)?;
        let length = u32::from_be_bytes(*length) as usize;
        let end = length.checked_add(4).filter(|end| *end < chunk.len());
        let (body, behind) = chunk.split_at(end.ok_or(CUT)?);
        let (sum, next) = behind.split_first_chunk::<4>().ok_or(CUT)?;
        if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return Err("a PNG with a chunk that does not agree with its checksum");
        }
        if body.starts_with(b"IEND") {
            return Ok(());
        }
        rest = next;
    }
}

/// A BMP has no checksum; without compression its length follows from its header.
fn bmp(file: &[u8]) -> Result<(), &'static str> {
    const CUT: &str = "a BMP that is shorter than its header says";
    let word = |at: usize| {
        let bytes = file.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let (Some(total), Some(offset), Some(header)) = (word(2), word(10), word(14)) else {
        return Err(CUT);
    };
    if total as usize > file.len() {
        return Err(CUT);
    }
    if header < 40 {
        return Ok(());
    }
    let (Some(width), Some(height), Some(planes), Some(packed)) =
        (word(18), word(22), word(26), word(30))
    else {
        return Err(CUT);
    };
    let bits = u64::from(planes >> 16);
    let row = (u64::from(width) * bits).div_ceil(32) * 4;
    let pixels = row.saturating_mul(u64::from(height.cast_signed().unsigned_abs()));
    let is_plain = matches!(packed, 0 | 3 | 6);
    if is_plain && pixels.saturating_add(u64::from(offset)) > file.len() as u64 {
        return Err(CUT);
    }
    Ok(())
}
