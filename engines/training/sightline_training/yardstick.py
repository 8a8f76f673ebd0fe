"""Times a detector's INT8 file against a network of YOLOv8n's published shape (640x640, three planes), same run.

The yardstick has random weights: its time is what counts, and that does not depend on them. Both run in ONNX Runtime
on the CPU with the same threads, by turns, so that a busy machine is as busy for the one as for the other.
"""

import time
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

from . import calibrate, qdq
from .evaluate import session
from .export import folded, write_onnx
from .network import Conv, Elan, Pyramid
from .quantise import final_layers
from .recipe import job, parser


class Yardstick(nn.Module):
    """YOLOv8n's shape: widths 16 to 256, depths 1, 2, 2, 1, SiLU, three levels, 64 + 80 outputs a cell."""

    def __init__(self):
        super().__init__()
        self.early = nn.Sequential(Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), Elan(32, 32, 1, True), Conv(32, 64, 3, 2),
                                   Elan(64, 64, 2, True))
        self.middle = nn.Sequential(Conv(64, 128, 3, 2), Elan(128, 128, 2, True))
        self.late = nn.Sequential(Conv(128, 256, 3, 2), Elan(256, 256, 1, True), Pyramid(256))
        self.join4, self.join3 = Elan(384, 128, 1, False), Elan(192, 64, 1, False)
        self.down3, self.out4 = Conv(64, 64, 3, 2), Elan(192, 128, 1, False)
        self.down4, self.out5 = Conv(128, 128, 3, 2), Elan(384, 256, 1, False)
        self.boxes = nn.ModuleList(self._branch(c, 64, 64) for c in (64, 128, 256))
        self.scores = nn.ModuleList(self._branch(c, 80, 80) for c in (64, 128, 256))
        for module in self.modules():
            if isinstance(module, Conv):
                module[2] = nn.SiLU(inplace=True)

    @staticmethod
    def _branch(cin: int, width: int, out: int) -> nn.Sequential:
        return nn.Sequential(Conv(cin, width, 3), Conv(width, width, 3), nn.Conv2d(width, out, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p3 = self.early(x)
        p4 = self.middle(p3)
        p5 = self.late(p4)
        n4 = self.join4(torch.cat([F.interpolate(p5, scale_factor=2.0), p4], 1))
        n3 = self.join3(torch.cat([F.interpolate(n4, scale_factor=2.0), p3], 1))
        n4 = self.out4(torch.cat([self.down3(n3), n4], 1))
        n5 = self.out5(torch.cat([self.down4(n4), p5], 1))
        levels = (n3, n4, n5)
        boxes = torch.cat([b(n).flatten(2) for b, n in zip(self.boxes, levels)], 2)
        scores = torch.cat([s(n).flatten(2) for s, n in zip(self.scores, levels)], 2).sigmoid()
        bins = boxes.unflatten(1, (4, 16)).softmax(2)
        sides = (bins * torch.arange(16.0).view(1, 1, 16, 1)).sum(2)
        return torch.cat([sides, scores], 1)


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--repeats", type=int, default=60)
    args = p.parse_args()
    work = job(args)
    torch.manual_seed(0)
    float_path, int8_path = work.run / "yardstick.onnx", work.run / "yardstick-int8.onnx"
    write_onnx(folded(Yardstick().eval()), torch.rand(1, 3, 640, 640), float_path, "output0")
    model = onnx.load(str(float_path))
    graph = qdq.Graph(model)
    last = final_layers(graph)
    names = qdq.activations(graph, qdq.body(graph, last))
    batches = [np.random.default_rng(0).random((1, 3, 640, 640), np.float32)]
    ranges = {n: calibrate.min_max(h) for n, h in calibrate.observe(model, names, batches).items()}
    onnx.save(qdq.for_onnx_runtime(qdq.insert(model, ranges, last)), str(int8_path))
    paths: list[Path] = [work.run / "model.onnx", work.run / "model-int8.onnx", float_path, int8_path]
    nets = [session(path, args.threads) for path in paths if path.is_file()]
    inputs = [np.zeros([1, *n.get_inputs()[0].shape[1:]], np.float32) for n in nets]
    taken = [[] for _ in nets]
    for _ in range(args.repeats):
        for net, x, times in zip(nets, inputs, taken):
            began = time.perf_counter()
            net.run(None, {"images": x})
            times.append((time.perf_counter() - began) * 1e3)
    for path, times in zip([path for path in paths if path.is_file()], taken):
        print(f"{path.name:22} median {np.median(times):7.2f} ms, least {min(times):7.2f} ms")


if __name__ == "__main__":
    main()
