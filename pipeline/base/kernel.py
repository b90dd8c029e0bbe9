"""Pins the code that numpy computes with, so that models have the same bytes on every processor.

OpenBLAS has a kernel for each kind of processor, and numpy has loops of its own. Left alone, both
take the fastest that the processor runs, and each of those rounds in its own way: the last bits of
a model would tell where it was trained. Both read their orders from the environment while numpy is
loaded, so the package gives them before. The image of the service carries this module too.
"""

import platform
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

PROCESSOR: Final = Path("/proc/cpuinfo")


class Kernel(NamedTuple):
    """A kernel of OpenBLAS by its name there, with the flags and the numpy loops that go with it.

    ``needs`` are flags of the processor, as Linux names them; ``unused`` are those loops of numpy,
    as numpy names them, that not every processor with these flags runs.
    """

    name: str
    needs: frozenset[str]
    unused: tuple[str, ...]

    def variables(self) -> dict[str, str]:
        """Return the environment by which OpenBLAS and numpy keep to this kernel."""
        return {
            "OPENBLAS_CORETYPE": self.name,
            "NPY_DISABLE_CPU_FEATURES": " ".join(self.unused),
            # numpy refuses to be loaded when both are given.
            "NPY_ENABLE_CPU_FEATURES": "",
        }


_AVX2: Final = frozenset({"abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
_AVX512_LOOPS: Final = ("X86_V4", "AVX512_ICL", "AVX512_SPR")
_X86_LOOPS: Final = ("X86_V3", *_AVX512_LOOPS)
_ARM_LOOPS: Final = ("ASIMDHP", "ASIMDDP", "ASIMDFHM", "SVE")
# The best one first. The last one runs on every processor that the lock's numpy runs on.
KERNELS: Final[Mapping[str, tuple[Kernel, ...]]] = MappingProxyType(
    {
        "x86_64": (
            Kernel("Haswell", _AVX2, _AVX512_LOOPS),
            Kernel("Sandybridge", frozenset({"avx"}), _X86_LOOPS),
            Kernel("Nehalem", frozenset(), _X86_LOOPS),
        ),
        "aarch64": (Kernel("ARMV8", frozenset(), _ARM_LOOPS),),
    }
)


def machine() -> str:
    """Return the instruction set that this Python was made for; nothing where it is not Linux."""
    return platform.machine() if sys.platform == "linux" else ""


def flags(source: Path = PROCESSOR) -> frozenset[str]:
    """Return the flags of the first processor, as far as the system lists them."""
    try:
        with source.open(encoding="utf-8", errors="replace") as lines:
            line = next((text for text in lines if text.startswith("flags")), "")
    except OSError:
        return frozenset()
    return frozenset(line.partition(":")[2].split())


def choose(machine: str, flags: Collection[str]) -> Kernel | None:
    """Return the best kernel that all processors with these flags run; None where none is known."""
    return next(
        (kernel for kernel in KERNELS.get(machine, ()) if kernel.needs.issubset(flags)), None
    )


def describe(machine: str, flags: Collection[str]) -> str:
    """Return, for a person, which kernel is used, and why it is not the usual one."""
    if (chosen := choose(machine, flags)) is None:
        return "the processor's own: models trained elsewhere have other bytes"
    usual = KERNELS[machine][0]
    if chosen == usual:
        return chosen.name
    lacking = ", ".join(sorted(usual.needs.difference(flags)))
    return (
        f"{chosen.name}, as this processor lacks {lacking}: models trained with {usual.name} have "
        "other bytes"
    )


PINNED: Final = choose(machine(), flags())
