"""Training pictures for detection without a reference, on few pictures: four joined into one (Bochkovskiy et al.,
arXiv 2004.10934), or one alone moved and stretched. A batch depends on (seed, step, share of the training) alone."""

import numpy as np
from PIL import Image, ImageFilter

from .augment import Part, joined, relit

LEAST_VISIBLE = 0.25  # a cut box stays a truth if this part of it is still in the picture
LEAST_SIDE = 0.03  # and if it is at least so wide and high, in the picture's side
PAD = np.float32(114 / 255)


def surface(plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture u8 [H, W] under another lamp and through another lens, f32 [H, W], its mean brought to PAD (so that
    four joined are as evenly lit as the network makes one alone)."""
    if rng.random() < 0.2:
        plane = np.asarray(Image.fromarray(plane).filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.5))))
    grey = plane.astype(np.float32) * np.float32(1 / 255)
    if rng.random() < 0.4:
        grey = grey ** np.float32(np.exp(rng.uniform(-0.35, 0.35)))
    grey = relit(grey, rng, level=0.1, contrast=(-0.5, 0.45))
    return grey * (PAD / max(grey.mean(), 0.01))


def stretched(part: Part, rng: np.random.Generator, low: float, high: float):
    """A picture f32 [H, W] of its own scale in each direction, mirrored and laid on its side by chance, with boxes
    [T, 4] and labels [T]."""
    row = int(rng.choice(part.rows))
    truth = part.images[row]
    plane = np.asarray(part.pictures[row, 0])
    boxes = np.asarray(truth["boxes"], np.float32).reshape(-1, 4)
    both, aspect = np.exp(rng.uniform(np.log(low), np.log(high))), np.exp(rng.uniform(-0.2, 0.2))
    width, height = round(plane.shape[1] * both * aspect), round(plane.shape[0] * both / aspect)
    boxes = boxes * np.float32([width / plane.shape[1], height / plane.shape[0]] * 2)
    plane = surface(np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)), rng)
    if rng.random() < 0.5:
        plane, boxes = plane[:, ::-1], np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    if rng.random() < 0.5:
        plane, boxes = plane[::-1], np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], 1)
    if rng.random() < 0.5:
        plane, boxes = plane.T, boxes[:, [1, 0, 3, 2]]
    return plane, boxes, np.asarray(truth["labels"], np.int64)


def put(canvas: np.ndarray, plane: np.ndarray, boxes, labels, region, rng) -> tuple[np.ndarray, np.ndarray]:
    """Fills the region (x0, y0, x1, y1) of the canvas from a random place of the plane; returns what is to be seen."""
    x0, y0, x1, y1 = region
    free_x, free_y = plane.shape[1] - (x1 - x0), plane.shape[0] - (y1 - y0)
    left, top = (int(rng.integers(min(0, f), max(0, f) + 1)) for f in (free_x, free_y))
    sx0, sy0 = max(left, 0), max(top, 0)
    w, h = min(plane.shape[1] - sx0, x1 - x0 - (sx0 - left)), min(plane.shape[0] - sy0, y1 - y0 - (sy0 - top))
    tx, ty = x0 + sx0 - left, y0 + sy0 - top
    canvas[ty : ty + h, tx : tx + w] = plane[sy0 : sy0 + h, sx0 : sx0 + w]
    moved = boxes + np.float32([x0 - left, y0 - top] * 2)
    seen = np.stack([moved[:, 0::2].clip(tx, tx + w), moved[:, 1::2].clip(ty, ty + h)], 2).reshape(-1, 4)
    sides = seen[:, 2:] - seen[:, :2]
    share = sides.prod(1) / np.maximum((moved[:, 2:] - moved[:, :2]).prod(1), 1e-3)
    keep = (share >= LEAST_VISIBLE) & (sides.min(1, initial=np.inf) >= LEAST_SIDE * canvas.shape[0])
    return seen[keep], labels[keep]


def sample(part: Part, rng: np.random.Generator, size: int, four: bool):
    """One picture f32 [1, size, size] with boxes [T, 4] and labels [T]."""
    canvas = np.full((size, size), PAD, np.float32)
    if not four:
        found = [put(canvas, *stretched(part, rng, 0.75, 1.4), (0, 0, size, size), rng)]
    else:
        x, y = (int(size * rng.uniform(0.3, 0.7)) for _ in range(2))
        regions = ((0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size))
        found = [put(canvas, *stretched(part, rng, 0.5, 1.1), region, rng) for region in regions]
    boxes, labels = np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
    return canvas.clip(0, 1)[None], boxes.astype(np.float32), labels


def batch(parts: list[Part], seed: int, step: int, train: dict, done: float):
    """Pictures u8 [N, 1, crop, crop], boxes [N, T, 4], labels [N, T], present [N, T].

    The last part of the training sees single pictures only, as they will be.
    """
    rng = np.random.default_rng((seed, step))
    share = train["mosaic"] if done < train["mosaic_until"] else 0.0
    weights = np.array([p.weight for p in parts])
    rows = []
    for _ in range(train["batch"]):
        part = parts[rng.choice(len(parts), p=weights / weights.sum())]
        rows.append(sample(part, rng, train["crop"], rng.random() < share))
    return joined(rows)
