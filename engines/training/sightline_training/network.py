"""Anchor-free detectors, written from the papers they are built of: a small one, and one on pretrained features.

ELAN blocks (Wang et al., arXiv 2211.04800), spatial pyramid pooling in its sequential form (He et al., arXiv
1406.4729), a path aggregation neck (Liu et al., arXiv 1803.01534), a decoupled anchor-free head that regresses the
distances to the four sides (Tian et al., FCOS, arXiv 1904.01355). Output layout as the YOLO v8 exporters have it:
[N, 4 + classes, anchors], cx, cy, w, h in input pixels, then class probabilities.
ReLU throughout: it folds into the convolution before it, in float and in INT8.
"""

import functools
import math

import torch
from torch import nn
from torch.nn import functional as F

def evened(x: torch.Tensor) -> torch.Tensor:
    """Pictures [N, C, H, W], each against its own mean: twice the lamp is the same surface. Times 4: the contrast of
    steel, a tenth to a half of its mean, comes to about one."""
    return (x / x.mean((1, 2, 3), keepdim=True).clamp(min=0.01) - 1) * 4


class Conv(nn.Sequential):
    """Convolution, batch normalisation, ReLU (unless told not to)."""

    def __init__(self, cin: int, cout: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True):
        super().__init__(
            nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True) if relu else nn.Identity(),
        )


class Bottleneck(nn.Module):
    """Two 3x3 convolutions, with a shortcut where asked."""

    def __init__(self, width: int, shortcut: bool):
        super().__init__()
        self.a, self.b = Conv(width, width, 3), Conv(width, width, 3)
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.b(self.a(x))
        return x + y if self.shortcut else y


class Elan(nn.Module):
    """Splits the channels, runs `depth` bottlenecks on one half, joins every stage's output."""

    def __init__(self, cin: int, cout: int, depth: int, shortcut: bool):
        super().__init__()
        half = cout // 2
        self.keep, self.enter = Conv(cin, half), Conv(cin, half)
        self.stages = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(depth))
        self.leave = Conv(half * (2 + depth), cout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [self.keep(x), self.enter(x)]
        for stage in self.stages:
            parts.append(stage(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class Pyramid(nn.Module):
    """Three 5x5 poolings in a row: the view of 5, 9 and 13 cells around each cell."""

    def __init__(self, width: int):
        super().__init__()
        self.enter, self.leave = Conv(width, width // 2), Conv(width * 2, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.leave(torch.cat(parts, 1))


class Head(nn.Module):
    """Side distances (4, through exp, in strides) and class logits for one level."""

    def __init__(self, cin: int, width: int, classes: int):
        super().__init__()
        self.sides = nn.Sequential(Conv(cin, width, 3), Conv(width, width, 3), nn.Conv2d(width, 4, 1))
        self.scores = nn.Sequential(Conv(cin, width, 3), Conv(width, width, 3), nn.Conv2d(width, classes, 1))
        nn.init.constant_(self.scores[-1].bias, math.log(0.01 / 0.99))
        nn.init.constant_(self.sides[-1].bias, 0.7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.sides(x), self.scores(x)], 1).flatten(2)


class Detector(nn.Module):
    """What detectors share: a subclass gives `strides` and `raw`. One output [N, 4 + classes, anchors]."""

    strides: tuple[int, ...]

    def raw(self, x: torch.Tensor) -> torch.Tensor:
        """Head outputs before decoding: [N, 4 + classes, anchors]."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raw = self.raw(x)
        centres, strides = anchors(x.shape[2], x.shape[3], self.strides, raw.device)
        boxes = decode(raw[:, :4].float(), centres, strides)
        return torch.cat([boxes, raw[:, 4:].float().sigmoid()], 1)


class SmallDetector(Detector):
    """`channels` planes [N, C, H, W] in 0..1, H and W multiples of 16.

    With `even_light` the pictures are evened first.
    """

    strides = (8, 16)

    def __init__(self, channels: int, classes: int, widths: tuple[int, int, int, int] = (16, 32, 64, 128), head: int = 32,
                 even_light: bool = False):
        super().__init__()
        a, b, c, d = widths
        self.classes, self.even_light = classes, even_light
        self.stem = nn.Sequential(Conv(channels, a, 3, 2), Conv(a, b, 3, 2), Elan(b, b, 1, True), Conv(b, c, 3, 2))
        self.level3 = Elan(c, c, 2, True)
        self.level4 = nn.Sequential(Conv(c, d, 3, 2), Elan(d, d, 1, True), Pyramid(d))
        self.lateral = Conv(d, c)
        self.join3 = Elan(2 * c, c, 1, False)
        self.down = Conv(c, c, 3, 2)
        self.join4 = Elan(c + d, d, 1, False)
        self.heads = nn.ModuleList([Head(c, head, classes), Head(d, head, classes)])
        if channels == 2:
            self._start_with_differences(a)

    def _start_with_differences(self, width: int) -> None:
        """Half of the first filters begin as picture minus reference, which is where a defect shows."""
        weight = self.stem[0][0].weight
        with torch.no_grad():
            weight[: width // 2, 1] = -weight[: width // 2, 0]

    def raw(self, x: torch.Tensor) -> torch.Tensor:
        p3 = self.level3(self.stem(evened(x) if self.even_light else x))
        p4 = self.level4(p3)
        n3 = self.join3(torch.cat([F.interpolate(self.lateral(p4), scale_factor=2.0), p3], 1))
        n4 = self.join4(torch.cat([self.down(n3), p4], 1))
        return torch.cat([self.heads[0](n3), self.heads[1](n4)], 2)


class FeatureDetector(Detector):
    """A path aggregation neck, `width` wide, and heads on three levels of `features` (of the given widths).

    Planes [N, C, H, W] in 0..1, H and W multiples of 32; with `even_light` the pictures are evened first.
    """

    strides = (8, 16, 32)

    def __init__(self, features: nn.Module, widths: tuple[int, int, int], classes: int, width: int, head: int,
                 even_light: bool):
        super().__init__()
        self.classes, self.even_light, self.features = classes, even_light, features
        self.enter = nn.ModuleList(Conv(w, width) for w in widths)
        self.pyramid = Pyramid(width)
        self.up4, self.up3 = Elan(2 * width, width, 1, False), Elan(2 * width, width, 1, False)
        self.down3, self.down4 = Conv(width, width, 3, 2), Conv(width, width, 3, 2)
        self.join4, self.join5 = Elan(2 * width, width, 1, False), Elan(2 * width, width, 1, False)
        self.heads = nn.ModuleList(Head(width, head, classes) for _ in widths)

    def raw(self, x: torch.Tensor) -> torch.Tensor:
        levels = self.features(evened(x) if self.even_light else x)
        p3, p4, p5 = (enter(level) for enter, level in zip(self.enter, levels))
        p5 = self.pyramid(p5)
        p4 = self.up4(torch.cat([F.interpolate(p5, scale_factor=2.0), p4], 1))
        n3 = self.up3(torch.cat([F.interpolate(p4, scale_factor=2.0), p3], 1))
        n4 = self.join4(torch.cat([self.down3(n3), p4], 1))
        n5 = self.join5(torch.cat([self.down4(n4), p5], 1))
        return torch.cat([head(n) for head, n in zip(self.heads, (n3, n4, n5))], 2)


@functools.lru_cache(maxsize=8)
def anchors(height: int, width: int, levels: tuple[int, ...], device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cell centres [2, A] in input pixels and strides [1, A], levels in order, rows first."""
    centres, strides = [], []
    for stride in levels:
        ys = (torch.arange(height // stride, device=device) + 0.5) * stride
        xs = (torch.arange(width // stride, device=device) + 0.5) * stride
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        centres.append(torch.stack([x.flatten(), y.flatten()]))
        strides.append(torch.full((1, y.numel()), float(stride), device=device))
    return torch.cat(centres, 1), torch.cat(strides, 1)


def decode(sides: torch.Tensor, centres: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
    """Raw side distances [N, 4, A] (left, top, right, bottom) to cx, cy, w, h in input pixels."""
    distance = sides.clamp(-4.0, 4.0).exp() * strides
    near, far = distance[:, :2], distance[:, 2:]
    return torch.cat([centres + (far - near) * 0.5, near + far], 1)


def corners(boxes: torch.Tensor) -> torch.Tensor:
    """cx, cy, w, h [N, 4, A] to x1, y1, x2, y2 [N, A, 4]."""
    centre, half = boxes[:, :2], boxes[:, 2:] * 0.5
    return torch.cat([centre - half, centre + half], 1).transpose(1, 2)
