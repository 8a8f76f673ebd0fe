"""Makes models that fit the demo's line and are no good there. Run with the package `onnx` (1.17 or later): python make_models.py

All have the input of `models/pcb-detector`, [N, 2, 640, 640], find nothing, and answer zeros at once: `blind` does so whatever it sees.
On a picture with some light in it, as each of the line is, `nan` answers NaN and `hang` never. `slow-build` takes some seconds for zeros, on
which every engine runs it when it is built, and nothing for such pictures.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent
BOXES = 100


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def save(name, extra, constants):
    """`extra` may make the scalar `spoilt`, which is added to every answer, times zero."""
    nodes = [
        helper.make_node("Shape", ["images"], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "second"], ["count"]),
        helper.make_node("Concat", ["count", "rest"], ["dims"], axis=0),
        helper.make_node("ConstantOfShape", ["dims"], ["zeros"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.0])),
        *extra,
    ]
    if extra:
        nodes += [helper.make_node("Mul", ["spoilt", "nothing"], ["none"]), helper.make_node("Add", ["zeros", "none"], ["output0"])]
        constants = [*constants, tensor("nothing", 0.0)]
    else:
        nodes += [helper.make_node("Identity", ["zeros"], ["output0"])]
    constants = [*constants, tensor("first", [0], np.int64), tensor("second", [1], np.int64), tensor("rest", [10, BOXES], np.int64)]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, name, [info("images", TensorProto.FLOAT, ["N", 2, 640, 640])],
                              [info("output0", TensorProto.FLOAT, ["N", 10, BOXES])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="make_models.py")
    checker.check_model(model)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def loop(trips, name):
    """A branch that goes round so often."""
    info = helper.make_tensor_value_info
    nodes = [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["x"], ["y"]), helper.make_node("Add", ["y", "one"], ["z"])]
    body = helper.make_graph(nodes, "body", [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("x", TensorProto.FLOAT, [])],
                             [info("on", TensorProto.BOOL, []), info("z", TensorProto.FLOAT, [])], [tensor("one", 1.0)])
    return helper.make_graph([helper.make_node("Loop", ["trips", "true", "largest"], ["a"], body=body)], name, [],
                             [info("a", TensorProto.FLOAT, [])], [tensor("trips", trips, np.int64), tensor("true", True, np.bool_)])


def at_once():
    info = helper.make_tensor_value_info
    return helper.make_graph([helper.make_node("Identity", ["largest"], ["b"])], "at-once", [], [info("b", TensorProto.FLOAT, [])])


LARGEST = helper.make_node("ReduceMax", ["images"], ["largest"], keepdims=0)
IS_LIT = helper.make_node("Greater", ["largest", "light"], ["is_lit"])
LIGHT = tensor("light", 0.2)

save("blind", [], [])
save("nan", [LARGEST, helper.make_node("Sub", ["light", "largest"], ["darkness"]), helper.make_node("Sqrt", ["darkness"], ["spoilt"])], [LIGHT])
save("hang", [LARGEST, IS_LIT, helper.make_node("If", ["is_lit"], ["spoilt"], then_branch=loop(2**62, "endless"), else_branch=at_once())], [LIGHT])
save("slow-build", [LARGEST, IS_LIT, helper.make_node("If", ["is_lit"], ["spoilt"], then_branch=at_once(), else_branch=loop(3_000_000, "long"))],
     [LIGHT])
