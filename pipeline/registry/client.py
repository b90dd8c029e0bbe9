"""The MLflow registry: runs, versions, aliases. It does what it is told, and decides nothing.

Who is champion is for `pipeline.registry.history` to say; here the aliases are made to follow.

A version is published in stages: its files are uploaded, downloaded again and compared with their
manifest, and only then is it tagged complete. Whoever reads a version's files gets them verified.
"""

import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from pipeline.base import manifest
from pipeline.base.artifacts import files_below
from pipeline.base.errors import (
    ArtifactError,
    NoChampionError,
    OvertakenError,
    RegistryError,
    RegistryUnavailableError,
)
from pipeline.base.manifest import Files
from pipeline.base.names import HISTORY
from pipeline.base.policies import Patience
from pipeline.base.records import Record
from pipeline.gate.examiner import Incumbent
from pipeline.registry import history
from pipeline.registry.diagnosis import DOUBLE
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION, Crowning, Entry
from pipeline.registry.mlflow_calls import MlflowCalls, every_page, first, plain, unless_there
from pipeline.registry.publishing import KEY, Submission, experiment_id, log_model, log_run, upload
from pipeline.training import trained_model

MANIFEST: Final = "manifest"
COMPLETE: Final = "complete"
PRUNED: Final = "files_pruned"
DIGEST: Final = "model_digest"
# What an entry of the history carries: see `history.Entry`.
MODEL: Final = "model"
VERSION: Final = "version"
AFTER: Final = "after"
CROWNING: Final = "crowning"

# Others may move an alias while it is read; it stands still sooner than that.
_SETTLING: Final = 20
# An embedded registry's files are loaded where they lie, and Python leaves its caches beside code.
_CACHE: Final = re.compile(r"code/(.*/)?__pycache__/")
# Entries of the log that are read at once.
_PAGE: Final = 20


class Version(Record):
    """One version of a registered model."""

    model_name: str
    version: int
    run_id: str
    source: str
    created_ms: int
    tags: dict[str, str]

    @property
    def title(self) -> str:
        """Return the version as people write it, for example ``heart_disease_svm/3``."""
        return f"{self.model_name}/{self.version}"

    @property
    def complete(self) -> bool:
        """Say whether every file of the version was seen to be stored."""
        return self.tags.get(COMPLETE) == "true"

    @property
    def pruned(self) -> bool:
        """Say whether the files were dropped to save room; the version itself stays."""
        return self.tags.get(PRUNED) == "true"

    @property
    def manifest(self) -> dict[str, str]:
        """Return the sha256 of each file that was published.

        Raises:
            RegistryError: the tag is damaged.

        """
        try:
            return manifest.parse_checksum_lines(self.tags.get(MANIFEST, ""))
        except ValueError as error:
            raise RegistryError(f"the manifest of {self.title} is damaged: {error}") from error

    def holds(self, files: Files) -> bool:
        """Say whether the version was published with these files, among others, as they are."""
        try:
            known = self.manifest
        except RegistryError:
            return False
        return all(known.get(name) == digest for name, digest in manifest.digests(files).items())


class Registry:
    """The registry at one tracking URI: a SQLite file or an MLflow server.

    MLflow resolves ``models:/`` addresses by its process-wide setting, so there can be one registry
    in a process at a time. Every method raises `RegistryUnavailableError` where the registry gives
    no good answer for as long as ``patience`` allows, and `RegistryError` where it refuses.
    """

    def __init__(
        self, tracking_uri: str, experiment: str, patience: Patience | None = None
    ) -> None:
        """Point MLflow at ``tracking_uri``; an embedded registry is made if it does not exist.

        Raises:
            RegistryError: the embedded registry's file cannot be opened, or MLflow knows no such
                kind of address.

        """
        self._calls = MlflowCalls(tracking_uri, patience or Patience())
        self._experiment = experiment

    # --- reading

    def version(self, model_name: str, version: int) -> Version:
        """Return one version.

        Raises:
            RegistryError: there is none.

        """
        if (found := self._find(model_name, version)) is None:
            raise RegistryError(f"{self._calls.uri} holds no {model_name}/{version}")
        return found

    def _find(self, model_name: str, version: int) -> Version | None:
        found = self._calls.find(lambda client: client.get_model_version(model_name, str(version)))
        return _version(found) if found else None

    def versions(self, model_name: str, **tags: str) -> list[Version]:
        """Return the versions with the given tags, oldest first."""
        conditions = [f"tags.{name} = '{value}'" for name, value in tags.items()]
        return self._calls.ask(lambda client: _search(client, model_name, *conditions))

    def newest(self, model_name: str) -> Version | None:
        """Return the newest complete version of a model, or None."""
        complete = [version for version in self.versions(model_name) if version.complete]
        return complete[-1] if complete else None

    def find_alias(self, model_name: str, alias: str) -> Version | None:
        """Return the version that holds ``alias``, or None."""
        found = self._calls.find(
            lambda client: client.get_model_version_by_alias(model_name, alias)
        )
        return _version(found) if found else None

    def _holder(self, model_name: str, alias: str) -> int | None:
        found = self.find_alias(model_name, alias)
        return found.version if found else None

    def aliases(self, model_name: str) -> dict[str, int]:
        """Return the version of each alias of a model; none where there is no such model."""
        found = self._calls.find(lambda client: client.get_registered_model(model_name))
        aliases = found.aliases if found else {}
        return {alias: int(version) for alias, version in aliases.items()}

    def champion(self, model_name: str) -> Version:
        """Return the version that holds the alias ``champion``.

        Raises:
            NoChampionError: no version holds it.

        """
        if (version := self.find_alias(model_name, CHAMPION)) is None:
            raise NoChampionError(
                f"no version holds {model_name}@{CHAMPION} in {self._calls.uri}: "
                "run `python -m pipeline.experiment_tracking` first"
            )
        return version

    def incumbent(self, champion: Version | None) -> Incumbent | None:
        """Return a champion with its model; None for none.

        A champion that is missing, changed or unreadable is an answer, which the gate judges.

        Raises:
            RegistryUnavailableError: the registry does not answer.

        """
        if champion is None:
            return None
        commit = champion.tags.get("git_commit", "unknown")
        try:
            model = trained_model.read(self.files(champion), champion.title)
        except RegistryUnavailableError:
            raise
        except (RegistryError, ArtifactError) as error:
            return Incumbent(champion.title, None, str(error), commit)
        return Incumbent(champion.title, model, commit=commit)

    def files(self, version: Version) -> dict[str, bytes]:
        """Download a version's files and check them against its manifest.

        Raises:
            RegistryError: the version is incomplete, or a file is missing, changed or unexpected;
                the message names each.

        """
        if not version.complete:
            raise RegistryError(f"{version.title} is incomplete: its upload was never verified")
        if version.pruned:
            raise RegistryError(
                f"the files of {version.title} were dropped to save room: train its commit "
                f"{version.tags.get('git_commit', '')} again"
            )
        return self._verified(version)

    def _verified(self, version: Version) -> dict[str, bytes]:
        if not (files := self.stored(version)):
            raise RegistryError(
                f"no file of {version.title} is where it was stored; an embedded registry does not "
                "move: put the folder back, or train again"
            )
        expected = version.manifest
        if found := manifest.differences(expected, manifest.digests(files)):
            raise RegistryError(f"{version.title} is not what was published: {'; '.join(found)}")
        return files

    def stored(self, version: Version) -> dict[str, bytes]:
        """Download what is stored of a version, right or wrong; nothing where it is gone.

        Raises:
            RegistryError: it cannot be read.

        """
        try:
            return self._calls.ask(lambda client: _stored(client, version))
        except RegistryUnavailableError:
            raise
        except RegistryError as error:
            raise RegistryError(f"the files of {version.title} are missing: {error}") from error

    # --- publishing

    def publish(self, submission: Submission) -> Version:
        """Create a version from ``submission``, or return the one that its key has already made.

        Whatever an interrupted call left is taken up where it stopped.

        Raises:
            RegistryError: what is stored is not what was sent, and the version stays incomplete; or
                the key has made another model.

        """
        name, key = submission.model_name, submission.key
        if not self.versions(name, **{KEY: key}):
            self._create(submission)
        if not (made := self.versions(name, **{KEY: key})):
            raise RegistryError(f"the version of {name} with the key {key} was changed meanwhile")
        version, *doubles = made
        for double in doubles:
            # Of two jobs with one key, the later; or a request that was given up for lost.
            self.tag(double, {KEY: f"{key}{DOUBLE}{version.title}"})
        if version.tags.get(DIGEST) != submission.tags.get(DIGEST):
            raise RegistryError(
                f"the key {key} was used for other models ({version.title}): give another key"
            )
        if not version.complete:
            version = self._complete(version, submission)
        self._calls.done.append(f"{version.title} is complete")
        return version

    def _create(self, submission: Submission) -> None:
        run = log_run(self._calls, self._experiment_id(), submission)
        model_id = log_model(self._calls, submission, run)
        self.ensure_registered(submission.model_name, submission.description)
        self._calls.ask(lambda client: client.set_terminated(run.info.run_id))
        tags = {**submission.tags, KEY: submission.key, MANIFEST: _checksums(submission.files)}
        self._calls.create(
            lambda client: _with_key(client, submission.model_name, submission.key),
            lambda client: _version(
                client.create_model_version(
                    submission.model_name,
                    source=f"models:/{model_id}",
                    run_id=run.info.run_id,
                    model_id=model_id,
                    tags=tags,
                )
            ),
        )

    def _complete(self, version: Version, submission: Submission) -> Version:
        try:
            self._verified(version)
        except RegistryUnavailableError:
            raise
        except RegistryError:
            # Nobody was given these files: they can be sent once more.
            self._upload(version.source.removeprefix("models:/"), submission.files)
            version = self.tag(version, {MANIFEST: _checksums(submission.files)})
            self._verified(version)
        return self.tag(version, {COMPLETE: "true"})

    def _upload(self, model_id: str, files: Files) -> None:
        upload(self._calls, model_id, files)

    def _experiment_id(self) -> str:
        return experiment_id(self._calls, self._experiment)

    # --- tags, copies

    def tag(self, version: Version, tags: Mapping[str, str]) -> Version:
        """Set ``tags`` on a version and return it as it is then."""

        def set_all(client: MlflowClient) -> None:
            for key, value in tags.items():
                if version.tags.get(key) != value:
                    plain(client).set_model_version_tag(
                        version.model_name, str(version.version), key, value
                    )

        self._calls.ask(set_all)
        return version.model_copy(update={"tags": {**version.tags, **tags}})

    def prune(self, version: Version) -> Version:
        """Note that the files of a version are about to be dropped."""
        return self.tag(version, {PRUNED: "true"})

    def ensure_registered(self, model_name: str, description: str) -> None:
        """Create a registered model unless there is one of that name.

        It is looked for first: where a server has accounts, only its admin may create one. MLflow
        reads all versions of a model to show it, so one of them is looked for before.
        """
        if self._calls.ask(lambda client: _newest(client, model_name, 1)):
            return
        if self._calls.find(lambda client: client.get_registered_model(model_name)) is None:
            self._calls.ask(
                lambda client: unless_there(
                    lambda: client.create_registered_model(model_name, description=description)
                )
            )

    def copy(self, version: Version, model_name: str, tags: Mapping[str, str]) -> Version:
        """Copy a version into another registered model, or return the copy made before.

        ``tags`` are added to those of the version, in the same call that makes the copy.
        """
        address, run = f"models:/{version.title}", f"run_id = '{version.run_id}'"

        def made(client: MlflowClient) -> Version | None:
            found = _search(client, model_name, run)
            return first(copied for copied in found if copied.source == address)

        copied = self._calls.create(
            made,
            lambda client: _version(
                client.create_model_version(
                    model_name, address, version.run_id, tags={**version.tags, **tags}
                )
            ),
        )
        return self.tag(copied, tags)

    # --- champions

    def set_alias(self, version: Version, alias: str) -> None:
        """Point ``alias`` at a version, in one call."""
        self._point(version.model_name, alias, version.version)

    def _point(self, name: str, alias: str, version: int) -> None:
        self._calls.ask(
            lambda client: plain(client).set_registered_model_alias(name, alias, str(version))
        )

    def succession(self, model_name: str) -> list[Entry]:
        """Return the crownings of a model that count, oldest first."""
        return history.succession(entry for _, entry in self.log(model_name) if entry)

    def log(self, model_name: str) -> list[tuple[Version, Entry | None]]:
        """Return the whole log of a model's champions; an entry that is damaged is None."""
        return [(one, _entry(one)) for one in self.versions(HISTORY, **{MODEL: model_name})]

    def _line(self, model_name: str, oldest: int = 0) -> Iterator[Entry]:
        """Return the crownings that count, newest first, and no entry older than ``oldest``.

        As few pages of the log are read as it takes, so a long history costs nothing.
        """
        line = history.backwards(filter(None, map(_entry, self._recent(model_name))))
        return takewhile(lambda entry: entry.sequence >= oldest, line)

    def _recent(self, model_name: str) -> Iterator[Version]:
        """Return the entries of a model's log as they stand, newest first."""
        conditions = [f"tags.{MODEL} = '{model_name}'"]
        while page := self._page(*conditions):
            yield from page
            # Not by MLflow's own page: what is appended meanwhile would move them.
            conditions[1:] = [f"version_number < {page[-1].version}"]

    def _page(self, *conditions: str) -> list[Version]:
        return self._calls.ask(lambda client: _newest(client, HISTORY, _PAGE, *conditions))

    def _last(self, model_name: str) -> tuple[int, Entry | None]:
        """Return the number of the last entry, 0 for none, and the last one that counts."""
        recent = self._recent(model_name)
        newest = list(islice(recent, 1))
        entries = filter(None, map(_entry, chain(newest, recent)))
        return newest[0].version if newest else 0, first(history.backwards(entries))

    def crown(self, version: Version, crowning: Crowning, over: Version | None) -> None:
        """Make a version the champion of its model, in the place of ``over``.

        First it is written into the history, which decides between promoters at once; then the
        aliases follow. A reader sees the old champion or the new one. An interruption before the
        first step leaves the old champion, one after it is finished by the next `settle`.

        Raises:
            OvertakenError: another version than ``over`` is champion, or was made so just now.
            RegistryError: the version is incomplete, or its files are not what was published.

        """
        name = version.model_name
        self.files(version)
        newest, last = self._last(name)
        reigning = last.version if last else self._holder(name, CHAMPION)
        if reigning and over is None and self._find(name, reigning) is None:
            reigning = None  # it was deleted, so its place is free
        if reigning != (over.version if over else None):
            raise OvertakenError(
                f"{name}/{reigning} became champion meanwhile: look at it, and decide again"
                if reigning
                else f"{name} lost its champion meanwhile: look at it, and decide again"
            )
        self.ensure_registered(HISTORY, "Who was champion when: each version is one crowning")
        sequence = self._append(version, crowning, newest)
        if all(entry.sequence != sequence for entry in self._line(name, sequence)):
            raise OvertakenError(
                f"another version became champion before {version.title} could: look at it, and "
                "decide again"
            )
        self._calls.done.append(f"{version.title} is champion")
        self.settle(name)

    def _append(self, version: Version, crowning: Crowning, after: int) -> int:
        key = uuid.uuid4().hex
        tags = {
            KEY: key,
            MODEL: version.model_name,
            VERSION: str(version.version),
            AFTER: str(after),
            CROWNING: crowning.model_dump_json(),
        }
        self._calls.create(
            lambda client: _with_key(client, HISTORY, key),
            lambda client: _version(
                client.create_model_version(
                    HISTORY,
                    f"models:/{version.title}",
                    version.run_id,
                    tags=tags,
                    description=f"{version.title} {crowning.action}: {crowning.reason}",
                )
            ),
        )
        # Of two with this key, one came late: the first is the one that may count.
        return self.versions(HISTORY, **{KEY: key})[0].version

    def settle(self, model_name: str) -> Version | None:
        """Point the aliases of a model where its history says, and return the champion, or None.

        Where every champion there was has been deleted, there is none.

        Raises:
            RegistryError: the champion was deleted, or the history does not stand still.

        """
        for _ in range(_SETTLING):
            # The aliases first: whoever moves them meanwhile has written into the log before.
            aliases = {one: self._holder(model_name, one) for one in (CHAMPION, PREVIOUS_CHAMPION)}
            line = self._line(model_name)
            if (last := first(line)) is None:
                return self.find_alias(model_name, CHAMPION)
            champion = self._find(model_name, last.version)
            others = (entry.version for entry in line if entry.version != last.version)
            before = first(number for number in others if self._find(model_name, number))
            if champion is None and before is None:
                return None
            if champion is None:
                raise RegistryError(
                    f"{model_name}/{last.version} is champion by the history and was deleted: "
                    "run `python -m pipeline.registry doctor --repair`"
                )
            wanted = {CHAMPION: champion.version}
            if before is not None:
                wanted = {PREVIOUS_CHAMPION: before, **wanted}
            if wanted.items() <= aliases.items():
                return champion
            for alias, version in wanted.items():
                if aliases.get(alias) != version:
                    self._point(model_name, alias, version)
        raise RegistryError(
            f"the champion of {model_name} changed {_SETTLING} times while it was looked at: run "
            "the same command again"
        )


def download(address: str) -> dict[str, bytes]:
    """Return the files at an address of MLflow."""
    with tempfile.TemporaryDirectory() as folder:
        repository: Any = get_artifact_repository(address)
        found = repository.download_artifacts("", folder)
        files = files_below(Path(found))
    # MLflow's client writes this one beside what it downloads.
    files.pop("registered_model_meta", None)
    return {name: content for name, content in files.items() if not _CACHE.match(name)}


def _stored(client: MlflowClient, version: Version) -> dict[str, bytes]:
    place = plain(client).get_model_version_download_uri(version.model_name, str(version.version))
    return download(place)


def _newest(client: MlflowClient, model_name: str, count: int, *conditions: str) -> list[Version]:
    """Return at most so many of a model's versions, newest first."""
    text = " and ".join([f"name = '{model_name}'", *conditions])
    order = ["version_number DESC"]
    return [*map(_version, client.search_model_versions(text, count, order))]


def _search(client: MlflowClient, model_name: str, *conditions: str) -> list[Version]:
    text = " and ".join([f"name = '{model_name}'", *conditions])
    versions = every_page(lambda page: client.search_model_versions(text, page_token=page))
    return sorted(map(_version, versions), key=lambda version: version.version)


def _with_key(client: MlflowClient, model_name: str, key: str) -> Version | None:
    return first(_search(client, model_name, f"tags.{KEY} = '{key}'"))


def _version(found: ModelVersion) -> Version:
    return Version(
        model_name=found.name,
        version=int(found.version),
        run_id=found.run_id or "",
        source=found.source,
        created_ms=found.creation_timestamp,
        tags=dict(found.tags),
    )


def _entry(version: Version) -> Entry | None:
    """Read an entry of the history; one that somebody damaged does not count."""
    try:
        return Entry(
            sequence=version.version,
            version=int(version.tags[VERSION]),
            after=int(version.tags[AFTER]),
            crowning=Crowning.model_validate_json(version.tags[CROWNING]),
        )
    except (KeyError, ValueError):
        return None


def _checksums(files: Files) -> str:
    return manifest.checksum_lines(manifest.digests(files))
