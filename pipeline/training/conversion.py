"""The fitted pipeline as an ONNX graph, of the form that `pipeline.scoring.onnx_model` asks."""

import functools
import warnings
from typing import Any, Final

import onnx
from onnx import TensorProto, helper
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.algebra import onnx_ops
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.pipeline import Pipeline

from pipeline.scoring.onnx_model import INPUT, OUTPUT
from pipeline.table.contract import FEATURES
from pipeline.training.blocks import BLOCKS

OPSET: Final = 18


def convert(pipeline: Pipeline) -> bytes:
    """Return a fitted pipeline as the bytes of an ONNX model."""
    _register_converters()
    # How it was fitted is nothing to the graph.
    pipeline = Pipeline(pipeline.steps)
    columns = [(name, FloatTensorType([None, 1])) for name in FEATURES]
    options = {id(pipeline): {"zipmap": False}}
    opsets = {"": OPSET, "ai.onnx.ml": 3}
    with warnings.catch_warnings():
        # skl2onnx reads attributes that scikit-learn is about to drop.
        warnings.simplefilter("ignore", FutureWarning)
        model = to_onnx(pipeline, initial_types=columns, options=options, target_opset=opsets)
    model = select_model_inputs_outputs(model, outputs=["probabilities"])
    nodes = [_split(), *model.graph.node, _second_column()]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "heart_disease",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", len(FEATURES)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows"])],
        [c for c in (*model.graph.initializer, _positive_class()) if c.name in used],
    )
    # skl2onnx lists them in the order of a set, which differs from process to process.
    imports = sorted(model.opset_import, key=lambda each: each.domain)
    made = helper.make_model(graph, opset_imports=imports, ir_version=model.ir_version)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString(deterministic=True))


def _split() -> onnx.NodeProto:
    return helper.make_node("Split", [INPUT], list(FEATURES), axis=1, num_outputs=len(FEATURES))


def _second_column() -> onnx.NodeProto:
    return helper.make_node("Gather", ["probabilities", "positive_class"], [OUTPUT], axis=1)


def _positive_class() -> onnx.TensorProto:
    return helper.make_tensor("positive_class", TensorProto.INT64, [], [1])


@functools.cache
def _register_converters() -> None:
    for block in BLOCKS:
        update_registered_converter(block, f"Pipeline{block.__name__}", _shape, _converter)


def _shape(operator: Any) -> None:
    block = operator.raw_operator
    columns = block.get_feature_names_out(range(block.n_features_in_))
    operator.outputs[0].type = FloatTensorType([None, len(columns)])


def _converter(scope: Any, operator: Any, container: Any) -> None:
    version, names = container.target_opset, operator.outputs[:1]
    last = operator.raw_operator.nodes(onnx_ops, operator.inputs, version, names)
    last.add_to(scope, container)
