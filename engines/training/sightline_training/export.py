"""Writes a trained network as one ONNX file with the decoding inside, and proves ONNX Runtime gives what torch gives.

Then the weights are rounded to a part in 512, still as FP32: the repository that carries them packs such a
file to a half.
"""

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from . import train, train_classifier
from .network import Conv, Detector, anchors, decode
from .prepared import load
from .recipe import Job, exports_parser, job

OPSET = 17
KEPT_BITS = 9  # of a weight's mantissa, the leading one included


def folded(net: nn.Module) -> nn.Module:
    """A copy with every batch normalisation folded into its convolution."""
    net = copy.deepcopy(net).eval()
    for module in net.modules():
        if isinstance(module, Conv):
            module[0] = torch.nn.utils.fusion.fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return net


class Exported(nn.Module):
    """The detector with its cell centres as constants of a fixed picture size."""

    def __init__(self, net: Detector, height: int, width: int):
        super().__init__()
        self.net = folded(net)
        centres, strides = anchors(height, width, net.strides, torch.device("cpu"))
        self.register_buffer("centres", centres)
        self.register_buffer("strides", strides)

    def seen(self, images: torch.Tensor) -> torch.Tensor:
        """What the network says of pictures, decoded."""
        raw = self.net.raw(images)
        return torch.cat([decode(raw[:, :4], self.centres, self.strides), raw[:, 4:].sigmoid()], 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.seen(images)


class Turned(Exported):
    """Looks at each picture a second time, turned by half, and gives the mean of what it says: surer, for twice the time.

    Turned by half, a level's cells come in the opposite order, so cell by cell the two speak of the same place.
    """

    def __init__(self, net: Detector, height: int, width: int):
        super().__init__(net, height, width)
        counts = [(height // s) * (width // s) for s in net.strides]
        ends = [sum(counts[: n + 1]) for n in range(len(counts))]
        back = [cell for end, count in zip(ends, counts) for cell in range(end - 1, end - count - 1, -1)]
        self.register_buffer("back", torch.tensor(back))
        self.register_buffer("rows", torch.arange(height - 1, -1, -1))
        self.register_buffer("columns", torch.arange(width - 1, -1, -1))
        self.register_buffer("size", torch.tensor([float(width), float(height)]).reshape(1, 2, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        turned = images.index_select(2, self.rows).index_select(3, self.columns)
        both = self.seen(torch.cat([images, turned]))
        both = both.reshape(2, -1, *both.shape[1:])
        one, other = both[0], both[1].index_select(2, self.back)
        other = torch.cat([self.size - other[:, :2], other[:, 2:]], 1)
        return (one + other) * 0.5


def weights(work: Job, everything: bool) -> dict:
    """The averaged weights of the last checkpoint; where there were two trainings, the mean of both (Wortsman et al., arXiv
    2109.01903)."""

    def read(again: bool, everything: bool) -> dict:
        state = torch.load(work.checkpoint(again, everything), map_location="cpu", weights_only=True)
        print(f"{work.checkpoint(again, everything).name}: step {state['step']}")
        return state["average"]

    if "again" not in work.recipe:
        return read(False, everything)
    first, second = read(False, False), read(True, everything)
    return {k: v if not v.dtype.is_floating_point else (v + second[k]) / 2 for k, v in first.items()}


def trained(work: Job, everything: bool) -> nn.Module:
    """The recipe's network, ready to export, with the averaged weights of the last checkpoint."""
    classify = work.recipe["task"] == "classify"
    net = train_classifier.build(work) if classify else train.build(work)
    net.load_state_dict(weights(work, everything))
    size = work.recipe["input"]
    if classify:
        return net.eval()
    exported = Turned if work.recipe.get("turned") else Exported
    return exported(net.eval(), size["height"], size["width"]).eval()


def without_identities(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Removes Identity nodes, which the exporter writes for weights that happen to be equal."""
    source = {n.output[0]: n.input[0] for n in proto.graph.node if n.op_type == "Identity"}
    kept = [n for n in proto.graph.node if n.op_type != "Identity"]
    for node in kept:
        for i, name in enumerate(node.input):
            while name in source:
                name = source[name]
            node.input[i] = name
    del proto.graph.node[:]
    proto.graph.node.extend(kept)
    return proto


def write_onnx(model: nn.Module, example: torch.Tensor, path: Path, output: str) -> None:
    """Exports with a dynamic batch, one file, shapes inferred, checked."""
    torch.onnx.export(
        model, (example,), str(path), input_names=["images"], output_names=[output], opset_version=OPSET,
        dynamic_axes={"images": {0: "batch"}, output: {0: "batch"}}, dynamo=False, do_constant_folding=True,
    )
    proto = without_identities(onnx.load(str(path)))
    onnx.checker.check_model(proto, full_check=True)
    proto = onnx.shape_inference.infer_shapes(proto)
    onnx.save(proto, str(path))


def compare(model: nn.Module, path: Path, batch: np.ndarray, most: float) -> float:
    """Largest difference between torch and ONNX Runtime on a batch; raises above `most`."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = model(torch.from_numpy(batch)).numpy()
    found = session.run(None, {"images": batch})[0]
    worst = float(np.abs(expected - found).max())
    if worst > most:
        raise SystemExit(f"{path}: ONNX Runtime differs from torch by {worst:.5f}, at most {most} expected")
    return worst


def round_weights(path: Path) -> None:
    """Rounds the weights of a file in place."""
    proto = onnx.load(str(path))
    for stored in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(stored)
        if values.dtype == np.float32 and values.ndim > 1:
            mantissa, exponent = np.frexp(values)
            values = np.ldexp(np.round(mantissa * 2.0**KEPT_BITS) / 2.0**KEPT_BITS, exponent).astype(np.float32)
            stored.CopyFrom(onnx.numpy_helper.from_array(values, stored.name))
    onnx.save(proto, str(path))


def main() -> None:
    args = exports_parser(__doc__).parse_args()
    work = job(args)
    size = work.recipe["input"]
    model, path = trained(work, args.all), work.exports(args.all) / "model.onnx"
    pictures, _ = load(work, work.recipe["source"][0])
    batch = np.stack([pictures[i, :, : size["height"], : size["width"]] for i in (0, len(pictures) // 2, -1)])
    batch = batch.astype(np.float32) / 255
    write_onnx(model, torch.from_numpy(batch[:1]), path, "output0")
    worst = compare(model, path, batch, 0.05 if work.recipe["task"] == "detect" else 0.001)
    round_weights(path)
    moved = compare(model, path, batch, float("inf"))
    print(f"{path}: {path.stat().st_size} bytes, torch and ONNX Runtime differ by at most {worst:.6f}, rounded {moved:.6f}")


if __name__ == "__main__":
    main()
