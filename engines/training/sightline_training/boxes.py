"""From network output to findings: score floor, class-aware suppression."""

import numpy as np


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU [len(a), len(b)] of boxes x1, y1, x2, y2."""
    near = np.maximum(a[:, None, :2], b[None, :, :2])
    far = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (far - near).clip(0).prod(2)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    return inter / np.maximum(area_a[:, None] + area_b[None] - inter, 1e-9)


def findings(output: np.ndarray, floor: float, iou: float, merge: bool = False, most: int = 300):
    """Decodes one picture's output [4 + C, A] into boxes [K, 4], scores [K], labels [K], best first.

    An anchor speaks for its best class alone, and boxes of one class that overlap by more than `iou` give way to
    the better one; with `merge` it becomes their mean, weighted by the scores.
    """
    labels = output[4:].argmax(0)
    scores = output[4:].max(0)
    keep = np.flatnonzero(scores >= floor)
    keep = keep[np.argsort(-scores[keep], kind="stable")][:3000]
    boxes = output[:4, keep].T.astype(np.float64)
    boxes = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    labels, scores = labels[keep], scores[keep]
    left = np.ones(len(keep), bool)
    chosen, means = [], []
    for i in range(len(keep)):
        if not left[i]:
            continue
        same = np.flatnonzero(left & (labels == labels[i]))
        same = same[same > i]
        covered = same[iou_matrix(boxes[i : i + 1], boxes[same])[0] > iou]
        left[covered] = False
        chosen.append(i)
        one = np.append(covered, i)
        means.append(np.average(boxes[one], 0, scores[one]) if merge else boxes[i])
        if len(chosen) == most:
            break
    return np.array(means).reshape(-1, 4), scores[chosen], labels[chosen]
