//! Our pictures as OpenCV's, without a copy.

use crate::RegistrationError;
use opencv::boxed_ref::BoxedRef;
use opencv::core::Mat;
use sightline_domain::{PictureRef, PixelFormat};

/// Where the one plane of a GRAY8 picture lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    pub width: i32,
    pub height: i32,
    /// Bytes before the first row.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
}

impl Plane {
    pub fn of(picture: &PictureRef<'_>) -> Result<Self, RegistrationError> {
        if picture.format != PixelFormat::Gray8 {
            return Err(RegistrationError::Format {
                found: picture.format.name(),
            });
        }
        let too_large = |_| RegistrationError::Buffer {
            which: "picture",
            expected: usize::MAX,
            found: picture.bytes.len(),
        };
        let plane = Self {
            width: i32::try_from(picture.width).map_err(too_large)?,
            height: i32::try_from(picture.height).map_err(too_large)?,
            offset: picture.layout.offsets[0],
            stride: picture.layout.strides[0].max(picture.width as usize),
        };
        plane.check("picture", picture.bytes)?;
        Ok(plane)
    }

    /// Bytes up to the end of the last row, padding included.
    pub fn end(&self) -> usize {
        self.offset
            .saturating_add(self.stride.saturating_mul(self.height as usize))
    }

    pub fn check(&self, which: &'static str, bytes: &[u8]) -> Result<(), RegistrationError> {
        if bytes.len() >= self.end() {
            return Ok(());
        }
        Err(RegistrationError::Buffer {
            which,
            expected: self.end(),
            found: bytes.len(),
        })
    }

    /// All rows with their padding: `height` rows of `stride` bytes. Take [`Self::width`] columns of it.
    pub fn rows<'a>(&self, bytes: &'a [u8]) -> Result<BoxedRef<'a, Mat>, RegistrationError> {
        let rows = &bytes[self.offset..self.end()];
        Ok(Mat::new_rows_cols_with_data(
            self.height,
            self.stride as i32,
            rows,
        )?)
    }
}
