//! What the numbers of a picture mean: range and matrix of YUV, by ITU-R BT.601-7, BT.709-6 and BT.2020-2.

use crate::PixelFormat;
use serde::{Deserialize, Serialize};

/// Which numbers stand for black and white.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LevelRange {
    /// 0 is black, 255 white.
    #[default]
    Full,
    /// 16 is black, 235 white, chroma 16..=240.
    Video,
}

/// How red, green and blue make luminance.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ColorMatrix {
    /// ITU-R BT.601, also of JPEG.
    #[default]
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

/// Range and matrix of a picture. Pictures that are not YUV are full range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Levels {
    /// Which numbers stand for black and white.
    pub range: LevelRange,
    /// Of YUV.
    pub matrix: ColorMatrix,
}

/// Rows up to which YUV of unknown matrix is taken for BT.601, as GStreamer does.
const SD_ROWS: u32 = 576;

impl LevelRange {
    /// Every range, in an order that stays: recordings number them by it.
    pub const ALL: [Self; 2] = [Self::Full, Self::Video];

    /// As in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Video => "video",
        }
    }

    /// Luminance that is black, and what one step of it is in steps of 0..=255.
    pub fn luma(self) -> (f32, f32) {
        match self {
            Self::Full => (0.0, 1.0),
            Self::Video => (16.0, 255.0 / 219.0),
        }
    }

    /// What one step of chroma is in steps of a full range.
    pub fn chroma_gain(self) -> f32 {
        match self {
            Self::Full => 1.0,
            Self::Video => 255.0 / 224.0,
        }
    }

    /// A level of luminance in 0..=255.
    pub fn expand(self, level: f32) -> f32 {
        let (black, gain) = self.luma();
        (level - black) * gain
    }
}

impl ColorMatrix {
    /// Every matrix, in an order that stays: recordings number them by it.
    pub const ALL: [Self; 3] = [Self::Bt601, Self::Bt709, Self::Bt2020];

    /// As in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bt601 => "bt601",
            Self::Bt709 => "bt709",
            Self::Bt2020 => "bt2020",
        }
    }

    /// What a picture without a word about it is taken for.
    pub fn guessed(rows: u32) -> Self {
        if rows <= SD_ROWS {
            Self::Bt601
        } else {
            Self::Bt709
        }
    }

    /// Weights of red and blue in luminance.
    pub fn weights(self) -> (f32, f32) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }
}

impl Levels {
    /// What a picture without a word about its levels is taken for.
    pub fn guessed(format: PixelFormat, rows: u32) -> Self {
        if format.is_yuv() {
            Self {
                range: LevelRange::Video,
                matrix: ColorMatrix::guessed(rows),
            }
        } else {
            Self::default()
        }
    }

    /// A number of them, 0..6.
    pub fn number(self) -> u8 {
        let range = LevelRange::ALL.iter().position(|r| *r == self.range);
        let matrix = ColorMatrix::ALL.iter().position(|m| *m == self.matrix);
        (range.unwrap_or_default() * ColorMatrix::ALL.len() + matrix.unwrap_or_default()) as u8
    }

    /// Of their number.
    pub fn of_number(number: u8) -> Option<Self> {
        let (range, matrix) = (usize::from(number) / 3, usize::from(number) % 3);
        Some(Self {
            range: *LevelRange::ALL.get(range)?,
            matrix: ColorMatrix::ALL[matrix],
        })
    }
}

impl std::fmt::Display for Levels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} range, {}", self.range.name(), self.matrix.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        for range in LevelRange::ALL {
            for matrix in ColorMatrix::ALL {
                let levels = Levels { range, matrix };
                assert_eq!(Levels::of_number(levels.number()), Some(levels));
            }
        }
        assert_eq!(Levels::of_number(6), None);
    }

    #[test]
    fn black_and_white_of_each_range_are_0_and_255() {
        assert_eq!(LevelRange::Video.expand(16.0), 0.0);
        assert!((LevelRange::Video.expand(235.0) - 255.0).abs() < 1e-4);
        assert_eq!(LevelRange::Full.expand(77.0), 77.0);
    }
}
