"""Evens out the channels between a convolution and the next, so that one scale fits them all (Nagel et al., arXiv
1906.04721): what leaves channel c is divided by s_c, and what reads it multiplied. The float function stays the same.

ReLU lets a positive factor through. Channels of a network with depthwise layers differ by hundreds, and INT8 gives them
one scale; the weights have a scale an output channel each, so dividing a layer's outputs costs nothing there.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from .qdq import Graph

LEAST = 1e-3  # of the largest channel; a channel that is hardly ever lit is not blown up further


def links(graph: Graph) -> list[tuple]:
    """(convolution, ReLU, next convolution) where nothing else reads what is between."""
    out = []
    for relu in graph.graph.node:
        if relu.op_type != "Relu":
            continue
        maker, users = graph.maker[relu.input[0]], graph.users.get(relu.output[0], [])
        alone = len(users) == 1 and len(graph.users[maker.output[0]]) == 1
        if alone and maker.op_type == users[0].op_type == "Conv" and len(maker.input) == 3:
            out.append((maker, relu, users[0]))
    return out


def by_channel(model: onnx.ModelProto, tensors: list[str], batches) -> tuple[dict, dict]:
    """Largest absolute value, and mean, of each channel of each tensor [N, C, H, W]."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    entry = probe.graph.input[0].name
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors if name != entry)
    net = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    most, mean = dict.fromkeys(tensors, 0.0), dict.fromkeys(tensors, 0.0)
    names = [name for name in tensors if name != entry]
    for batch in batches:
        values = dict(zip(names, net.run(names, {entry: batch}))) | {entry: batch}
        for name in tensors:
            most[name] = np.maximum(most[name], np.abs(values[name]).max((0, 2, 3)))
            mean[name] = mean[name] + values[name].mean((0, 2, 3), dtype=np.float64) / len(batches)
    return most, mean


def read_means(model: onnx.ModelProto, batches) -> dict[str, np.ndarray]:
    """The mean of each channel of what convolutions read, for `qdq.insert`."""
    return by_channel(model, list(dict.fromkeys(n.input[0] for n in model.graph.node if n.op_type == "Conv")), batches)[1]


def equalised(model: onnx.ModelProto, batches) -> onnx.ModelProto:
    """The same function with evener channels."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    graph = Graph(out)
    found = links(graph)
    ranges, _ = by_channel(model, [relu.output[0] for _, relu, _ in found], batches)
    for first, relu, second in found:
        lit = ranges[relu.output[0]]
        lit = np.maximum(lit / lit.max(), LEAST)
        w1, b1, w2 = (numpy_helper.to_array(graph.weights[n]).copy() for n in (*first.input[1:], second.input[1]))
        if w2.shape[1] == 1:
            factor = lit  # depthwise: each channel has a weight scale of its own
            w2 *= factor[:, None, None, None]
        else:
            read = np.abs(w2).max((0, 2, 3))
            factor = np.sqrt(lit / np.maximum(read / read.max(), LEAST))
            factor /= factor.max()
            w2 *= factor[None, :, None, None]
        w1 /= factor[:, None, None, None]
        b1 /= factor
        for name, value in zip((*first.input[1:], second.input[1]), (w1, b1, w2)):
            graph.weights[name].CopyFrom(numpy_helper.from_array(value, name))
    return out
