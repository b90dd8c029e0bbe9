"""The model that is served: a package whose every file and every golden answer was checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from pipeline.base.errors import PackageError
from pipeline.base.manifest import Files
from pipeline.packaging import package
from pipeline.packaging.package import GoldenPatient, Manifest
from pipeline.scoring.onnx_model import UNUSABLE, Matrix, OnnxModel
from pipeline.table.contract import FEATURES


@dataclass(frozen=True)
class ServedModel:
    """An opened model with its manifest and the golden patients that prove it."""

    about: Manifest
    onnx: OnnxModel
    golden: tuple[GoldenPatient, ...]

    @property
    def title(self) -> str:
        """Return the version that answers, for example ``heart_disease/3``."""
        return f"{self.about.model_name}/{self.about.version}"

    def answer(self, patients: Matrix) -> dict[str, Any]:
        """Return the response to a request: one prediction for each row, in order."""
        return {
            "model": {"name": self.about.model_name, "version": self.about.version},
            "predictions": [
                {
                    "probability": probability,
                    "label": int(probability >= self.about.threshold),
                    "risk_band": self.about.risk_bands.of(probability),
                }
                for probability in self.onnx.probabilities(patients).tolist()
            ],
        }

    def prove(self) -> None:
        """Ask the model for its golden patients.

        Raises:
            PackageError: an answer is not the champion's.

        """
        patients = [[*map(golden.patient.get, FEATURES)] for golden in self.golden]
        answers = self.onnx.probabilities(np.array(patients, dtype=np.float32))
        expected = np.array([golden.probability for golden in self.golden])
        if answers.shape != expected.shape:
            raise PackageError(f"{self.title} does not answer one probability for each patient")
        gaps: npt.NDArray[np.float64] = np.abs(answers - expected)
        wrong = int((~(gaps < self.about.tolerance)).sum())
        if wrong:
            raise PackageError(
                f"{self.title} answers {wrong} of {len(gaps)} golden patients otherwise than the "
                f"champion, by up to {gaps.max():.2g}"
            )


def load(folder: Path) -> ServedModel:
    """Open the model of a package, or of the part of one that an image carries.

    Raises:
        PackageError: a file is missing or changed, the model cannot be opened, or it does not
            answer like the champion; also where the manifest agrees with what is wrong.

    """
    files = {
        name: path.read_bytes() for name in package.SERVED if (path := folder / name).is_file()
    }
    about = package.check(files, str(folder), only=package.SERVED)
    try:
        model = ServedModel(about, OnnxModel(files[package.SERVED_MODEL]), _golden(files, folder))
        model.prove()
    except KeyError as error:
        # Its manifest does not list it either.
        raise PackageError(f"{folder} holds no {error.args[0]}") from None
    except (ValueError, *UNUSABLE) as error:
        raise PackageError(
            f"{folder}: {package.SERVED_MODEL} cannot be run: {_line(error)}"
        ) from error
    return model


def _golden(files: Files, folder: Path) -> tuple[GoldenPatient, ...]:
    try:
        return package.read_golden(files)
    except ValidationError as error:
        raise PackageError(f"{folder}: {package.GOLDEN}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
