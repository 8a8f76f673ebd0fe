"""One drawn picture, and what exporters' documents say is done to it, in plain numpy."""

import numpy as np

WIDTH, HEIGHT = 230, 190


def picture(width=WIDTH, height=HEIGHT):
    """Shapes, a gradient and noise; uint8 RGB."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    out = np.stack([x * 255 / width, y * 255 / height, 128 + 90 * np.sin(x / 9) * np.cos(y / 13)], -1)
    for _ in range(14):
        cx, cy = rng.integers(0, width), rng.integers(0, height)
        rx, ry = rng.integers(8, 40, 2)
        inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
        if rng.random() < 0.5:
            inside = (abs(x - cx) < rx) & (abs(y - cy) < ry)
        out[inside] = rng.integers(0, 256, 3)
    out += rng.normal(0, 6, out.shape)
    return np.clip(out, 0, 255).astype(np.uint8)


def bilinear(image, width, height):
    """Pixel centres aligned, borders repeated, nothing rounded."""
    h, w = image.shape[:2]

    def taps(n, to):
        at = np.clip((np.arange(to) + 0.5) * n / to - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, n - 1), at - low

    x0, x1, fx = taps(w, width)
    y0, y1, fy = taps(h, height)
    image = image.astype(np.float64)
    fx, fy = fx[None, :, None], fy[:, None, None]
    top = image[y0][:, x0] * (1 - fx) + image[y0][:, x1] * fx
    low = image[y1][:, x0] * (1 - fx) + image[y1][:, x1] * fx
    return top * (1 - fy) + low * fy


def averaged(image, width, height):
    """As Pillow and torchvision shrink: torch's own resampling with antialias."""
    import torch

    t = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    out = torch.nn.functional.interpolate(t, (height, width), mode="bilinear", antialias=True)
    return out[0].permute(1, 2, 0).double().numpy()


class Fit:
    """A picture in a network's input, and the way back for boxes (x0, y0, x1, y1)."""

    def __init__(self, tensor, scale, offset, size):
        self.tensor, self.scale, self.offset, self.size = tensor, scale, offset, size

    def back(self, boxes):
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        out = (boxes - np.tile(self.offset, 2)) / np.tile(self.scale, 2)
        return np.clip(out, 0, np.tile(self.size, 2))


def letterbox(image, width, height, pad=114, corner=False):
    h, w = image.shape[:2]
    r = min(width / w, height / h)
    nw, nh = round(w * r), round(h * r)
    left, top = (0, 0) if corner else ((width - nw) // 2, (height - nh) // 2)
    out = np.full((height, width, 3), float(pad))
    out[top : top + nh, left : left + nw] = bilinear(image, nw, nh)
    return Fit(out, np.array([nw / w, nh / h]), np.array([left, top]), np.array([w, h]))


def stretched(image, width, height, antialias=False):
    h, w = image.shape[:2]
    out = (averaged if antialias else bilinear)(image, width, height)
    return Fit(out, np.array([width / w, height / h]), np.zeros(2), np.array([w, h]))


def cropped(image, side, to):
    """The shorter side to `to`, averaged, then the middle square."""
    h, w = image.shape[:2]
    r = to / min(h, w)
    nh, nw = (to, int(to * w / h)) if h <= w else (int(to * h / w), to)
    del r
    large = averaged(image, nw, nh)
    top, left = int(round((nh - side) / 2)), int(round((nw - side) / 2))
    return large[top : top + side, left : left + side]


IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))


def planes(image, mean=0.0, std=1.0, scale=1 / 255):
    """NCHW float32."""
    return (((image * scale) - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)


def iou(a, b):
    w = np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0])
    h = np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1])
    both = np.clip(w, 0, None) * np.clip(h, 0, None)
    area = lambda q: (q[..., 2] - q[..., 0]) * (q[..., 3] - q[..., 1])
    return both / (area(a) + area(b) - both)


def suppressed(boxes, scores, classes, limit):
    """Each class on its own; the indices that stay."""
    stay = []
    for i in np.argsort(-scores, kind="stable"):
        mine = [j for j in stay if classes[j] == classes[i]]
        if not mine or iou(boxes[i], boxes[mine]).max() <= limit:
            stay.append(i)
    return stay


def corners(boxes):
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def floor_of(scores, most=40):
    """A score with room on both sides that leaves up to `most` above it."""
    s = np.sort(scores)[::-1]
    s = s[s > 0]
    if len(s) < 2:
        return 0.05
    ranks = range(min(4, len(s) - 2), min(most, len(s) - 1))
    gaps = [(s[i] - s[i + 1], i) for i in ranks]
    wide = [i for gap, i in gaps if gap > 2e-3]
    i = wide[-1] if wide else max(gaps)[1]
    return float((s[i] + s[i + 1]) / 2)
