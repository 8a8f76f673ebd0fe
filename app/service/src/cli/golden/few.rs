//! As many golden pictures as prove something: a few of each class, and a few clean ones.

use crate::cli::labels;
use sightline_engine::Task;
use sightline_engine::bundle::Manifest;
use sightline_ingest::images::{CocoFile, CocoPicture};

/// Counts the pictures that were taken, by class; the last count is of those without any.
pub struct Few {
    most: usize,
    taken: Vec<usize>,
}

impl Few {
    /// `most` of each class, and `most` clean ones; 0: all.
    pub fn new(most: usize, manifest: &Manifest) -> Self {
        let taken = vec![0; manifest.classes.len() + 1];
        Self { most, taken }
    }

    /// What the labels say is on the picture, as places in the count.
    ///
    /// # Errors
    /// A label that names no class of the model.
    pub fn kinds(
        manifest: &Manifest,
        truth: &CocoFile,
        picture: &CocoPicture,
    ) -> anyhow::Result<Vec<usize>> {
        let categories: Vec<u64> = match manifest.task {
            Task::Detect => picture.boxes.iter().map(|b| b.category).collect(),
            Task::Classify => picture.class_id.into_iter().collect(),
        };
        let class = |id: u64| labels::class_of(manifest, truth, id);
        let mut kinds = categories
            .into_iter()
            .map(class)
            .collect::<anyhow::Result<Vec<_>>>()?;
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            kinds.push(manifest.classes.len());
        }
        Ok(kinds)
    }

    /// Whether a picture with these on it is still wanted.
    pub fn wants(&self, kinds: &[usize]) -> bool {
        self.most == 0 || kinds.iter().any(|&k| self.taken[k] < self.most)
    }

    /// It was taken.
    pub fn take(&mut self, kinds: &[usize]) {
        for &kind in kinds {
            self.taken[kind] += 1;
        }
    }
}
