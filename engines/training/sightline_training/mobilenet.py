"""MobileNetV3-small (Howard et al., arXiv 1905.02244, table 2) with a head 576 -> 256 -> classes."""

import torch
from torch import nn
from torch.nn import functional as F

from .network import evened

# kernel, expanded width, output width, squeeze and excite, hard swish, stride
ROWS = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)


def conv(cin: int, cout: int, kernel: int, stride: int, groups: int, act: type[nn.Module] | None) -> nn.Sequential:
    """Convolution, batch normalisation and, if given, an activation."""
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03)]
    return nn.Sequential(*layers, *([act(inplace=True)] if act else []))


class SqueezeExcite(nn.Module):
    """Scales each channel by what the whole picture says about it."""

    def __init__(self, width: int):
        super().__init__()
        narrow = max(8, (width // 4 + 4) // 8 * 8)
        self.down, self.up = nn.Conv2d(width, narrow, 1), nn.Conv2d(narrow, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Inverted(nn.Module):
    """Expand, depthwise, squeeze and excite, project; a shortcut where shapes allow."""

    def __init__(self, cin: int, row: tuple):
        super().__init__()
        kernel, wide, cout, excite, swish, stride = row
        act = nn.Hardswish if swish else nn.ReLU
        layers = [conv(cin, wide, 1, 1, 1, act)] if wide != cin else []
        layers.append(conv(wide, wide, kernel, stride, wide, act))
        if excite:
            layers.append(SqueezeExcite(wide))
        layers.append(conv(wide, cout, 1, 1, 1, None))
        self.body = nn.Sequential(*layers)
        self.shortcut = stride == 1 and cin == cout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.shortcut else self.body(x)


class MobileNetV3Small(nn.Module):
    """Planes [N, C, H, W] in 0..1 to logits [N, classes]. `stem_stride` 1 keeps small crops from vanishing.

    With `even_light` the pictures are evened first.
    """

    def __init__(self, channels: int, classes: int, dropout: float = 0.2, stem_stride: int = 2, even_light: bool = False):
        super().__init__()
        self.even_light = even_light
        blocks, width = [conv(channels, 16, 3, stem_stride, 1, nn.Hardswish)], 16
        for row in ROWS:
            blocks.append(Inverted(width, row))
            width = row[2]
        blocks.append(conv(width, 576, 1, 1, 1, nn.Hardswish))
        self.features = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Linear(576, 256), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(256, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.features(evened(x) if self.even_light else x)
        return self.head(F.adaptive_avg_pool2d(features, 1).flatten(1))
