"""The files of a registry that stay where room is scarce. A version itself is never dropped."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.base.policies import RetentionPolicy
from pipeline.base.records import Record


class Stored(Record):
    """A version as far as its files are concerned: which model folder it has, and who uses it.

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
    """Return what the policy lets go of the versions of each family.

    ``served`` are the versions of the served model: every champion there ever was.
    """
    champions = {one.origin for one in served}
    lost, lost_runs, kept_models = [], [], set()
    for versions in families.values():
        newest = sorted(versions, key=lambda one: one.created_ms, reverse=True)
        for age, one in enumerate(newest):
            lasting = one.title in champions or one.kept_by_alias
            if age < policy.versions or lasting:
                kept_models.add(one.model_id)
            else:
                lost.append(one)
            if age >= policy.runs and not lasting:
                lost_runs.append(one.run_id)
    return Expired(
        titles=tuple(sorted(one.title for one in lost)),
        model_ids=tuple(sorted({one.model_id for one in lost} - kept_models)),
        run_ids=tuple(sorted(lost_runs)),
    )
