"""The files of a registry that stay where room is scarce. A version itself is never dropped."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.base.policies import RetentionPolicy
from pipeline.base.records import Record


class Stored(Record):
    """A version as far as its files are concerned: the folder of its model, and who uses it.

    ``origin`` is the version it was copied from, as ``name/version``, or empty; ``run_id`` is the
    run whose figures belong to it.
    """

    title: str
    model_id: str
    run_id: str
    created_ms: int
    kept_by_alias: bool = False
    origin: str = ""


class Expired(Record):
    """The versions that lose their model's files, the folders of these, and the runs to drop."""

    titles: tuple[str, ...]
    model_ids: tuple[str, ...]
    run_ids: tuple[str, ...]


def expired(
    families: Mapping[str, Sequence[Stored]], served: Iterable[Stored], policy: RetentionPolicy
) -> Expired:
    """Return the files and runs of each family's versions that the policy lets go.

    ``served`` are the versions of the served model: every champion there ever was.
    """
    champions = {version.origin for version in served}
    lost, lost_runs, kept_models = [], [], set()
    for versions in families.values():
        newest = sorted(versions, key=lambda version: version.created_ms, reverse=True)
        for age, version in enumerate(newest):
            lasting = version.title in champions or version.kept_by_alias
            if age < policy.versions or lasting:
                kept_models.add(version.model_id)
            else:
                lost.append(version)
            if age >= policy.runs and not lasting:
                lost_runs.append(version.run_id)
    return Expired(
        titles=tuple(sorted(version.title for version in lost)),
        model_ids=tuple(sorted({version.model_id for version in lost} - kept_models)),
        run_ids=tuple(sorted(lost_runs)),
    )
