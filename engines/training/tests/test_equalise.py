"""Evening out channels changes what INT8 makes of a network, not the network. Skipped where there is no ONNX Runtime."""

import unittest

try:
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    from sightline_training import equalise, qdq
except ImportError:
    equalise = None


def network():
    """A convolution, a depthwise one and a last one, whose channels differ by a hundred."""
    rng = np.random.default_rng(1)
    shapes = {"a": (4, 1, 3, 3), "b": (4, 1, 3, 3), "c": (2, 4, 1, 1)}
    weights = {name: rng.uniform(-0.2, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    weights["a"] *= np.float32([1, 5, 25, 125])[:, None, None, None]
    stored = [numpy_helper.from_array(w, name) for name, w in weights.items()]
    stored += [numpy_helper.from_array(np.ones(len(w), np.float32), f"{name}-bias") for name, w in weights.items()]
    nodes, source = [], "images"
    for name, group in (("a", 1), ("b", 4), ("c", 1)):
        last = name == "c"
        made = "output0" if last else f"{name}-made"
        nodes.append(helper.make_node("Conv", [source, name, f"{name}-bias"], [made], name, group=group))
        if not last:
            source = f"{name}-lit"
            nodes.append(helper.make_node("Relu", [made], [source], f"{name}-relu"))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [value("images", TensorProto.FLOAT, ["n", 1, 12, 12])],
                              [value("output0", TensorProto.FLOAT, ["n", 2, 8, 8])], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(model, batch):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": batch})[0]


@unittest.skipIf(equalise is None, "needs onnx and onnxruntime")
class Equalise(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(2)
        self.model = network()
        self.batches = [rng.random((1, 1, 12, 12), np.float32) for _ in range(4)]
        self.even = equalise.equalised(self.model, self.batches)

    def ratio(self, model):
        """The most a tensor's channels differ."""
        most, _ = equalise.by_channel(model, ["a-lit", "b-lit"], self.batches)
        return max(float(m.max() / max(m.min(), 1e-9)) for m in most.values())

    def test_the_function_stays(self):
        for batch in self.batches:
            before, after = answer(self.model, batch), answer(self.even, batch)
            self.assertLess(np.abs(before - after).max(), 1e-4 * np.abs(before).max())

    def test_channels_are_evener(self):
        self.assertLess(self.ratio(self.even), self.ratio(self.model) / 5)

    def test_bias_takes_back_what_rounding_adds(self):
        ranges = {n: 1.05 * float(max(np.abs(v).max() for v in values)) for n, values in self.values().items()}
        means = equalise.read_means(self.even, self.batches)
        shift = []
        for known in (None, means):
            made = qdq.for_onnx_runtime(qdq.insert(self.even, ranges, {"c"}, known))
            off = [answer(made, b).mean((0, 2, 3)) - answer(self.even, b).mean((0, 2, 3)) for b in self.batches]
            shift.append(np.abs(np.mean(off, 0)).max())
        self.assertLess(shift[1], shift[0])

    def values(self):
        """What every tensor to be quantised holds, by name."""
        graph = qdq.Graph(self.even)
        names = qdq.activations(graph, qdq.body(graph, {"c"}))
        out = {}
        for name in names:
            most, _ = equalise.by_channel(self.even, [name], self.batches)
            out[name] = [most[name]]
        return out


if __name__ == "__main__":
    unittest.main()
