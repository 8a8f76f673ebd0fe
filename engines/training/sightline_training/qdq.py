"""Puts QuantizeLinear / DequantizeLinear pairs into a float graph of convolutions, joins and poolings.

Activations are symmetric s8 (zero point 0), as TensorRT wants them, behind the ReLU. `for_onnx_runtime` derives the
form ONNX Runtime is fast with on x86: u8 with the same scales. A tensor that is never negative takes zero point 0
(its numbers are the s8 numbers unchanged, and the ReLU before it is what u8 does by itself); any other takes 128.
Weights are per channel s8 in the reduced range of 7 bits: without VNNI full-range products saturate 16-bit sums.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHT_MOST = 63  # 7 bits, symmetric
SAME_SCALE = {"MaxPool", "Resize", "Concat", "AveragePool", "Flatten", "Reshape"}


class Graph:
    """Look-ups over an ONNX graph."""

    def __init__(self, model: onnx.ModelProto):
        self.model, self.graph = model, model.graph
        self.weights = {i.name: i for i in self.graph.initializer}
        self.maker = {o: n for n in self.graph.node for o in n.output}
        self.users: dict[str, list] = {}
        for node in self.graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def is_weight(self, name: str) -> bool:
        return name in self.weights or (name in self.maker and self.maker[name].op_type == "Constant")


def body(graph: Graph, kept_float: set[str]) -> list:
    """Nodes that shall run in integers: from the first convolutions on, all but the named ones and the decoding behind
    them. What evens out a picture before any convolution stays in float."""
    kinds = {"Conv", "Relu", "Add", "MaxPool", "Resize", "Concat", "Mul", "HardSigmoid", "HardSwish",
             "GlobalAveragePool", "Gemm", "Flatten", "Sigmoid"}
    outside: set[str] = set()
    begun: set[str] = set()
    inner = []
    for node in graph.graph.node:
        if node.op_type != "Conv" and begun.isdisjoint(node.input):
            continue
        begun.update(node.output)
        if node.name in kept_float or node.op_type not in kinds or any(i in outside for i in node.input):
            outside.update(node.output)
        else:
            inner.append(node)
    if not inner:
        raise SystemExit("no convolution of this graph can be quantised: expected one that reads the picture")
    return inner


def activations(graph: Graph, nodes: list) -> list[str]:
    """Tensors that take a pair: what the nodes read, and write, except between a convolution and its ReLU."""
    names: dict[str, None] = {}
    for node in nodes:
        for name in node.input:
            if name and not graph.is_weight(name):
                names[name] = None
        users = graph.users.get(node.output[0], [])
        fused = len(users) == 1 and users[0].op_type == "Relu" and node.op_type in {"Conv", "Gemm", "Add"}
        if not fused:
            names[node.output[0]] = None
    return [n for n in names if not _before_relu(graph, n)]


def _before_relu(graph: Graph, name: str) -> bool:
    users, maker = graph.users.get(name, []), graph.maker.get(name)
    return (maker is not None and maker.op_type in {"Conv", "Gemm", "Add"}
            and len(users) == 1 and users[0].op_type == "Relu")


def share_scales(graph: Graph, nodes: list, ranges: dict[str, float]) -> dict[str, float]:
    """Tensors that only pass values on share one range, the largest, so that passing on stays a copy."""
    root = {name: name for name in ranges}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for node in nodes:
        if node.op_type in SAME_SCALE:
            for name in node.input:
                if name in root:
                    root[find(name)] = find(node.output[0])
    most: dict[str, float] = {}
    for name, value in ranges.items():
        most[find(name)] = max(most.get(find(name), 0.0), value)
    return {name: most[find(name)] for name in ranges}


def never_negative(graph: Graph, name: str) -> bool:
    """Whether a tensor is >= 0 whatever the weights: behind ReLU, and through joins, pools and sums of such."""
    maker = graph.maker.get(name)
    if maker is None:
        return name == graph.graph.input[0].name
    if maker.op_type in {"Relu", "HardSigmoid", "Sigmoid"}:
        return True
    if maker.op_type in {"MaxPool", "Resize", "Concat", "Gather", "Add", "Mul", "GlobalAveragePool", "Flatten"}:
        return all(never_negative(graph, i) for i in maker.input if i and not graph.is_weight(i))
    return False


def insert(model: onnx.ModelProto, ranges: dict[str, float], kept_float: set[str],
           means: dict[str, np.ndarray] | None = None) -> onnx.ModelProto:
    """The quantised model in its s8 form. `ranges` gives the largest absolute value of each activation, `means` the mean
    of each channel of what convolutions read: what rounding their weights adds to it is taken off the bias."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    graph = Graph(out)
    nodes = body(graph, kept_float)
    inner = {id(n) for n in nodes}
    ranges = share_scales(graph, nodes, ranges)
    scales = {n: max(v, 1e-6) / 127 for n, v in ranges.items()}
    new, stored = [], []

    def pair(name: str) -> list:
        scale = numpy_helper.from_array(np.float32(scales[name]), f"{name}.scale")
        zero = numpy_helper.from_array(np.int8(0), f"{name}.zero")
        stored.extend([scale, zero])
        return [helper.make_node("QuantizeLinear", [name, scale.name, zero.name], [f"{name}.q"], f"{name}.quantize"),
                helper.make_node("DequantizeLinear", [f"{name}.q", scale.name, zero.name], [f"{name}.dq"],
                                 f"{name}.dequantize")]

    if out.graph.input[0].name in scales:
        new += pair(out.graph.input[0].name)
    for node in out.graph.node:
        if id(node) in inner:
            _integer_inputs(graph, node, scales, new, stored, means or {})
        else:
            for i, name in enumerate(node.input):
                if name in scales:
                    node.input[i] = f"{name}.dq"
        new.append(node)
        for name in node.output:
            if name in scales:
                new += pair(name)
    del out.graph.node[:]
    out.graph.node.extend(new)
    known = {i.name for i in out.graph.initializer}
    out.graph.initializer.extend(s for s in stored if s.name not in known)
    used = {i for n in out.graph.node for i in n.input}
    kept = [i for i in out.graph.initializer if i.name in used]
    del out.graph.initializer[:]
    out.graph.initializer.extend(kept)
    del out.graph.value_info[:]
    onnx.checker.check_model(out, full_check=True)
    return out


def _integer_inputs(graph: Graph, node, scales, new: list, stored: list, means: dict) -> None:
    for i, name in enumerate(node.input):
        if name in scales:
            source = name
            node.input[i] = f"{source}.dq"
    if node.op_type not in {"Conv", "Gemm"}:
        return
    activation = node.input[0].removesuffix(".dq")
    weight = numpy_helper.to_array(graph.weights[node.input[1]])
    axis = 0
    if node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute):
        axis = 1
    rest = tuple(d for d in range(weight.ndim) if d != axis)
    scale = (np.maximum(np.abs(weight).max(rest), 1e-8) / WEIGHT_MOST).astype(np.float32)
    shape = [1] * weight.ndim
    shape[axis] = -1
    values = np.clip(np.rint(weight / scale.reshape(shape)), -WEIGHT_MOST, WEIGHT_MOST).astype(np.int8)
    _constant(node, 1, values, scale, axis, new, stored)
    if len(node.input) > 2 and node.input[2]:
        bias = numpy_helper.to_array(graph.weights[node.input[2]])
        if activation in means:
            added = (values * scale.reshape(shape) - weight).sum((2, 3))  # [out, in], or [channels, 1] of a depthwise one
            mean = means[activation]
            bias = bias - (added[:, 0] * mean if added.shape[1] == 1 < len(mean) else added @ mean)
        bias_scale = (scale * np.float32(scales[activation])).astype(np.float32)
        values = np.rint(bias.astype(np.float64) / bias_scale).clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
        _constant(node, 2, values, bias_scale, 0, new, stored)


def _constant(node, place: int, values, scale, axis: int, new: list, stored: list) -> None:
    name = f"{node.name}.{'weight' if place == 1 else 'bias'}"
    stored.extend([numpy_helper.from_array(values, f"{name}.q"), numpy_helper.from_array(scale, f"{name}.scale"),
                   numpy_helper.from_array(np.zeros(scale.shape, values.dtype), f"{name}.zero")])
    new.append(helper.make_node("DequantizeLinear", [f"{name}.q", f"{name}.scale", f"{name}.zero"], [f"{name}.dq"],
                                f"{name}.dequantize", axis=axis))
    node.input[place] = f"{name}.dq"


def for_onnx_runtime(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same numbers with u8 activations; ReLUs that u8 makes superfluous are gone."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    graph = Graph(_without_pairs(model))
    zeros = {i.name: i for i in out.graph.initializer}
    for node in out.graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        source = node.name.removesuffix(".quantize")
        point = 0 if never_negative(graph, source) else 128
        zeros[node.input[2]].CopyFrom(numpy_helper.from_array(np.uint8(point), node.input[2]))
    quantised = {n.input[0]: n for n in out.graph.node if n.op_type == "QuantizeLinear"}
    kept, renamed = [], {}
    for node in out.graph.node:
        follower = quantised.get(node.output[0])
        if node.op_type == "Relu" and follower is not None:
            renamed[follower.name] = node.input[0]
            continue
        kept.append(node)
    for node in kept:
        if node.name in renamed:
            node.input[0] = renamed[node.name]
    del out.graph.node[:]
    out.graph.node.extend(kept)
    onnx.checker.check_model(out, full_check=True)
    return out


def _without_pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as it was before the pairs, for asking where a tensor comes from."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    direct = {n.output[0]: n.input[0].removesuffix(".q") for n in out.graph.node if n.op_type == "DequantizeLinear"}
    kept = [n for n in out.graph.node if n.op_type not in {"QuantizeLinear", "DequantizeLinear"}]
    weights = {n.output[0] for n in out.graph.node
               if n.op_type == "DequantizeLinear" and n.name.endswith((".weight.dequantize", ".bias.dequantize"))}
    for node in kept:
        for i, name in enumerate(node.input):
            if name in direct and name not in weights:
                node.input[i] = direct[name]
    del out.graph.node[:]
    out.graph.node.extend(kept)
    for name in weights:
        out.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), name))
    return out
