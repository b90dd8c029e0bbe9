"""The fitted pipeline as an ONNX graph, of the form that `pipeline.scoring.onnx_model` asks."""

import functools
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
from onnx import TensorProto, helper
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.algebra.onnx_ops import (
    OnnxCast,
    OnnxDiv,
    OnnxGather,
    OnnxGreaterOrEqual,
    OnnxIsNaN,
    OnnxSub,
)
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.pipeline import Pipeline

from pipeline.scoring.onnx_model import INPUT, OUTPUT, OnnxModel
from pipeline.table.contract import FEATURES
from pipeline.training.blocks import Bands, MissingFlags, ShareOfPrediction

OPSET: Final = 18


def convert(pipeline: Pipeline) -> bytes:
    """Return a fitted pipeline as the bytes of an ONNX model."""
    _register_converters()
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


def probabilities(content: bytes, features: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return what the ONNX model answers for each row of ``features``, shape (rows,)."""
    return OnnxModel(content).probabilities(features[list(FEATURES)].to_numpy(np.float32))


@functools.cache
def _register_converters() -> None:
    _register(ShareOfPrediction, _share_nodes, lambda _: 1)
    _register(Bands, _band_nodes, lambda block: len(block.edges))
    _register(MissingFlags, _flag_nodes, lambda block: block.n_features_in_)


def _register(block: type, nodes: Callable[..., Any], width: Callable[[Any], int]) -> None:
    def shape(operator: Any) -> None:
        operator.outputs[0].type = FloatTensorType([None, width(operator.raw_operator)])

    def converter(scope: Any, operator: Any, container: Any) -> None:
        names = {"op_version": container.target_opset, "output_names": operator.outputs[:1]}
        nodes(operator.raw_operator, operator.inputs, **names).add_to(scope, container)

    update_registered_converter(block, f"Pipeline{block.__name__}", shape, converter)


def _share_nodes(block: ShareOfPrediction, inputs: Any, **names: Any) -> Any:
    version = names["op_version"]
    measured, age = (
        OnnxGather(inputs[0], np.array([column]), axis=1, op_version=version) for column in (0, 1)
    )
    intercept = np.array([block.intercept], dtype=np.float32)
    return OnnxDiv(measured, OnnxSub(intercept, age, op_version=version), **names)


def _band_nodes(block: Bands, inputs: Any, **names: Any) -> Any:
    edges = np.asarray([block.edges], dtype=np.float32)
    reached = OnnxGreaterOrEqual(inputs[0], edges, op_version=names["op_version"])
    return OnnxCast(reached, to=TensorProto.FLOAT, **names)


def _flag_nodes(block: MissingFlags, inputs: Any, **names: Any) -> Any:
    del block
    missing = OnnxIsNaN(inputs[0], op_version=names["op_version"])
    return OnnxCast(missing, to=TensorProto.FLOAT, **names)
