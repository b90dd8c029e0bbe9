"""The arithmetic of this process: the pinned kernel and one thread, as in every other process.

The order of a sum, and so its last bit, depends on both.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.base.errors import KernelError
from pipeline.base.kernel import PINNED, Kernel

UNPINNED: Final = "unpinned"


@contextmanager
def reproducible() -> Iterator[None]:
    """Compute with the pinned kernel and one thread; also a decorator.

    Raises:
        KernelError: as `kernel`.

    """
    kernel()
    with threadpool_limits(1):
        yield


@functools.cache
def kernel() -> str:
    """Return the name of the kernel that numpy and scipy compute with, or `UNPINNED`.

    Raises:
        KernelError: it is not the pinned one.

    """
    if PINNED is None:
        return UNPINNED
    if strangers := _strangers(PINNED):
        raise KernelError(
            f"numpy computes with {', '.join(strangers)} instead of {PINNED.name}, so its "
            "models would have other bytes: it was loaded before `pipeline`; start Python again, "
            "and import pipeline first"
        )
    return PINNED.name


def _strangers(pinned: Kernel) -> list[str]:
    """Name the kernels and loops in use that are not those of ``pinned``."""
    libraries = [each for each in threadpool_info() if each["internal_api"] == "openblas"]
    # OpenBLAS spells the names of ARM's in lower case.
    kernels = {each["architecture"] for each in libraries} or {"no OpenBLAS"}
    others = {name for name in kernels if name.casefold() != pinned.name.casefold()}
    loops = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return sorted(others) + [loop for loop in loops if loop in pinned.unused]
