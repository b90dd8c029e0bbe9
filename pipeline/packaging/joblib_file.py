"""Fitted pipelines as files for ``joblib.load``, for people whose tools expect one.

It is pickle, and loading one runs what is in it: nothing here loads it. Equal pipelines give equal
bytes in every process, which ``joblib.dump`` does not do: it writes a text that it meets again as
a reference when it is the same object, and whether two equal texts are one object is chance.
"""

import copyreg
import io
import pickle
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.tree._tree import Tree


def dump(pipeline: Pipeline) -> bytes:
    """Return ``pipeline`` as a joblib file that depends on nothing but the pipeline."""
    target = io.BytesIO()
    pickler = pickle.Pickler(target, protocol=4)
    pickler.fast = True  # No references at all.
    pickler.dispatch_table = {
        **copyreg.dispatch_table,
        Tree: _reduced_tree,
        np.random.MT19937: _reduced_generator,
    }
    pickler.dump(pipeline)
    return target.getvalue()


def _reduced_tree(tree: Tree) -> tuple[Any, ...]:
    """Return what pickle needs of a tree, with zeros for what memory held between its fields."""
    make, arguments, state = tree.__reduce__()
    found = state["nodes"]
    nodes = np.zeros(found.shape, found.dtype)
    for field in nodes.dtype.names:
        nodes[field] = found[field]
    return make, arguments, {**state, "nodes": nodes}


def _reduced_generator(generator: np.random.MT19937) -> tuple[Any, ...]:
    """Return what pickle needs of a random generator: its state, whatever it was seeded with."""
    return type(generator), (0,), generator.state
