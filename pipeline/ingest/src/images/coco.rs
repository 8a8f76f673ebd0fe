//! COCO detection JSON, as far as pictures and truth need it (<https://cocodataset.org/#format-data>).

use crate::IngestError;
use serde::Deserialize;
use sightline_domain::BoxView;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// A COCO file, its pictures in file order with their annotations.
#[derive(Clone, Debug, PartialEq)]
pub struct CocoFile {
    /// Pictures.
    pub pictures: Vec<CocoPicture>,
    /// Category id and name, in file order.
    pub categories: Vec<(u64, String)>,
}

/// One picture of a COCO file.
#[derive(Clone, Debug, PartialEq)]
pub struct CocoPicture {
    /// COCO's id.
    pub id: u64,
    /// Name as in the file.
    pub file_name: String,
    /// Where the picture is.
    pub path: PathBuf,
    /// Where its golden picture is, from `template_file_name`.
    pub template: Option<PathBuf>,
    /// The picture's own class, from `class_id`.
    pub class_id: Option<u64>,
    /// Labels are drawn into the picture itself (`label_overlay`): it has no place in a score.
    pub spoiled: bool,
    /// What is on it.
    pub boxes: Vec<CocoBox>,
}

/// One annotation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CocoBox {
    /// Category id.
    pub category: u64,
    /// Where, in pixels of the picture.
    pub bbox: BoxView,
}

#[derive(Deserialize)]
struct Raw {
    images: Vec<RawImage>,
    #[serde(default)]
    annotations: Vec<RawAnnotation>,
    #[serde(default)]
    categories: Vec<RawCategory>,
}

#[derive(Deserialize)]
struct RawImage {
    id: u64,
    file_name: String,
    #[serde(default)]
    template_file_name: Option<String>,
    #[serde(default)]
    class_id: Option<u64>,
    #[serde(default)]
    label_overlay: bool,
}

#[derive(Deserialize)]
struct RawAnnotation {
    #[serde(default)]
    id: Option<serde_json::Value>,
    image_id: u64,
    category_id: u64,
    /// `null` where the file says no number.
    bbox: [Option<f64>; 4],
}

#[derive(Deserialize)]
struct RawCategory {
    id: u64,
    name: String,
}

impl CocoFile {
    /// Reads a file. Pictures lie in `images` beside the file's folder or in it, or beside the file itself;
    /// `pictures_in` says otherwise.
    ///
    /// # Errors
    /// The file cannot be read or is not COCO; an annotation names a picture that is not in it, or has a box that is none.
    pub fn load(path: &Path, pictures_in: Option<&Path>) -> Result<Self, IngestError> {
        let wrong = |found: String| IngestError::Pictures {
            path: path.to_owned(),
            expected: "a COCO detection file (an object with `images`, and with `annotations` and `categories` for truth)",
            found,
        };
        let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        let raw = read(&text).map_err(|e| wrong(e.to_string()))?;
        let mut boxes: HashMap<u64, Vec<CocoBox>> =
            raw.images.iter().map(|i| (i.id, Vec::new())).collect();
        for (index, annotation) in raw.annotations.iter().enumerate() {
            let of_picture = boxes.get_mut(&annotation.image_id).ok_or_else(|| {
                wrong(format!(
                    "an annotation of image_id {}, which `images` does not have",
                    annotation.image_id
                ))
            })?;
            of_picture.push(CocoBox {
                category: annotation.category_id,
                bbox: annotation.bbox(index).map_err(wrong)?,
            });
        }
        let folders = Folders::of(path, pictures_in);
        let picture = |image: RawImage| CocoPicture {
            id: image.id,
            path: folders.find(&image.file_name),
            template: image
                .template_file_name
                .as_deref()
                .map(|name| folders.find(name)),
            file_name: image.file_name,
            class_id: image.class_id,
            spoiled: image.label_overlay,
            boxes: boxes.remove(&image.id).unwrap_or_default(),
        };
        Ok(Self {
            pictures: raw.images.into_iter().map(picture).collect(),
            categories: raw.categories.into_iter().map(|c| (c.id, c.name)).collect(),
        })
    }
}

/// Python's `json` writes numbers that JSON does not have (`NaN`, `Infinity`): they are read as none, so that the annotation
/// that has one can be named.
fn read(text: &[u8]) -> Result<Raw, serde_json::Error> {
    serde_json::from_slice(text)
        .or_else(|error| serde_json::from_slice(&without_words(text)).map_err(|_| error))
}

/// With `null` for `NaN`, `Infinity` and `-Infinity` outside of texts.
fn without_words(text: &[u8]) -> Vec<u8> {
    let words: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut in_text) = (0, false);
    while at < text.len() {
        let word = words.iter().find(|w| text[at..].starts_with(w));
        match (text[at], word) {
            (b'\\', _) if in_text => {
                out.push(text[at]);
                at += 1;
            }
            (b'"', _) => in_text = !in_text,
            (_, Some(word)) if !in_text => {
                out.extend_from_slice(b"null");
                at += word.len();
                continue;
            }
            _ => {}
        }
        out.extend(text.get(at));
        at += 1;
    }
    out
}

/// No picture is so large.
const FARTHEST: f64 = 1e6;

impl RawAnnotation {
    /// Its box, if it is one: finite numbers, a width and a height.
    fn bbox(&self, index: usize) -> Result<BoxView, String> {
        let is_number = |v: &Option<f64>| v.is_some_and(|v| v.abs() <= FARTHEST);
        let sized = |v: &Option<f64>| v.is_some_and(|v| v > 0.0);
        if self.bbox.iter().all(is_number) && self.bbox[2..].iter().all(sized) {
            let [x, y, w, h] = self.bbox.map(|v| v.unwrap_or_default() as f32);
            return Ok(BoxView { x, y, w, h });
        }
        let who = match &self.id {
            Some(id) => format!("the annotation with id {id}"),
            None => format!("annotations[{index}], which has no id,"),
        };
        let written = |v: &Option<f64>| v.map_or("no number".to_owned(), |v| format!("{v}"));
        let numbers: Vec<String> = self.bbox.iter().map(written).collect();
        Err(format!(
            "{who} has the bbox [{}]; expected [x, y, width, height] in pixels, finite, with a width and a height above 0; correct \
             or remove it",
            numbers.join(", ")
        ))
    }
}

/// Where pictures named in a COCO file may lie, likeliest first.
struct Folders(Vec<PathBuf>);

impl Folders {
    fn of(file: &Path, said: Option<&Path>) -> Self {
        if let Some(folder) = said {
            return Self(vec![folder.to_owned()]);
        }
        let beside = file.parent().unwrap_or(Path::new("")).to_owned();
        Self(vec![
            beside.join("../images"),
            beside.join("images"),
            beside.clone(),
            beside.join(".."),
        ])
    }

    /// The first place where the picture is; with none, the likeliest, so that its error names a path.
    fn find(&self, name: &str) -> PathBuf {
        let mut places = self.0.iter().map(|folder| folder.join(name));
        places
            .find(|path| path.exists())
            .unwrap_or_else(|| self.0[0].join(name))
    }
}
