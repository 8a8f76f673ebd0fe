//! Real pictures on the belt instead of drawn boards: which part shows which, and what is true of it.

use sightline_domain::{ClassId, TrackId};
use sightline_ingest::{
    IngestError,
    images::{CocoFile, CocoPicture},
};
use sightline_simulation::{PartTruth, seed};
use std::path::Path;

/// The pictures of a COCO file in an order of the line's seed; each camera of each part takes the next.
#[derive(Debug)]
pub(super) struct BeltPictures {
    pictures: Vec<CocoPicture>,
    categories: Vec<(u64, String)>,
    order: Vec<u32>,
    cameras: usize,
}

impl BeltPictures {
    pub(super) fn load(path: &Path, cameras: usize, line_seed: u64) -> Result<Self, IngestError> {
        let file = CocoFile::load(path, None)?;
        if file.pictures.is_empty() {
            return Err(IngestError::Pictures {
                path: path.to_owned(),
                expected: "at least one picture to put on the belt",
                found: "none".into(),
            });
        }
        let mut order: Vec<u32> = (0..file.pictures.len() as u32).collect();
        order.sort_by_key(|&i| seed::derive(line_seed, i.into()));
        Ok(Self {
            pictures: file.pictures,
            categories: file.categories,
            order,
            cameras: cameras.max(1),
        })
    }

    /// What `camera` of the line sees of the part `track`.
    pub(super) fn picture(&self, track: TrackId, camera: usize) -> &CocoPicture {
        let shown = track.0.saturating_sub(1) as usize * self.cameras + camera;
        &self.pictures[self.order[shown % self.order.len()] as usize]
    }

    /// What is on all the pictures of a part. Classes count in the order of the file's categories.
    pub(super) fn truth(&self, track: TrackId) -> PartTruth {
        let mut truth = PartTruth::default();
        for shown in (0..self.cameras).flat_map(|camera| &self.picture(track, camera).boxes) {
            let class = self
                .categories
                .iter()
                .position(|(id, _)| *id == shown.category);
            truth.add(ClassId(class.unwrap_or(63) as u16));
        }
        truth
    }
}
