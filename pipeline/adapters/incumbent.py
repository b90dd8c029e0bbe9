"""The model that holds an alias, read from the registry and verified, or why it cannot be."""

from dataclasses import dataclass

from pipeline.adapters.registry import Registry
from pipeline.core import trained_model
from pipeline.core.trained_model import TrainedModel
from pipeline.errors import ArtifactError, RegistryError, RegistryUnavailableError


@dataclass(frozen=True)
class Incumbent:
    """The champion of a registered model; without ``model``, ``problem`` says what is wrong."""

    title: str
    model: TrainedModel | None
    problem: str = ""


def read(registry: Registry, model_name: str, alias: str) -> Incumbent | None:
    """Return the model that holds ``alias``, or None when no version does.

    A champion that is missing, changed or unreadable is an answer, which the gate judges.

    Raises:
        RegistryUnavailableError: the registry does not answer.

    """
    version = registry.find_alias(model_name, alias)
    if version is None:
        return None
    try:
        model = trained_model.read(registry.files(version), version.title)
    except RegistryUnavailableError:
        raise
    except (RegistryError, ArtifactError) as error:
        return Incumbent(version.title, None, str(error))
    return Incumbent(version.title, model)
