"""Samples for the classifiers: whole steel pictures, or crops with context around findings on boards."""

import numpy as np

from .augment import light, relit

CONTEXT = 2.0  # a crop's side, in the finding's longer side
LEAST_SIDE = 64  # pixels
ROOM = 1.25  # a crop kept for later is so much larger, so that it can still be moved


def window(box, size: tuple[int, int], room: float = 1.0) -> tuple[int, int, int]:
    """Left, top and side of the square crop around a box x1, y1, x2, y2, moved to lie inside (height, width)."""
    side = max(LEAST_SIDE, CONTEXT * max(box[2] - box[0], box[3] - box[1]))
    side = min(int(round(side * room)), *size)
    left = int(round((box[0] + box[2]) / 2 - side / 2))
    top = int(round((box[1] + box[3]) / 2 - side / 2))
    return min(max(left, 0), size[1] - side), min(max(top, 0), size[0] - side), side


def crop(planes: np.ndarray, box, out: int, room: float = 1.0) -> np.ndarray:
    """The crop of every plane, u8 [C, out * room, out * room], sampled as the station does."""
    left, top, side = window(box, planes.shape[1:], room)
    piece = np.asarray(planes[:, top : top + side, left : left + side])
    return resized(piece, round(out * room))


def resized(piece: np.ndarray, out: int) -> np.ndarray:
    """Square planes u8 [C, S, S] to [C, out, out], bilinear between pixel centres without a prefilter."""
    side = piece.shape[1]
    if side == out:
        return np.array(piece)
    at = np.clip((np.arange(out) + 0.5) * side / out - 0.5, 0, side - 1)
    first = np.minimum(at.astype(int), side - 2)
    weight = (at - first).astype(np.float32)
    rows = piece[:, first] * (1 - weight)[:, None] + piece[:, first + 1] * weight[:, None]
    return (rows[:, :, first] * (1 - weight) + rows[:, :, first + 1] * weight).round().astype(np.uint8)


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


def middle(roomy: np.ndarray, out: int, rng: np.random.Generator, most: int) -> np.ndarray:
    """The middle of a crop with room, its reference moved by up to `most` pixels of it."""
    rim = (roomy.shape[1] - out) // 2
    y, x = rim + rng.integers(-most, most + 1, 2)
    return np.stack([roomy[0, rim : rim + out, rim : rim + out], roomy[1, y : y + out, x : x + out]])


def board_sample(part, false_calls: np.ndarray, rng: np.random.Generator, out: int, classes: int):
    """One crop f32 [C, out, out] and its class; the last class is `false_call`.

    `false_calls` are crops with room of what the detector wrongly called on training boards, from mine.py.
    """
    kind = rng.random()
    if kind < 0.3 and len(false_calls):
        roomy = false_calls[rng.integers(len(false_calls))]
        y, x = rng.integers(0, roomy.shape[1] - out + 1, 2)
        return turned(roomy[:, y : y + out, x : x + out], rng).astype(np.float32) / np.float32(255), classes - 1
    row = int(rng.choice(part.rows))
    planes, truth = part.pictures[row], part.images[row]
    if kind < 0.4:
        box, label = clean_box(np.asarray(truth["boxes"]).reshape(-1, 4), planes.shape[1:], rng), classes - 1
    else:
        i = int(rng.integers(len(truth["labels"]))) if truth["labels"] else None
        box, label = (None, None) if i is None else (np.asarray(truth["boxes"][i]), truth["labels"][i])
    if box is None:
        return board_sample(part, false_calls, rng, out, classes)
    roomy = crop(planes, jitter(box, rng), out, ROOM)
    picture = middle(roomy, out, rng, 3 if rng.random() < 0.6 else 0)
    return light(turned(picture, rng), rng), label


def steel_square(truth: dict, size: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Left, top and side of a square in a picture of `size` that shows at least a third of what is marked of its class."""
    boxes = np.asarray(truth["boxes"]).reshape(-1, 4)[np.asarray(truth["labels"]) == truth["class_id"]]
    marked = (boxes[:, 2:] - boxes[:, :2]).prod(1).sum()
    for _ in range(10):
        side = int(size * rng.uniform(0.7, 1.0))
        left, top = rng.integers(0, size - side + 1, 2)
        near, far = np.maximum(boxes[:, :2], [left, top]), np.minimum(boxes[:, 2:], [left + side, top + side])
        if (far - near).clip(0).prod(1).sum() * 3 >= marked:
            break
    return left, top, side


def steel_sample(part, rng: np.random.Generator, out: int):
    """A square of a steel picture, turned and under a slightly other light; f32 [1, out, out] and its class. The
    network evens out the level itself; contrast against it tells the classes apart and is hardly changed."""
    row = int(rng.choice(part.rows))
    planes, truth = np.asarray(part.pictures[row]), part.images[row]
    left, top, side = steel_square(truth, planes.shape[1], rng)
    picture = turned(resized(planes[:, top : top + side, left : left + side], out), rng)
    grey = picture[0].astype(np.float32) / np.float32(255)
    return relit(grey, rng, level=0.06, contrast=(-0.25, 0.25))[None], truth["class_id"]
