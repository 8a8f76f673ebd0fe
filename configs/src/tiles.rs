//! How a large picture is cut into tiles: where they lie, and how many there may be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Tiles of a large picture for a network with a small input. A picture that is smaller than a tile is one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// Width of a tile, pixels of the view; best the width of the network's input.
    pub width: u32,
    /// Height of a tile, pixels of the view.
    pub height: u32,
    /// By how much neighbours overlap at least, pixels: the size up to which a defect is seen whole, wherever it lies.
    pub overlap_px: u32,
}

impl Tiles {
    /// Most tiles of one picture: 8,192 x 20,000 in tiles of 640 with an overlap of 64 are 525.
    pub const MOST: usize = 1_024;

    /// Sides that a tile may have, pixels.
    pub const SIDES: std::ops::RangeInclusive<u32> = 32..=8_192;

    /// The largest overlap that it may have: half a tile.
    pub fn most_overlap(self) -> u32 {
        (self.width.min(self.height) / 2).max(1)
    }

    /// Its numbers are in their ranges.
    pub fn is_sound(self) -> bool {
        [self.width, self.height]
            .iter()
            .all(|s| Self::SIDES.contains(s))
            && (1..=self.most_overlap()).contains(&self.overlap_px)
    }

    /// Where the tiles lie on a picture of this size, row by row: left, top, width and height.
    pub fn places(self, (width, height): (u32, u32)) -> impl Iterator<Item = [u32; 4]> {
        let (w, h) = (self.width.min(width), self.height.min(height));
        let down = starts(height, h, self.overlap_px);
        down.flat_map(move |top| {
            let across = starts(width, w, self.overlap_px);
            across.map(move |left| [left, top, w, h])
        })
    }

    /// How many they are.
    pub fn count(self, (width, height): (u32, u32)) -> usize {
        let across = steps(width, self.width.min(width), self.overlap_px) as usize + 1;
        let down = steps(height, self.height.min(height), self.overlap_px) as usize + 1;
        across.saturating_mul(down)
    }
}

/// Tiles of `tile` along a side beyond the first one.
fn steps(side: u32, tile: u32, overlap: u32) -> u32 {
    (side - tile).div_ceil(tile.saturating_sub(overlap).max(1))
}

/// Evenly over the side, the first at its start, the last at its end.
fn starts(side: u32, tile: u32, overlap: u32) -> impl Iterator<Item = u32> {
    let (steps, room) = (steps(side, tile, overlap), side - tile);
    let at = move |i: u32| u64::from(i) * u64::from(room) / u64::from(steps.max(1));
    (0..=steps).map(move |i| at(i) as u32)
}

impl FromStr for Tiles {
    type Err = String;

    /// `640x480+64`: width, height, overlap.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('x').and_then(|(width, rest)| {
            let (height, overlap) = rest.split_once('+')?;
            Some(Self {
                width: width.parse().ok()?,
                height: height.parse().ok()?,
                overlap_px: overlap.parse().ok()?,
            })
        });
        parts.filter(|t| t.is_sound()).ok_or_else(|| {
            format!(
                "expected WIDTHxHEIGHT+OVERLAP in pixels, e.g. 640x640+96 (sides of 32 to 8192, an overlap of 1 to half a tile), found `{text}`"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_scan_is_cut_into_few_enough() {
        let tiles = Tiles {
            width: 640,
            height: 640,
            overlap_px: 64,
        };
        let size = (8_192, 20_000);
        assert_eq!(tiles.count(size), 525);
        assert!(tiles.count(size) <= Tiles::MOST);
        assert_eq!(
            tiles.places((100, 50)).collect::<Vec<_>>(),
            [[0, 0, 100, 50]]
        );
        assert_eq!(tiles.places((640, 641)).count(), 2);
        assert_eq!("640x640+64".parse(), Ok(tiles));
        for wrong in [
            "",
            "640",
            "640x640",
            "640x640+",
            "640x640+0",
            "640x640+321",
            "8x8+2",
            "-1x64+2",
        ] {
            assert!(wrong.parse::<Tiles>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_place_lies_in_a_tile_and_neighbours_overlap(
            side in 1u32..30_000, tile in 32u32..2_000, share in 0.01f64..0.5,
        ) {
            let overlap = ((f64::from(tile) * share) as u32).max(1);
            let tiles = Tiles { width: tile, height: 32, overlap_px: overlap };
            let all: Vec<[u32; 4]> = tiles.places((side, 20)).collect();
            prop_assert_eq!(all.len(), tiles.count((side, 20)));
            prop_assert_eq!(all[0][0], 0);
            let last = all[all.len() - 1];
            prop_assert_eq!(last[0] + last[2], side);
            for pair in all.windows(2) {
                prop_assert!(pair[1][0] + overlap <= pair[0][0] + tile);
                prop_assert!(pair[1][0] > pair[0][0]);
            }
        }
    }
}
