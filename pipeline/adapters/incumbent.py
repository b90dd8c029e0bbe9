"""The model that holds an alias, read from the registry and verified, or why it cannot be."""

from pipeline.adapters.registry import Registry
from pipeline.core import trained_model
from pipeline.core.examiner import Incumbent
from pipeline.errors import ArtifactError, RegistryError, RegistryUnavailableError


def read(registry: Registry, model_name: str, alias: str) -> Incumbent | None:
    """Return the model that holds ``alias``, or None when no version does.

    A champion that is missing, changed or unreadable is an answer, which the gate judges.

    Raises:
        RegistryUnavailableError: the registry does not answer.

    """
    version = registry.find_alias(model_name, alias)
    if version is None:
        return None
    commit = version.tags.get("git_commit", "unknown")
    try:
        model = trained_model.read(registry.files(version), version.title)
    except RegistryUnavailableError:
        raise
    except (RegistryError, ArtifactError) as error:
        return Incumbent(version.title, None, str(error), commit)
    return Incumbent(version.title, model, commit=commit)
