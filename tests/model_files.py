"""The files of a model: their names, a wrong one, and how people read the fitted object."""

import onnx
import skops.io
from onnx import TensorProto, helper

from pipeline.table.contract import FEATURES
from pipeline.training.persistence import TRUSTED_TYPES

NAMES = (
    "answers.parquet",
    "metrics.json",
    "model.onnx",
    "model.skops",
    "parameters.json",
    "recipe.json",
)


def loaded(content):
    """Return the fitted pipeline of a skops file, with the types that are trusted."""
    return skops.io.loads(content, trusted=list(TRUSTED_TYPES))


def answering_nan():
    """Return an ONNX model that divides zero by zero for everybody."""
    nodes = [
        helper.make_node("Gather", ["patients", "first"], ["age"], axis=1),
        helper.make_node("Sub", ["age", "age"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "nan",
        [helper.make_tensor_value_info("patients", TensorProto.FLOAT, ["rows", len(FEATURES)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows"])],
        [helper.make_tensor("first", TensorProto.INT64, [], [0])],
    )
    opsets = [helper.make_opsetid("", 18)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.checker.check_model(made)
    return made.SerializeToString()
