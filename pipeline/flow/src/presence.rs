//! Whether there is a part in the picture at all: a coarse picture of good parts, held against what the camera sees.
//!
//! A model that finds nothing on noise or on an empty belt says the same as on a good part. Means over a grid of cells do not:
//! they hardly correlate with those of a part, and a part that is a little shifted or worn still does.

use sightline_domain::{PictureRef, PixelFormat};

/// Cells along each side.
const GRID: usize = 24;
const CELLS: usize = GRID * GRID;
/// Pixels looked at in a cell, along each side, at most.
const LOOKED: usize = 8;
/// Below this spread of its cells, levels of 0 to 255, a picture shows nothing.
const FLAT: f32 = 2.0;

/// What a view with a part in it looks like.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Mean 0, length 1; `None`: each part's golden picture says how it looks.
    good: Option<Box<[f32; CELLS]>>,
    at_least: f32,
}

/// What is wrong with pictures that are to say how a part looks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PresenceError {
    /// No picture.
    #[error("expected at least one picture of a good part, found none")]
    None,
    /// A picture without light and dark.
    #[error(
        "expected pictures of good parts, found one (number {number}) that is the same all over"
    )]
    Flat {
        /// From 1.
        number: usize,
    },
    /// Pictures that do not show the same.
    #[error(
        "expected pictures of the same kind of part, found number {number} to correlate with their mean by {found:.2} only, below at_least = {at_least:.2}"
    )]
    Unlike {
        /// From 1.
        number: usize,
        /// Its correlation with the mean of all.
        found: f32,
        /// What is asked of a part.
        at_least: f32,
    },
}

impl Presence {
    /// Taught from pictures of good parts; a view shows a part if its cells correlate with their mean by `at_least`
    /// (0..=1).
    ///
    /// # Errors
    /// [`PresenceError`]: no pictures, or pictures that a good part could not be told by.
    pub fn taught(pictures: &[PictureRef<'_>], at_least: f32) -> Result<Self, PresenceError> {
        let mut sum = [0.0; CELLS];
        let mut all = Vec::with_capacity(pictures.len());
        for (i, picture) in pictures.iter().enumerate() {
            let number = i + 1;
            let cells = shape(picture).ok_or(PresenceError::Flat { number })?;
            sum.iter_mut().zip(&cells).for_each(|(s, c)| *s += c);
            all.push(cells);
        }
        if all.is_empty() {
            return Err(PresenceError::None);
        }
        let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        let good = sum.map(|v| v / length);
        for (i, cells) in all.iter().enumerate() {
            let found = correlation(&good, cells);
            if found < at_least {
                return Err(PresenceError::Unlike {
                    number: i + 1,
                    found,
                    at_least,
                });
            }
        }
        Ok(Self {
            good: Some(Box::new(good)),
            at_least,
        })
    }

    /// A view shows a part if its cells correlate with those of its golden picture by `at_least` (0..=1).
    pub fn like_reference(at_least: f32) -> Self {
        Self {
            good: None,
            at_least,
        }
    }

    /// Whether the picture shows a part; without the golden picture that is asked for, it does not.
    pub fn is_in(&self, picture: &PictureRef<'_>, golden: Option<&PictureRef<'_>>) -> bool {
        let Some(cells) = shape(picture) else {
            return false;
        };
        let found = match &self.good {
            Some(good) => Some(correlation(good, &cells)),
            None => golden
                .and_then(shape)
                .map(|good| correlation(&good, &cells)),
        };
        found.is_some_and(|found| found >= self.at_least)
    }
}

fn correlation(good: &[f32; CELLS], cells: &[f32; CELLS]) -> f32 {
    good.iter().zip(cells).map(|(a, b)| a * b).sum()
}

/// The picture's cells with mean 0 and length 1; `None`: it is the same all over.
fn shape(picture: &PictureRef<'_>) -> Option<[f32; CELLS]> {
    let mut cells = [0.0; CELLS];
    for (i, cell) in cells.iter_mut().enumerate() {
        *cell = level(picture, i % GRID, i / GRID)?;
    }
    let mean = cells.iter().sum::<f32>() / CELLS as f32;
    cells.iter_mut().for_each(|c| *c -= mean);
    let length = cells.iter().map(|c| c * c).sum::<f32>().sqrt();
    if length < FLAT * GRID as f32 {
        return None;
    }
    cells.iter_mut().for_each(|c| *c /= length);
    Some(cells)
}

/// Mean level of a cell, 0 to 255.
fn level(picture: &PictureRef<'_>, column: usize, row: usize) -> Option<f32> {
    let (offset, stride) = (picture.layout.offsets[0], picture.layout.strides[0]);
    let step = match picture.format {
        PixelFormat::Rgb | PixelFormat::Bgr => 3,
        PixelFormat::Yuy2 => 2,
        _ => 1,
    };
    let of = |whole: u32, at: usize| {
        let from = whole as usize * at / GRID;
        let to = (whole as usize * (at + 1) / GRID).max(from + 1);
        (from, to, (to - from).div_ceil(LOOKED))
    };
    let (left, right, across) = of(picture.width, column);
    let (top, bottom, down) = of(picture.height, row);
    let (mut sum, mut n) = (0u32, 0u32);
    for y in (top..bottom).step_by(down) {
        for x in (left..right).step_by(across) {
            let at = offset + y * stride + x * step;
            // green, where there are colours
            let pixel = picture.bytes.get(at + step / 3)?;
            sum += u32::from(*pixel);
            n += 1;
        }
    }
    Some(sum as f32 / n.max(1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(pixels: &[u8], side: u32) -> PictureRef<'_> {
        PictureRef {
            width: side,
            height: side,
            format: PixelFormat::Gray8,
            levels: sightline_domain::Levels::default(),
            layout: PixelFormat::Gray8.default_layout(side, side),
            bytes: pixels,
        }
    }

    /// A board: bright with darker blocks, shifted by `shift` pixels, with `noise` levels of noise.
    fn board(side: usize, shift: usize, noise: u32) -> Vec<u8> {
        let mut dice = 7u32;
        (0..side * side)
            .map(|i| {
                let (x, y) = (i % side + shift, i / side + shift);
                let block = (x / 70 + 2 * (y / 90)) % 3 == 0;
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let level: u32 = if block { 60 } else { 190 };
                (level + (dice >> 16) % (noise + 1)) as u8
            })
            .collect()
    }

    #[test]
    fn a_part_is_seen_and_noise_an_empty_belt_and_another_part_are_not() {
        let side = 640;
        let good = board(side, 0, 10);
        let taught = Presence::taught(&[picture(&good, side as u32)], 0.5).unwrap();
        for (shift, noise) in [(0, 0), (6, 20), (12, 50)] {
            let part = board(side, shift, noise);
            assert!(
                taught.is_in(&picture(&part, side as u32), None),
                "{shift} {noise}"
            );
        }
        let noise: Vec<u8> = board(side, 0, 0)
            .iter()
            .scan(3u32, |dice, _| {
                *dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                Some((*dice >> 24) as u8)
            })
            .collect();
        assert!(!taught.is_in(&picture(&noise, side as u32), None));
        let belt = vec![40; side * side];
        assert!(!taught.is_in(&picture(&belt, side as u32), None));
        let turned: Vec<u8> = good.iter().map(|v| 255 - v).collect();
        assert!(!taught.is_in(&picture(&turned, side as u32), None));
        // The same against its own golden picture, which has to be there.
        let own = Presence::like_reference(0.5);
        let part = board(side, 6, 20);
        let golden = picture(&good, side as u32);
        assert!(own.is_in(&picture(&part, side as u32), Some(&golden)));
        assert!(!own.is_in(&picture(&noise, side as u32), Some(&golden)));
        assert!(!own.is_in(&picture(&part, side as u32), None));
    }

    #[test]
    fn pictures_that_teach_nothing_are_refused() {
        let flat = vec![90; 64 * 64];
        let refused = Presence::taught(&[picture(&flat, 64)], 0.5).unwrap_err();
        assert_eq!(refused, PresenceError::Flat { number: 1 });
        assert_eq!(Presence::taught(&[], 0.5).unwrap_err(), PresenceError::None);
        let (good, other) = (board(640, 0, 0), board(640, 45, 0));
        let unlike = Presence::taught(&[picture(&good, 640), picture(&other, 640)], 0.95);
        assert!(
            matches!(unlike, Err(PresenceError::Unlike { .. })),
            "{unlike:?}"
        );
    }
}
