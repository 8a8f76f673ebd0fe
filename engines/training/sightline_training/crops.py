"""Samples for the classifiers: whole steel pictures, or crops with context around findings on boards."""

import numpy as np
from PIL import Image

from .augment import light

CONTEXT = 2.0  # a crop's side, in the finding's longer side
LEAST_SIDE = 64  # pixels


def window(box, size: tuple[int, int]) -> tuple[int, int, int]:
    """Left, top and side of the square crop around a box x1, y1, x2, y2, moved to lie inside (height, width)."""
    side = int(round(max(LEAST_SIDE, CONTEXT * max(box[2] - box[0], box[3] - box[1]))))
    side = min(side, *size)
    left = int(round((box[0] + box[2]) / 2 - side / 2))
    top = int(round((box[1] + box[3]) / 2 - side / 2))
    return min(max(left, 0), size[1] - side), min(max(top, 0), size[0] - side), side


def crop(planes: np.ndarray, box, out: int) -> np.ndarray:
    """The crop of every plane, u8 [C, out, out]."""
    left, top, side = window(box, planes.shape[1:])
    piece = np.asarray(planes[:, top : top + side, left : left + side])
    if side == out:
        return np.array(piece)
    return np.stack([np.asarray(Image.fromarray(p).resize((out, out), Image.Resampling.BILINEAR)) for p in piece])


def jitter(box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box as a detector might give it: moved and stretched by up to a sixth."""
    w, h = box[2] - box[0], box[3] - box[1]
    return box + rng.uniform(-1 / 6, 1 / 6, 4) * np.array([w, h, w, h])


def clean_box(boxes: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray | None:
    """A box that touches no defect, or None if chance found none."""
    for _ in range(20):
        w, h = rng.uniform(24, 64, 2)
        x, y = rng.uniform(0, size[1] - w), rng.uniform(0, size[0] - h)
        box = np.array([x, y, x + w, y + h])
        if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes):
            return box
    return None


def turned(planes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flips and quarter turns."""
    if rng.random() < 0.5:
        planes = planes[:, :, ::-1]
    if rng.random() < 0.5:
        planes = planes[:, ::-1]
    return planes.transpose(0, 2, 1) if rng.random() < 0.5 else planes


def board_sample(part, false_calls: list, rng: np.random.Generator, out: int, classes: int):
    """One crop f32 [C, out, out] and its class; the last class is `false_call`.

    `false_calls` holds (row, box) of the detector's own wrong findings on the training boards.
    """
    if rng.random() < 0.35:
        if false_calls and rng.random() < 0.5:
            row, box = false_calls[rng.integers(len(false_calls))]
            planes = part.pictures[row]
        else:
            row = int(rng.choice(part.rows))
            planes = part.pictures[row]
            box = clean_box(np.asarray(part.images[row]["boxes"]).reshape(-1, 4), planes.shape[1:], rng)
            if box is None:
                return board_sample(part, false_calls, rng, out, classes)
        label = classes - 1
    else:
        row = int(rng.choice(part.rows))
        truth = part.images[row]
        if not truth["labels"]:
            return board_sample(part, false_calls, rng, out, classes)
        i = int(rng.integers(len(truth["labels"])))
        planes, box, label = part.pictures[row], np.asarray(truth["boxes"][i]), truth["labels"][i]
    return light(turned(crop(planes, jitter(np.asarray(box), rng), out), rng), rng), label


def steel_sample(part, rng: np.random.Generator, out: int):
    """One whole picture with turns, a small zoom and a change of light; f32 [1, out, out] and its class."""
    row = int(rng.choice(part.rows))
    planes = np.asarray(part.pictures[row])
    side = int(planes.shape[1] * rng.uniform(0.75, 1.0))
    top, left = rng.integers(0, planes.shape[1] - side + 1, 2)
    piece = Image.fromarray(planes[0, top : top + side, left : left + side])
    picture = np.asarray(piece.resize((out, out), Image.Resampling.BILINEAR), np.float32)[None] / np.float32(255)
    picture = turned(picture, rng)
    gain, shift = rng.uniform(0.75, 1.25), rng.uniform(-0.12, 0.12)
    picture = (picture - picture.mean()) * np.float32(gain) + picture.mean() + np.float32(shift)
    return picture.clip(0, 1), part.images[row]["class_id"]
