"""Makes models that must never reach a line, and one that may. Run with the package `onnx` (1.17 or later): python make_models.py

`sound` is the one that may. All have an input [1, 1, 32, 32] and two boxes: one of 8 x 8 around (16, 16), of class 0 with the mean of the
picture as its score, and one of 4 x 4 around (6, 6), of class 1 with half of it.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent
SIDE, ANCHORS = 32, 21


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def head(first, second):
    values = np.zeros((1, 6, ANCHORS), np.float32)
    values[0, :, 0], values[0, :, 1] = first, second
    return values


BOXES = head((16, 16, 8, 8, 0, 0), (6, 6, 4, 4, 0, 0))
SCORES = head((0, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 0.5))


def save(name, extra, constants, scores=SCORES):
    """`extra` may add the scalar `spoilt` to the scores, times zero."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean4"], axes=[2, 3], keepdims=1),
        helper.make_node("Reshape", ["mean4", "level_shape"], ["level"]),
        *extra,
    ]
    level = "level"
    if extra:
        nodes += [
            helper.make_node("Mul", ["spoilt", "nothing"], ["none"]),
            helper.make_node("Add", ["level", "none"], ["touched"]),
        ]
        level = "touched"
    nodes += [
        helper.make_node("Mul", [level, "first"], ["scores"]),
        helper.make_node("Add", ["scores", "box"], ["output0"]),
    ]
    constants = [*constants, tensor("level_shape", [0, 1, 1], np.int64), tensor("nothing", 0.0),
                 tensor("first", scores), tensor("box", BOXES)]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, name, [info("images", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
                              [info("output0", TensorProto.FLOAT, [1, 6, ANCHORS])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="make_models.py")
    checker.check_model(model)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def endless():
    """The body of a loop that goes on."""
    info = helper.make_tensor_value_info
    nodes = [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["x"], ["y"]),
             helper.make_node("Add", ["y", "one"], ["z"])]
    return helper.make_graph(nodes, "body", [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []),
                                             info("x", TensorProto.FLOAT, [])],
                             [info("on", TensorProto.BOOL, []), info("z", TensorProto.FLOAT, [])], [tensor("one", 1.0)])


LOOP = [tensor("trips", 2**62, np.int64), tensor("true", True, np.bool_)]
LARGEST = helper.make_node("ReduceMax", ["images"], ["largest"], keepdims=0)

# never ends, whatever it sees
save("forever", [LARGEST, helper.make_node("Loop", ["trips", "true", "largest"], ["spoilt"], body=endless())], LOOP)

# never ends on a picture with some light in it; on zeros it does
info = helper.make_tensor_value_info
then = helper.make_graph([helper.make_node("Loop", ["trips", "true", "largest"], ["a"], body=endless())], "then", [],
                         [info("a", TensorProto.FLOAT, [])], LOOP)
other = helper.make_graph([helper.make_node("Identity", ["largest"], ["b"])], "other", [], [info("b", TensorProto.FLOAT, [])])
save("hang", [LARGEST, helper.make_node("Greater", ["largest", "light"], ["is_lit"]),
              helper.make_node("If", ["is_lit"], ["spoilt"], then_branch=then, else_branch=other)], [tensor("light", 0.2)])

# takes a good second on such a picture, and is as sound as can be
some = helper.make_graph([helper.make_node("Loop", ["trips", "true", "largest"], ["a"], body=endless())], "then", [],
                         [info("a", TensorProto.FLOAT, [])], [tensor("trips", 400_000, np.int64), LOOP[1]])
save("slow", [LARGEST, helper.make_node("Greater", ["largest", "light"], ["is_lit"]),
              helper.make_node("If", ["is_lit"], ["spoilt"], then_branch=some, else_branch=other)], [tensor("light", 0.2)])

# wants 20 GiB; the size comes from the data, so that nothing computes it before
save("large", [LARGEST, helper.make_node("Cast", ["largest"], ["whole"], to=TensorProto.INT64),
               helper.make_node("Mul", ["whole", "zero"], ["z"]), helper.make_node("Add", ["z", "elements"], ["size"]),
               helper.make_node("ConstantOfShape", ["size"], ["huge"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])),
               helper.make_node("ReduceSum", ["huge"], ["spoilt"], keepdims=0)],
     [tensor("zero", [0], np.int64), tensor("elements", [20 << 28], np.int64)])

# scores zero everywhere, as a network whose scores were quantised away does
save("silent", [], [], scores=0 * SCORES)

save("sound", [], [])
