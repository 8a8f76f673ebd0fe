//! Truth from a COCO file: boxes, and where the file has it, one class a picture (`class_id`).

use serde::Deserialize;
use sightline_model::BoxView;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Why a COCO file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CocoError {
    /// It cannot be read.
    #[error("expected a readable COCO file at {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not COCO.
    #[error("{}: expected COCO detection JSON (images, annotations, categories): {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// An id leads nowhere.
    #[error("{}: expected {what} {id} in the file, found no such id; mend the file", path.display())]
    Dangling {
        /// The file.
        path: PathBuf,
        /// What the id names.
        what: &'static str,
        /// The id.
        id: u64,
    },
}

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    #[serde(default)]
    class_id: Option<u64>,
    /// The picture itself is spoiled by a drawn-in label; it has no place in a score.
    #[serde(default)]
    label_overlay: bool,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
    bbox: [f32; 4],
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// One picture's truth.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthImage {
    /// As the file names it.
    pub file_name: String,
    /// Category and box, pixels.
    pub boxes: Vec<(usize, BoxView)>,
    /// The picture's own category.
    pub class: Option<usize>,
    /// To be left out of scores.
    pub spoiled: bool,
}

/// A whole file; categories are indexes into `categories`.
#[derive(Clone, Debug, PartialEq)]
pub struct CocoTruth {
    /// Category names in the file's order.
    pub categories: Vec<String>,
    /// The pictures in the file's order.
    pub images: Vec<TruthImage>,
}

impl CocoTruth {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is not COCO, or an id leads nowhere.
    pub fn load(path: &Path) -> Result<Self, CocoError> {
        let text = std::fs::read(path).map_err(|source| CocoError::Read {
            path: path.into(),
            source,
        })?;
        let file: File = serde_json::from_slice(&text).map_err(|source| CocoError::Parse {
            path: path.into(),
            source,
        })?;
        let dangling = |what, id| CocoError::Dangling {
            path: path.into(),
            what,
            id,
        };
        let category: HashMap<u64, usize> = file
            .categories
            .iter()
            .enumerate()
            .map(|(i, c)| (c.id, i))
            .collect();
        let known = |id: u64| {
            category
                .get(&id)
                .copied()
                .ok_or_else(|| dangling("category", id))
        };
        let place: HashMap<u64, usize> = file
            .images
            .iter()
            .enumerate()
            .map(|(i, image)| (image.id, i))
            .collect();
        let mut images = Vec::with_capacity(file.images.len());
        for image in file.images {
            let class = image.class_id.map(known).transpose()?;
            images.push(TruthImage {
                file_name: image.file_name,
                boxes: Vec::new(),
                class,
                spoiled: image.label_overlay,
            });
        }
        for a in file.annotations.iter().filter(|a| a.iscrowd == 0) {
            let at = place
                .get(&a.image_id)
                .ok_or_else(|| dangling("image", a.image_id))?;
            let [x, y, w, h] = a.bbox;
            images[*at]
                .boxes
                .push((known(a.category_id)?, BoxView { x, y, w, h }));
        }
        Ok(Self {
            categories: file.categories.into_iter().map(|c| c.name).collect(),
            images,
        })
    }
}
