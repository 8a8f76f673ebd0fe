//! The list of pictures of an `images` source.

use super::coco::{CocoFile, CocoPicture};
use crate::IngestError;
use sightline_domain::FrameId;
use std::path::{Path, PathBuf};

/// File name endings taken from a folder.
const ENDINGS: [&str; 10] = [
    "png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "pgm", "ppm", "pnm",
];

/// One picture.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageEntry {
    /// Its name: as in the COCO file, or the file's own.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its golden picture.
    pub template: Option<PathBuf>,
    /// COCO's id.
    pub coco_id: Option<u64>,
}

/// The pictures of an `images` source in the order they are shown. Frame numbers count pictures from 0 and run on
/// when the list repeats, so `frame number modulo length` is the picture; that is how truth is joined to results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImagesIndex {
    entries: Vec<ImageEntry>,
}

impl ImagesIndex {
    /// Lists a folder (by name), a glob (by name) or a COCO `.json` file (in file order).
    ///
    /// # Errors
    /// It cannot be read, or has no picture.
    pub fn load(path: &Path) -> Result<Self, IngestError> {
        let entries = if path.is_dir() {
            Self::of_folder(path)?
        } else if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("json"))
        {
            Self::of_coco(&CocoFile::load(path, None)?).entries
        } else {
            Self::of_glob(path)?
        };
        if entries.is_empty() {
            return Err(wrong(
                path,
                "at least one picture (png, jpg, jpeg, bmp, tif, tiff, webp, pgm, ppm or pnm)",
                "none".into(),
            ));
        }
        Ok(Self { entries })
    }

    /// The pictures of a COCO file.
    pub fn of_coco(file: &CocoFile) -> Self {
        let entry = |picture: &CocoPicture| ImageEntry {
            name: picture.file_name.clone(),
            path: picture.path.clone(),
            template: picture.template.clone(),
            coco_id: Some(picture.id),
        };
        Self {
            entries: file.pictures.iter().map(entry).collect(),
        }
    }

    fn of_folder(folder: &Path) -> Result<Vec<ImageEntry>, IngestError> {
        let listing = std::fs::read_dir(folder)
            .map_err(|e| wrong(folder, "a readable folder", e.to_string()))?;
        let mut paths: Vec<PathBuf> = listing
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_picture(path))
            .collect();
        paths.sort();
        Ok(paths.into_iter().map(plain_entry).collect())
    }

    /// A single file is a glob without wildcards, which are `*` and `?`.
    fn of_glob(pattern: &Path) -> Result<Vec<ImageEntry>, IngestError> {
        let expected = "a folder, a COCO .json file, or a glob like `pictures/*.png`";
        let text = pattern
            .to_str()
            .ok_or_else(|| wrong(pattern, expected, "a path that is not UTF-8".into()))?;
        // only `*` and `?` are wildcards: `[` is found in the names of real folders
        let found = glob::glob(&text.replace('[', "[[]"))
            .map_err(|e| wrong(pattern, expected, e.to_string()))?;
        let mut paths: Vec<PathBuf> = found.flatten().filter(|path| path.is_file()).collect();
        paths.sort();
        Ok(paths.into_iter().map(plain_entry).collect())
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The pictures in order.
    pub fn entries(&self) -> &[ImageEntry] {
        &self.entries
    }

    /// Whether any picture has a golden one.
    pub fn has_templates(&self) -> bool {
        self.entries.iter().any(|entry| entry.template.is_some())
    }

    /// The picture's place in the list.
    pub fn index_of(&self, frame: FrameId) -> usize {
        (frame.0 % self.entries.len().max(1) as u64) as usize
    }

    /// The picture that has this frame number; `None` in an empty list.
    pub fn entry(&self, frame: FrameId) -> Option<&ImageEntry> {
        self.entries.get(self.index_of(frame))
    }
}

fn wrong(path: &Path, expected: &'static str, found: String) -> IngestError {
    IngestError::Pictures {
        path: path.to_owned(),
        expected,
        found,
    }
}

/// A file whose name says that it is a picture, and not that it is being written.
pub(super) fn is_picture(path: &Path) -> bool {
    let ending = path
        .extension()
        .and_then(|e| e.to_str())
        .map(str::to_ascii_lowercase);
    path.is_file() && ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

pub(super) fn plain_entry(path: PathBuf) -> ImageEntry {
    ImageEntry {
        name: path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default(),
        path,
        template: None,
        coco_id: None,
    }
}
