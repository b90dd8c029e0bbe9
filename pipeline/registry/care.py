"""The registry as its doctor sees it: everything in it as values, and the repairs."""

import re
from datetime import UTC, datetime
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Run, ViewType

from pipeline.base import manifest
from pipeline.base.errors import RegistryError
from pipeline.gate.decision import Outcome
from pipeline.registry.client import Registry
from pipeline.registry.findings import DUPLICATE, Finding, ModelState, RunState, VersionState
from pipeline.registry.history import PREVIOUS_CHAMPION, Promotion
from pipeline.registry.log import promotion_of
from pipeline.registry.mlflow_calls import every_page
from pipeline.registry.publishing import KEY
from pipeline.registry.version import COMPLETE, MANIFEST, Version

# The tag of the served model with the moment up to which all was looked at and found right.
LOOKED: Final = "looked_at"
# The source of a version that is a copy of another one.
COPY: Final = re.compile(r"models:/[^/]+/\d+")


class RegistryCare(Registry):
    """A registry that can be looked at as a whole, and repaired."""

    def runs(self, since: float = 0) -> list[RunState]:
        """Return our experiment's runs, also deleted ones: others may use the server, too.

        Of those that ended and began before ``since``, in milliseconds since 1970, none.
        """
        now = _now_ms()
        return [
            RunState(
                run_id=run.info.run_id,
                name=run.info.run_name or "",
                key=run.data.tags.get(KEY, ""),
                running=run.info.status == "RUNNING",
                age=(now - run.info.start_time) / 1000,
                deleted=run.info.lifecycle_stage == LifecycleStage.DELETED,
            )
            for run in self._calls.ask(lambda client: _runs(client, self._experiment, since))
        ]

    def state(self, version: Version) -> VersionState:
        """Read a version's files and return how it is.

        Raises:
            RegistryUnavailableError: the registry does not answer.

        """
        return self._state(version, {} if version.pruned else self._digests(version))

    def unread(self, version: Version) -> VersionState:
        """Return how a version is whose files are taken for right."""
        return self._state(version, {} if version.pruned else _expected(version))

    def _state(self, version: Version, stored: dict[str, str]) -> VersionState:
        copied = COPY.fullmatch(version.source)
        return VersionState(
            model_name=version.model_name,
            version=version.version,
            identity=version.identity,
            ours=not version.tags.keys().isdisjoint({KEY, MANIFEST, COMPLETE}),
            promoted="promoted_by" in version.tags
            or version.tags.get("gate_outcome") == Outcome.PROMOTE,
            key=version.tags.get(KEY, ""),
            origin=version.source.removeprefix("models:/") if copied else "",
            complete=version.complete,
            pruned=version.pruned,
            expected={} if version.pruned else _expected(version),
            stored=stored,
            age=(_now_ms() - version.created_ms) / 1000,
        )

    def model(self, name: str) -> ModelState:
        """Return a registered model's log and aliases."""
        # In this order: a promoter writes into the log before it moves an alias.
        aliases, log = self.aliases(name), self.log(name)
        return ModelState(
            name=name,
            log=tuple(entry for _, entry in log if entry),
            aliases=aliases,
            unreadable=tuple(version.version for version, entry in log if entry is None),
            anonymous=tuple(v.version for v, entry in log if entry and promotion_of(v) is None),
        )

    def note_look(self, moment: int) -> None:
        """Note that nothing is wrong with what was made before, in milliseconds since 1970."""
        self._note(LOOKED, str(moment))

    def last_look(self) -> int:
        """Return the moment that `note_look` noted last, or 0."""
        noted = self._noted(LOOKED)
        return int(noted) if noted.isdecimal() else 0

    def deleted_experiment(self) -> str:
        """Return the name of our experiment if it was deleted, or nothing."""
        found = self._calls.ask(lambda client: client.get_experiment_by_name(self._experiment))
        gone = found is not None and found.lifecycle_stage == LifecycleStage.DELETED
        return self._experiment if gone else ""

    def repair(self, finding: Finding, promotion: Promotion) -> None:
        """Carry out a finding's repair; ``promotion`` names the author for the history.

        Raises:
            RegistryError: it could not be repaired.

        """
        match finding.repair:
            case "end the run":
                self._calls.ask(lambda c: c.set_terminated(finding.subject, finding.target))
            case "take the key away":
                self._take_key(finding)
            case "complete the version":
                version = self._named(finding.subject)
                self._verified(version)
                self.tag(version, {COMPLETE: "true"})
            case "copy the files from other versions":
                self._copy_files(finding)
            case "put the manifest back":
                right = self._named(finding.target).tags[MANIFEST]
                self.tag(self._named(finding.subject), {MANIFEST: right})
            case "restore the experiment":
                self._calls.ask(lambda client: _restore_experiment(client, finding.subject))
            case "restore the run":
                self._calls.ask(lambda client: client.restore_run(finding.subject))
            case _:
                self._repair_champion(finding, promotion)

    def _repair_champion(self, finding: Finding, promotion: Promotion) -> None:
        match finding.repair:
            case "move the aliases":
                self.settle(finding.subject)
            case "remove the alias":
                self._remove_alias(finding.subject, finding.target)
            case "write the champion into the history":
                champion = self.champion(finding.subject)
                self.promote(champion, promotion, over=champion)
            case "promote an earlier champion":
                earlier = self.version(finding.subject, int(finding.target))
                self.promote(earlier, promotion, over=None)

    def _remove_alias(self, name: str, alias: str) -> None:
        holder, standing = self.find_alias(name, alias), self.standing(name)
        loose = alias == PREVIOUS_CHAMPION and standing.previous is None
        if holder is None or not holder.complete or loose:
            self._calls.find(lambda client: client.delete_registered_model_alias(name, alias))

    def _take_key(self, finding: Finding) -> None:
        if "/" in finding.subject:
            version = self._named(finding.subject)
            if DUPLICATE not in version.tags[KEY]:
                self.tag(version, {KEY: f"{version.tags[KEY]}{DUPLICATE}{finding.target}"})
            return

        def take(client: MlflowClient) -> None:
            key = client.get_run(finding.subject).data.tags[KEY]
            if DUPLICATE not in key:
                client.set_tag(finding.subject, KEY, f"{key}{DUPLICATE}{finding.target}")

        self._calls.ask(take)

    def _copy_files(self, finding: Finding) -> None:
        damaged = self._named(finding.subject)
        files = {
            path: self.files(self._named(donor))[path] for path, donor in finding.donors.items()
        }
        origin = damaged
        while COPY.fullmatch(origin.source):
            origin = self._named(origin.source.removeprefix("models:/"))
            if origin.run_id != damaged.run_id:
                raise RegistryError(f"{origin.title} is not what {damaged.title} was copied from")
        self._upload(origin.source.removeprefix("models:/"), files)
        self._verified(damaged)

    def _named(self, title: str) -> Version:
        name, _, number = title.rpartition("/")
        return self.version(name, int(number))

    def _digests(self, version: Version) -> dict[str, str]:
        try:
            return manifest.digests(self.stored(version))
        except RegistryError:
            return {}


def _expected(version: Version) -> dict[str, str]:
    try:
        return version.manifest
    except RegistryError:
        return {}


def _runs(client: MlflowClient, name: str, since: float) -> list[Run]:
    if (experiment := client.get_experiment_by_name(name)) is None:
        return []
    ids = [experiment.experiment_id]

    def search(text: str, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
        return every_page(lambda page: client.search_runs(ids, text, view, page_token=page))

    listed = [
        *search("", ViewType.DELETED_ONLY),
        *search("attributes.status = 'RUNNING'"),
        *search(f"attributes.start_time >= {since:.0f}"),
    ]
    # A run that begins meanwhile pushes another one onto the next page, too.
    runs = {run.info.run_id: run for run in listed}
    return list(runs.values())


def _restore_experiment(client: MlflowClient, name: str) -> None:
    if (experiment := client.get_experiment_by_name(name)) is not None:
        client.restore_experiment(experiment.experiment_id)


def _now_ms() -> float:
    return datetime.now(UTC).timestamp() * 1000
