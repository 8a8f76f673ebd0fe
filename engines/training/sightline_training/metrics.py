"""Average precision, pooled (the DeepPCB paper's way) and by class, and the limits that follow from a curve."""

import contextlib
import io

import numpy as np
from .boxes import iou_matrix


def match(found: list, truth: list, iou: float):
    """Ranks every finding of every picture: scores, labels, hit or not, best score first.

    `found` holds (boxes, scores, labels) a picture, `truth` (boxes, labels). A truth answers once, to the best scored
    finding of its class that overlaps by more than `iou`.
    """
    scores, labels, hits = [], [], []
    for (boxes, score, label), (t_boxes, t_labels) in zip(found, truth):
        free = np.ones(len(t_boxes), bool)
        overlap = iou_matrix(boxes, t_boxes) if len(boxes) and len(t_boxes) else np.zeros((len(boxes), len(t_boxes)))
        for i in np.argsort(-score, kind="stable"):
            row = np.where(free & (t_labels == label[i]), overlap[i], 0.0) if len(t_boxes) else np.zeros(1)
            best = int(row.argmax())
            hit = bool(row[best] > iou)
            if hit:
                free[best] = False
            scores.append(score[i]), labels.append(label[i]), hits.append(hit)
    order = np.argsort(-np.asarray(scores), kind="stable") if scores else np.array([], int)
    return np.asarray(scores)[order], np.asarray(labels)[order], np.asarray(hits, bool)[order]


def average_precision(hits: np.ndarray, truths: int) -> float:
    """Area under the precision curve made monotone, over all points."""
    if truths == 0 or len(hits) == 0:
        return 0.0
    true = hits.cumsum()
    precision = np.maximum.accumulate((true / np.arange(1, len(hits) + 1))[::-1])[::-1]
    recall = true / truths
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def coco_ap(found: list, truth: list, classes: int) -> dict:
    """pycocotools' AP@50, AP@50:95 and AP@50 by class."""
    # Here and not above: a machine that only trains need not have it.
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = [{"id": i + 1} for i in range(len(truth))]
    annotations, results = [], []
    for i, (boxes, labels) in enumerate(truth):
        for b, l in zip(boxes, labels):
            w, h = b[2] - b[0], b[3] - b[1]
            annotations.append({"id": len(annotations) + 1, "image_id": i + 1, "category_id": int(l) + 1,
                                "bbox": [*map(float, (b[0], b[1], w, h))], "area": float(w * h), "iscrowd": 0})
    for i, (boxes, scores, labels) in enumerate(found):
        for b, s, l in zip(boxes, scores, labels):
            results.append({"image_id": i + 1, "category_id": int(l) + 1, "score": float(s),
                            "bbox": [*map(float, (b[0], b[1], b[2] - b[0], b[3] - b[1]))]})
    if not results:
        return {"ap50": 0.0, "ap50_95": 0.0, "per_class": [0.0] * classes}
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}, "images": images, "annotations": annotations,
                        "categories": [{"id": c + 1, "name": str(c)} for c in range(classes)]}
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.params.maxDets = [1, 10, 300]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"]  # [IoU, recall, class, area, most]
    valid = np.where(precision[:, :, :, 0, 2] < 0, np.nan, precision[:, :, :, 0, 2])
    return {"ap50": float(np.nanmean(valid[0])), "ap50_95": float(np.nanmean(valid)),
            "per_class": [float(np.nanmean(valid[0, :, c])) if not np.isnan(valid[0, :, c]).all() else float("nan")
                          for c in range(classes)]}


def at_limits(found: list, truth: list, limits: np.ndarray, iou: float) -> dict:
    """Precision, recall and F1 of the findings at or above their class's limit."""
    kept = [(b[s >= limits[l]], s[s >= limits[l]], l[s >= limits[l]]) for b, s, l in found]
    _, _, hits = match(kept, truth, iou)
    truths = sum(len(t[1]) for t in truth)
    true = int(hits.sum())
    precision, recall = true / max(1, len(hits)), true / max(1, truths)
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / max(1e-9, precision + recall)}


def detection_report(found: list, truth: list, classes: int) -> dict:
    """Every figure the cards name."""
    report = coco_ap(found, truth, classes)
    truths = sum(len(t[1]) for t in truth)
    report["ap33_pooled"] = average_precision(match(found, truth, 0.33)[2], truths)
    return report
