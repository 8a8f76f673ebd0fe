//! Models that are known by name and not read, and what to do about each.

use super::masks::prototypes;
use super::{ModelInfo, metadata::Metadata};

/// The kind of a file that we do not read, in one sentence with advice.
pub(super) fn known_kind(
    info: &ModelInfo,
    meta: &Metadata,
    (height, width): (i64, i64),
) -> Option<String> {
    if let Some(op) = info.foreign_operators.first() {
        return Some(format!(
            "it holds the operator {op}, which only {} has; export it again without (no suppression plug-in in the file: \
             Sightline suppresses itself)",
            if op.contains("TRT") {
                "TensorRT"
            } else {
                "another runtime"
            }
        ));
    }
    let has_masks = prototypes(info, (height, width)).is_some();
    if has_masks && meta.task.as_deref().is_none_or(|t| t == "segment") {
        return None;
    }
    if let Some(why) = by_task(meta) {
        return Some(why);
    }
    by_outputs(info, (height, width))
}

fn by_task(meta: &Metadata) -> Option<String> {
    let what = match meta.task.as_deref()? {
        "detect" | "classify" => return None,
        "segment" => "a segmentation model (Ultralytics task \"segment\") of an unknown head",
        "semantic" => "a semantic segmentation model (Ultralytics)",
        "pose" => "a pose model with keypoints (Ultralytics task \"pose\")",
        "obb" => "a model of oriented boxes (Ultralytics task \"obb\")",
        other => {
            return Some(format!(
                "it is a model of the task \"{other}\", which is not read yet; export one of task detect, segment or classify"
            ));
        }
    };
    Some(format!(
        "it is {what}, which is not read yet; train and export one of task detect, segment or classify"
    ))
}

fn by_outputs(info: &ModelInfo, (height, width): (i64, i64)) -> Option<String> {
    let named = |words: &[&str]| {
        let outputs = info.outputs.iter();
        outputs
            .into_iter()
            .any(|o| words.iter().any(|w| o.name.to_lowercase().contains(w)))
    };
    let dims: Vec<&[i64]> = (0..info.outputs.len()).map(|i| info.dims(i)).collect();
    let map = |d: &&[i64]| d.len() == 4;
    let is_pixels = |d: &&[i64]| map(d) && d[2] == height && d[3] == width;
    let score = info.outputs.iter().any(|o| o.name == "pred_score");
    if score
        || named(&["anomaly", "pred_mask"])
        || (dims.len() == 1 && is_pixels(&dims[0]) && dims[0][1] == 1)
    {
        return Some(
            "it is an anomaly model (a score or a map of how unusual each pixel is, as of anomalib), which is not read yet; use a \
             detector or a classifier"
                .to_owned(),
        );
    }
    let protos = |d: &&[i64]| map(d) && d[2] * 4 == height && d[3] * 4 == width;
    let three = |d: &&[i64]| d.len() == 3;
    if named(&["mask"]) || (dims.iter().any(protos) && dims.iter().any(three)) {
        return Some(
            "it is an instance segmentation model whose masks are not those of YOLO (weights of a box and prototypes), which is not read yet; \
             export a detector".to_owned(),
        );
    }
    if named(&["keypoint", "kpt"]) {
        return Some(
            "it is a pose model with keypoints, which is not read yet; export a detector"
                .to_owned(),
        );
    }
    if named(&["angle", "obb"]) {
        return Some(
            "it is a model of oriented boxes, which is not read yet; export a detector".to_owned(),
        );
    }
    let raw = dims
        .iter()
        .filter(|d| d.len() >= 4 && (d[2] > 1 || d[3] > 1))
        .count();
    if raw > 1 && raw == dims.len() {
        return Some(
            "its outputs are the raw maps of a detector before decoding; export it with its boxes decoded (YOLOv5, v7: \
             export.py without --train; others: the deploy option of the exporter)"
                .to_owned(),
        );
    }
    if raw == 1 && dims.len() == 1 {
        return Some(
            "its output is a map of values for each pixel, as of semantic segmentation, which is not read yet; use a detector or a \
             classifier"
                .to_owned(),
        );
    }
    None
}
