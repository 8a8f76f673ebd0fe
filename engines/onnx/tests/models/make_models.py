"""Makes the tiny ONNX files of these tests. Run with the package `onnx` (1.17 or later): python make_models.py

Each net looks only at the mean level of its input's planes, so that a test can say by hand what must come out.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
SIDE = 32


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def save(name, nodes, inputs, outputs, constants):
    def infos(specs):
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n, dims in specs]

    graph = helper.make_graph(nodes, name, infos(inputs), infos(outputs), constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="make_models.py"
    )
    onnx.checker.check_model(model)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def means(planes):
    """Nodes that give the mean of each plane: images [N, P, S, S] -> level [N, P, 1]."""
    return [
        helper.make_node("ReduceMean", ["images"], ["mean4"], axes=[2, 3], keepdims=1),
        helper.make_node("Reshape", ["mean4", "level_shape"], ["level"]),
    ], [tensor("level_shape", [0, planes, 1], np.int64)]


# One box of 8 x 8 around (16, 16) in a yolo-v8 head of two classes and the 21 anchors of this size; class 0 scores the
# mean of the image, class 1 half of that; the other anchors are empty.
ANCHORS = 21


def head(*rows):
    """[1, 6, ANCHORS]: cx, cy, w, h and two scores of the first anchor, zeros for the others."""
    values = np.zeros((1, 6, ANCHORS), np.float32)
    values[0, :, 0] = rows
    return values


BOX = head(16, 16, 8, 8, 0, 0)
FIRST = head(0, 0, 0, 0, 1, 0.5)


def v8(name, batch, before=(), level="level", extra=(), box=BOX):
    nodes, constants = means(1)
    nodes += list(before) + [
        helper.make_node("Mul", [level, "first"], ["scores"]),
        helper.make_node("Add", ["scores", "box"], ["output0"]),
    ]
    constants += [tensor("first", FIRST), tensor("box", box), *extra]
    save(name, nodes, [("images", [batch, 1, SIDE, SIDE])], [("output0", [batch, 6, ANCHORS])], constants)


v8("v8-fixed", 1)
v8("v8-open", "batch")
v8("v8-fixed3", 3)
# scores before their sigmoid, as an export cut off too early gives them
v8("v8-logits", 1, box=head(16, 16, 8, 8, -5, -5))
# a picture darker than half grey gives NaN, as a broken weight would
v8(
    "v8-nan",
    1,
    before=[
        helper.make_node("Sub", ["level", "half"], ["shifted"]),
        helper.make_node("Sqrt", ["shifted"], ["root"]),
    ],
    level="root",
    extra=[tensor("half", 0.5)],
)
# the input quantised and dequantised, u8
nodes, constants = means(1)
nodes[0].input[0] = "back"
save(
    "v8-int8",
    [
        helper.make_node("QuantizeLinear", ["images", "step", "zero"], ["levels"]),
        helper.make_node("DequantizeLinear", ["levels", "step", "zero"], ["back"]),
        *nodes,
        helper.make_node("Mul", ["level", "first"], ["scores"]),
        helper.make_node("Add", ["scores", "box"], ["output0"]),
    ],
    [("images", [1, 1, SIDE, SIDE])],
    [("output0", [1, 6, ANCHORS])],
    constants
    + [tensor("first", FIRST), tensor("box", BOX), tensor("step", 1 / 255), tensor("zero", 0, np.uint8)],
)

# the mean of the image on class 0, the mean of the reference on class 1
nodes, constants = means(2)
save(
    "v8-reference",
    nodes
    + [
        helper.make_node("Split", ["level", "ones"], ["image", "reference"], axis=1),
        helper.make_node("Mul", ["image", "first"], ["a"]),
        helper.make_node("Mul", ["reference", "second"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["ab"]),
        helper.make_node("Add", ["ab", "box"], ["output0"]),
    ],
    [("images", [1, 2, SIDE, SIDE])],
    [("output0", [1, 6, ANCHORS])],
    constants
    + [
        tensor("ones", [1, 1], np.int64),
        tensor("first", head(0, 0, 0, 0, 1, 0)),
        tensor("second", head(0, 0, 0, 0, 0, 1)),
        tensor("box", BOX),
    ],
)

# declares [1, 6, 4] but gives [1, 6, 8]: the target shape comes from the data, so that nothing can infer it
nodes, constants = means(1)
save(
    "dishonest",
    nodes
    + [
        helper.make_node("Mul", ["level", "nothing"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Cast", ["zero"], ["zero_int"], to=TensorProto.INT64),
        helper.make_node("Add", ["true_shape", "zero_int"], ["shape"]),
        helper.make_node("Expand", ["zero", "shape"], ["output0"]),
    ],
    [("images", [1, 1, SIDE, SIDE])],
    [("output0", [1, 6, 4])],
    constants + [tensor("nothing", 0.0), tensor("true_shape", [1, 6, 8], np.int64)],
)

# logits of three classes: the mean, its double, and 1 less the mean
nodes, constants = means(1)
save(
    "classifier",
    nodes
    + [
        helper.make_node("Mul", ["level", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["rows"]),
        helper.make_node("Reshape", ["rows", "flat"], ["logits"]),
    ],
    [("images", ["batch", 1, SIDE, SIDE])],
    [("logits", ["batch", 3])],
    constants
    + [
        tensor("gain", [[[1, 2, -1]]]),
        tensor("bias", [[[0, 0, 1]]]),
        tensor("flat", [0, 3], np.int64),
    ],
)
