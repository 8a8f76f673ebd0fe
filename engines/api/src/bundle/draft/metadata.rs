//! What exporters write into a file's metadata about its head.

use super::{ModelInfo, names};

/// The exporters' words, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metadata {
    /// Ultralytics: `detect`, `segment`, `pose`, `obb`, `classify`.
    pub task: Option<String>,
    /// Ultralytics: the class of the last layer, e.g. `RTDETRDecoder`.
    pub head: Option<String>,
    /// Ultralytics: each object comes once.
    pub end2end: Option<bool>,
    /// Suppression is in the file.
    pub nms: bool,
    /// It is an RT-DETR by its name.
    pub rt_detr: bool,
    /// In the order of the outputs.
    pub names: Vec<String>,
    /// Height and width.
    pub size: Option<(i64, i64)>,
}

impl Metadata {
    pub(super) fn of(info: &ModelInfo) -> Self {
        let get = |key: &str| info.metadata.get(key).map(|v| v.trim().to_owned());
        let truth = |v: String| v.eq_ignore_ascii_case("true");
        let args = get("args")
            .unwrap_or_default()
            .replace([' ', '"', '\''], "");
        let head = get("head");
        let words = format!(
            "{} {}",
            get("description").unwrap_or_default(),
            head.clone().unwrap_or_default()
        );
        Self {
            task: get("task").filter(|_| info.metadata.contains_key("names")),
            end2end: get("end2end").map(truth),
            nms: args.to_lowercase().contains("nms:true"),
            rt_detr: words.to_lowercase().replace('-', "").contains("rtdetr"),
            names: names::names_of(&info.metadata),
            size: get("imgsz").and_then(|text| size(&text)),
            head,
        }
    }

    /// The last layer is one that Ultralytics writes and no RT-DETR's.
    pub(super) fn is_plain_detect(&self) -> bool {
        self.head.is_some() && !self.rt_detr
    }
}

/// `[640, 480]` or `640`.
fn size(text: &str) -> Option<(i64, i64)> {
    let digits = text.split(|c: char| !c.is_ascii_digit());
    let mut sides = digits
        .filter_map(|n| n.parse::<i64>().ok())
        .filter(|n| *n > 0);
    let height = sides.next()?;
    Some((height, sides.next().unwrap_or(height)))
}
