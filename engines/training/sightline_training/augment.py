"""Crops and changes of picture and reference for training. A batch depends on (seed, step) alone, so a run resumes
exactly where it stopped."""

from dataclasses import dataclass

import numpy as np

KEEP_VISIBLE = 0.6  # a cut box stays a truth if this part of it is still in the crop

MARGIN_PX = 8.0  # what the annotators leave around a defect, about


@dataclass
class Part:
    """One data set held in memory (memory-mapped), with its truth."""

    pictures: np.ndarray
    images: list[dict]
    rows: np.ndarray
    weight: float


def stretched(boxes: np.ndarray, x: float, y: float) -> np.ndarray:
    """Boxes of a picture stretched by x and y. The annotators' margin around a defect does not grow with it."""
    factor = np.float32([x, y, x, y])
    margin = MARGIN_PX * (factor - 1) * np.float32([1, 1, -1, -1])
    return boxes * factor + margin


def cut(part: Part, rng: np.random.Generator, crop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One crop [C, crop, crop] with boxes [T, 4] and labels [T]; three of four are cut around a defect."""
    row = int(rng.choice(part.rows))
    truth = part.images[row]
    boxes = np.asarray(truth["boxes"], np.float32).reshape(-1, 4)
    labels = np.asarray(truth["labels"], np.int64)
    _, height, width = part.pictures.shape[1:]
    stretch = np.exp(rng.uniform(-0.25, 0.5, 2)) if rng.random() < 0.5 else np.ones(2)
    wide, high = (min(int(crop / f), side) for f, side in zip(stretch, (width, height)))
    if len(boxes) and rng.random() < 0.75:
        b = boxes[rng.integers(len(boxes))]
        x0 = int((b[0] + b[2]) / 2 - wide * rng.uniform(0.1, 0.9))
        y0 = int((b[1] + b[3]) / 2 - high * rng.uniform(0.1, 0.9))
    else:
        x0, y0 = int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))
    x0, y0 = min(max(x0, 0), width - wide), min(max(y0, 0), height - high)
    picture = part.pictures[row, :, y0 : y0 + high, x0 : x0 + wide]
    ys, xs = np.arange(crop) * high // crop, np.arange(crop) * wide // crop
    picture = np.array(picture) if high == wide == crop else picture[:, ys][:, :, xs]
    boxes = stretched(boxes - np.float32([x0, y0, x0, y0]), crop / wide, crop / high)
    clipped = boxes.clip(0, crop)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    visible = (clipped[:, 2:] - clipped[:, :2]).clip(0).prod(1) / np.maximum(area, 1e-3)
    keep = visible >= KEEP_VISIBLE
    if picture.shape[0] == 2:
        # What is left of a box that was cut too short is no fair question: put the reference back there.
        for b in clipped[~keep & (visible > 0)].astype(int):
            mine = clipped[keep].astype(int)
            if not any(b[0] < m[2] and m[0] < b[2] and b[1] < m[3] and m[1] < b[3] for m in mine):
                picture[0, b[1] : b[3], b[0] : b[2]] = picture[1, b[1] : b[3], b[0] : b[2]]
        if rng.random() < 0.05:
            picture[0] = picture[1]
            keep &= False
    return picture, clipped[keep], labels[keep]


def carve(picture: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> None:
    """Puts the reference back along stripes of some defects, in place: scratched, hatched and broken-up copper."""
    for x0, y0, x1, y1 in boxes.astype(int):
        if rng.random() >= 0.15:
            continue
        ys, xs = np.mgrid[y0:y1, x0:x1]
        angle = rng.uniform(0, np.pi)
        period, gap = rng.uniform(3, 7), rng.uniform(0.15, 0.5)
        stripes = (ys * np.sin(angle) + xs * np.cos(angle)) / period % 1.0 < gap
        np.copyto(picture[0, y0:y1, x0:x1], picture[1, y0:y1, x0:x1], where=stripes)


def turn(picture, boxes, rng):
    """Flips and quarter turns, the same for every plane."""
    size = picture.shape[-1]
    if rng.random() < 0.5:
        picture = picture[:, :, ::-1]
        boxes = np.stack([size - boxes[:, 2], boxes[:, 1], size - boxes[:, 0], boxes[:, 3]], 1)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
        boxes = np.stack([boxes[:, 0], size - boxes[:, 3], boxes[:, 2], size - boxes[:, 1]], 1)
    if rng.random() < 0.5:
        picture = picture.transpose(0, 2, 1)
        boxes = boxes[:, [1, 0, 3, 2]]
    return picture, boxes


def misregister(picture, rng, most: int = 3):
    """Moves the reference by up to `most` pixels; the edge repeats."""
    dx, dy = rng.integers(-most, most + 1, 2)
    if picture.shape[0] == 2 and (dx or dy):
        padded = np.pad(picture[1], most, mode="edge")
        size = picture.shape[-1]
        picture = np.stack([picture[0], padded[most + dy : most + dy + size, most + dx : most + dx + size]])
    return picture


def light(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey levels, grain and dirt of a real camera, on a part of the crops; f32 0..1."""
    out = picture.astype(np.float32) * np.float32(1 / 255)
    if rng.random() < 0.35:
        for plane in out:
            low, high = rng.uniform(0, 0.25), rng.uniform(0.75, 1.0)
            plane *= np.float32(high - low)
            plane += np.float32(low)
        if rng.random() < 0.6:
            out[0] += rng.standard_normal(out[0].shape, np.float32) * np.float32(rng.uniform(0.005, 0.06))
        np.clip(out, 0, 1, out)
    if rng.random() < 0.25:
        count = int(rng.integers(1, 60))
        ys, xs = rng.integers(0, out.shape[1] - 1, count), rng.integers(0, out.shape[2] - 1, count)
        plane = int(rng.integers(out.shape[0]))
        out[plane, ys, xs] = 1 - out[plane, ys, xs]
    return out


def relit(grey: np.ndarray, rng: np.random.Generator, level: float = 0.4, contrast=(-0.7, 0.6)) -> np.ndarray:
    """A grey picture f32 [H, W] under another lamp: its mean moved by up to `level`, its contrast times e to one of
    `contrast`, a slope across it, grain; 0..1. Strips of one class come near black and near white, so brightness must
    say nothing."""
    ys, xs = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in grey.shape)
    angle, slope = rng.uniform(0, 2 * np.pi), np.float32(rng.uniform(0, 0.35))
    mean = grey.mean()
    middle = np.float32(np.clip(mean + rng.uniform(-level, level), 0.12, 0.88))
    out = (grey - mean) * np.float32(np.exp(rng.uniform(*contrast))) + middle
    out += slope * (xs * np.float32(np.cos(angle)) + (ys * np.float32(np.sin(angle)))[:, None])
    if rng.random() < 0.3:
        out += rng.standard_normal(out.shape, np.float32) * np.float32(rng.uniform(0, 0.03))
    return out.clip(0, 1)


def joined(rows: list) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Samples (picture [C, S, S] in 0..1, boxes [T, 4], labels [T]) as pictures u8 [N, C, S, S], as a camera gives them,
    boxes [N, T, 4], labels [N, T] and present [N, T]."""
    most = max(1, max(len(b) for _, b, _ in rows))
    boxes = np.zeros((len(rows), most, 4), np.float32)
    labels = np.zeros((len(rows), most), np.int64)
    present = np.zeros((len(rows), most), bool)
    for n, (_, b, l) in enumerate(rows):
        boxes[n, : len(b)], labels[n, : len(b)], present[n, : len(b)] = b, l, True
    return camera(np.stack([picture for picture, _, _ in rows])), boxes, labels, present


def camera(pictures: np.ndarray) -> np.ndarray:
    """Pictures in 0..1 as u8."""
    return (pictures * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def batch(parts: list[Part], seed: int, step: int, train: dict, done: float):  # pylint: disable=unused-argument
    """Pictures u8 [N, C, crop, crop], boxes [N, T, 4], labels [N, T], present [N, T]."""
    rng = np.random.default_rng((seed, step))
    weights = np.array([p.weight for p in parts])
    weights /= weights.sum()
    rows = []
    for _ in range(train["batch"]):
        part = parts[rng.choice(len(parts), p=weights)]
        picture, boxes, labels = cut(part, rng, train["crop"])
        if picture.shape[0] == 2:
            carve(picture, boxes, rng)
        picture, boxes = turn(picture, boxes, rng)
        rows.append((light(misregister(picture, rng), rng), boxes, labels))
    return joined(rows)
