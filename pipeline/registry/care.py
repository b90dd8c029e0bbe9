"""The registry as its doctor sees it: everything in it as values, and the repairs."""

import re
from datetime import UTC, datetime
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.base import manifest
from pipeline.base.errors import RegistryError
from pipeline.registry.client import Registry
from pipeline.registry.diagnosis import DUPLICATE, Finding, ModelState, RunState, VersionState
from pipeline.registry.history import Promotion
from pipeline.registry.mlflow_calls import every_page
from pipeline.registry.publishing import KEY
from pipeline.registry.version import COMPLETE, Version

# The source of a version that is a copy of another one.
COPY: Final = re.compile(r"models:/[^/]+/\d+")


class RegistryCare(Registry):
    """A registry that can be looked at as a whole, and repaired."""

    def runs(self) -> list[RunState]:
        """Return our experiment's runs that were not deleted: others may use the server, too."""
        now = _now_ms()
        return [
            RunState(
                run_id=run.info.run_id,
                name=run.info.run_name or "",
                key=run.data.tags.get(KEY, ""),
                running=run.info.status == "RUNNING",
                age=(now - run.info.start_time) / 1000,
            )
            for run in self._calls.ask(lambda client: _all_runs(client, self._experiment))
        ]

    def state(self, version: Version) -> VersionState:
        """Read a version's files and return how it is.

        Raises:
            RegistryUnavailableError: the registry does not answer.

        """
        copied = COPY.fullmatch(version.source)
        return VersionState(
            model_name=version.model_name,
            version=version.version,
            run_id=version.run_id,
            key=version.tags.get(KEY, ""),
            origin=version.source.removeprefix("models:/") if copied else "",
            complete=version.complete,
            pruned=version.pruned,
            expected={} if version.pruned else _expected(version),
            stored={} if version.pruned else self._digests(version),
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
        )

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
        holder = self.find_alias(name, alias)
        if holder is None or not holder.complete:
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


def _all_runs(client: MlflowClient, name: str) -> list[Run]:
    if (experiment := client.get_experiment_by_name(name)) is None:
        return []
    ids = [experiment.experiment_id]
    listed = every_page(lambda page: client.search_runs(ids, page_token=page))
    # A run that begins meanwhile pushes another one onto the next page, too.
    runs = {run.info.run_id: run for run in listed}
    return list(runs.values())


def _now_ms() -> float:
    return datetime.now(UTC).timestamp() * 1000
