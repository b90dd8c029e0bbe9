"""The errors a person can act on: one line each, with the next step in it.

Everything else that is raised is a defect and keeps its traceback.
"""

from collections.abc import Iterable


class PipelineError(Exception):
    """An expected failure. The command prints the message alone and ends with ``exit_code``."""

    exit_code = 1


class SettingsError(PipelineError):
    """The configuration names something that does not exist or holds a value out of range."""

    exit_code = 2


class SourceError(PipelineError):
    """The raw data is missing, damaged or could not be fetched."""


class ContractError(PipelineError):
    """A table breaks the data contract; the message lists every breach."""

    def __init__(self, table: str, breaches: Iterable[str]) -> None:
        """Keep the breaches apart too, so that a report can show them as a table."""
        self.table = table
        self.breaches = tuple(breaches)
        super().__init__(f"{table} breaks the data contract: " + "; ".join(self.breaches))


class ArtifactError(PipelineError):
    """A file of an earlier task is missing, damaged or belongs to other data."""


class KernelError(PipelineError):
    """numpy computes in another way here than models are trained with."""


class ConversionError(PipelineError):
    """The ONNX model does not answer as the scikit-learn model does."""


class RegistryError(PipelineError):
    """The model registry refused, or holds something other than was asked for."""


class NoChampionError(RegistryError):
    """No version holds the alias ``champion`` yet."""


class OvertakenError(RegistryError):
    """Another version became champion during a promotion, which was decided against the old one."""


class RegistryUnavailableError(PipelineError):
    """The registry gave no answer: its contents are unknown."""

    exit_code = 4


class PartlyRepairedError(RegistryError):
    """The registry was repaired, and something is left for a person."""

    exit_code = 5


class NotPromotedError(PipelineError):
    """The champion stays, and the caller had asked for a promotion."""

    exit_code = 3


class PackageError(PipelineError):
    """A deployment package differs from its manifest; the message names each file."""


class ImageError(PipelineError):
    """An image could not be built, or does not behave as the package it was built from."""


class GitHubError(PipelineError):
    """GitHub refused, or did not answer."""


class ReleaseError(PipelineError):
    """A tag cannot be released, or a release differs from its plan."""


class ScanError(PipelineError):
    """It is unknown whether an image has vulnerabilities."""
