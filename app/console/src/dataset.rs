//! Reviewed parts as a COCO data set: written down when a person judges a part, listed when it is asked for.
//!
//! `FOLDER/images/{seq}-{view}.png` are the pictures that were kept with the part, `FOLDER/parts/{seq}.json` what was
//! found on it. Names are numbers, so that nothing a recipe or a person writes becomes a path. A part without a kept
//! picture is not in the set.

use crate::history::History;
use crate::previews::Kept;
use anyhow::Context;
use image::DynamicImage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sightline_domain::Evaluation;
use sightline_journal::Review;
use sightline_wire::preview::Pixels;
use sightline_wire::snapshot::PartCard;
use std::fs;
use std::path::{Path, PathBuf};

/// The list.
const LIST: &str = "annotations.json";

/// The data set in a folder.
pub struct Dataset(PathBuf);

/// A judged part.
#[derive(Serialize, Deserialize)]
struct Saved {
    part: PartCard,
    pictures: Vec<Size>,
}

/// A picture of it, and how large the view is that it was made from, in pixels.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Size {
    view: usize,
    picture: (u32, u32),
    whole: (u32, u32),
}

/// A picture that is kept with a part, taken out of the memory.
pub struct Picture {
    size: Size,
    pixels: DynamicImage,
}

impl Picture {
    /// Of the part's view with that place.
    pub fn of(view: usize, kept: &Kept) -> Option<Self> {
        let head = &kept.head;
        let (w, h) = (head.width.into(), head.height.into());
        let bytes = kept.bytes.clone();
        let pixels = match head.pixels {
            Pixels::Gray => image::GrayImage::from_raw(w, h, bytes)?.into(),
            Pixels::Rgb => image::RgbImage::from_raw(w, h, bytes)?.into(),
        };
        let size = Size {
            view,
            picture: (w, h),
            whole: (head.view_width, head.view_height),
        };
        Some(Self { size, pixels })
    }
}

impl Dataset {
    /// In the folder of exports.
    pub fn in_exports(exports: &Path) -> Self {
        Self(exports.join("reviewed"))
    }

    fn picture(&self, seq: u64, view: usize) -> PathBuf {
        self.0.join(image_name(seq, view))
    }

    fn part(&self, seq: u64) -> PathBuf {
        self.0.join(format!("parts/{seq:08}.json"))
    }

    /// Keeps a part that a person has judged; nothing is kept of one without pictures.
    pub fn keep(&self, part: PartCard, pictures: &[Picture]) -> anyhow::Result<()> {
        if pictures.is_empty() {
            return Ok(());
        }
        for folder in ["images", "parts"] {
            let folder = self.0.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        for picture in pictures {
            let path = self.picture(part.seq, picture.size.view);
            let saved = picture.pixels.save(&path);
            saved.with_context(|| format!("cannot write {}", path.display()))?;
        }
        let path = self.part(part.seq);
        let saved = Saved {
            part,
            pictures: pictures.iter().map(|p| p.size).collect(),
        };
        write(&path, &saved)
    }

    /// Writes the list of all judged parts that are kept; returns it and how many pictures it names.
    pub fn write_list(&self, history: &History) -> anyhow::Result<(PathBuf, u32)> {
        let mut list = List::default();
        for (seq, review) in history.reviews()? {
            let path = self.part(seq);
            let Ok(json) = fs::read(&path) else {
                continue;
            };
            let saved: Saved = serde_json::from_slice(&json)
                .with_context(|| format!("{} is damaged; remove it", path.display()))?;
            // After a journal was lost its numbers may be another part's.
            if saved.part.event_id == review.event_id.to_string() {
                list.add(&saved, &review);
            }
        }
        fs::create_dir_all(&self.0).with_context(|| format!("cannot make {}", self.0.display()))?;
        let path = self.0.join(LIST);
        write(&path, &list.json())?;
        Ok((path, list.images.len() as u32))
    }
}

fn image_name(seq: u64, view: usize) -> String {
    format!("images/{seq:08}-{view}.png")
}

/// Beside, then renamed: it is whole or not there.
fn write(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.persist(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

#[derive(Default)]
struct List {
    images: Vec<Value>,
    annotations: Vec<Value>,
    /// A category's id is its place, from 1.
    classes: Vec<String>,
}

impl List {
    fn add(&mut self, saved: &Saved, review: &Review) {
        let part = &saved.part;
        let good = review.evaluation == Evaluation::OK;
        for size in &saved.pictures {
            let Some(view) = part.views.get(size.view) else {
                continue;
            };
            let image = self.images.len() + 1;
            self.images.push(json!({
                "id": image, "file_name": image_name(part.seq, size.view),
                "width": size.picture.0, "height": size.picture.1,
                "seq": part.seq, "event_id": part.event_id, "view": view.view, "camera": view.camera,
                "recipe": part.recipe, "good": good, "reviewed_by": review.by,
                "reviewed_at": review.at.to_rfc3339(), "comment": review.comment,
            }));
            let across = f64::from(size.picture.0) / f64::from(size.whole.0.max(1));
            let down = f64::from(size.picture.1) / f64::from(size.whole.1.max(1));
            // What was found on a good part was wrong.
            for finding in view.counted().filter(|_| !good) {
                let b = finding.bbox;
                let (w, h) = (f64::from(b.w) * across, f64::from(b.h) * down);
                let category = self.category(&finding.class);
                self.annotations.push(json!({
                    "id": self.annotations.len() + 1, "image_id": image, "category_id": category,
                    "bbox": [f64::from(b.x) * across, f64::from(b.y) * down, w, h], "area": w * h,
                    "iscrowd": 0, "score": finding.score,
                }));
            }
        }
    }

    fn category(&mut self, class: &str) -> usize {
        let known = self.classes.iter().position(|c| c == class);
        1 + known.unwrap_or_else(|| {
            self.classes.push(class.to_owned());
            self.classes.len() - 1
        })
    }

    fn json(&self) -> Value {
        let category = |(i, name): (usize, &String)| json!({"id": i + 1, "name": name});
        let categories: Vec<Value> = self.classes.iter().enumerate().map(category).collect();
        json!({"images": self.images, "annotations": self.annotations, "categories": categories})
    }
}
