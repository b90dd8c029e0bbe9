"""The champions of an MLflow registry. They follow the log, and nothing is decided here.

`pipeline.registry.history` says which version is champion; the aliases are made to follow here.
"""

import uuid
from collections.abc import Iterator
from itertools import chain, islice, takewhile
from typing import Final

from mlflow.entities.model_registry import RegisteredModel

from pipeline.base.errors import (
    ArtifactError,
    NoChampionError,
    OvertakenError,
    RegistryError,
)
from pipeline.base.names import HISTORY, SERVED
from pipeline.base.registry_settings import RegistrySettings
from pipeline.gate.examiner import Incumbent
from pipeline.registry import history
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION, Entry, Promotion
from pipeline.registry.mlflow_calls import first, plain
from pipeline.registry.publishing import KEY
from pipeline.registry.version import Version, newest_of, version_of, with_key
from pipeline.registry.versions import Versions
from pipeline.training import trained_model

# The tags of an entry of the history: see `history.Entry`.
MODEL: Final = "model"
VERSION: Final = "version"
AFTER: Final = "after"
# The tag's name is older than the word: registries hold it.
PROMOTION: Final = "crowning"
# The tag of the served model with the commit of the last training that was finished.
TRAINED: Final = "trained_commit"
# The aliases that follow the history.
_FOLLOWING: Final = (CHAMPION, PREVIOUS_CHAMPION)
# Others may move an alias while it is read; it stands still sooner than that.
_SETTLING: Final = 20
# Entries of the log that are read at once.
_PAGE: Final = 20


def connect(settings: RegistrySettings) -> "Registry":
    """Return the registry that the settings name."""
    return Registry(settings.tracking_uri, settings.experiment, settings.retry)


class Registry(Versions):
    """A registry of models, each of which may have a champion."""

    def champion(self, model_name: str) -> Version:
        """Return the version that holds the alias ``champion``.

        Raises:
            NoChampionError: no version holds it.

        """
        if (version := self.find_alias(model_name, CHAMPION)) is None:
            raise NoChampionError(
                f"no version holds {model_name}@{CHAMPION} in {self._calls.uri}: "
                "run `.venv/bin/python -m pipeline.experiment_tracking` first"
            )
        return version

    def incumbent(self, champion: Version | None) -> Incumbent | None:
        """Return a champion with its model; None for none.

        A champion that is missing, changed or unreadable is returned with its problem, which the
        gate judges.

        Raises:
            RegistryUnavailableError: the registry does not answer.

        """
        if champion is None:
            return None
        commit = champion.tags.get("git_commit", "unknown")
        try:
            model = trained_model.read(self.files(champion), champion.title)
        except (RegistryError, ArtifactError) as error:
            return Incumbent(champion.title, None, str(error), commit)
        return Incumbent(champion.title, model, commit=commit)

    # --- champions

    def set_alias(self, version: Version, alias: str) -> None:
        """Point ``alias`` at a version, in one call."""
        self._point(version.model_name, alias, version.version)

    def _point(self, name: str, alias: str, version: int) -> None:
        self._calls.ask(
            lambda client: plain(client).set_registered_model_alias(name, alias, str(version))
        )

    def valid_entries(self, model_name: str) -> list[Entry]:
        """Return the promotions of a model that count, oldest first."""
        return history.valid_entries(entry for _, entry in self.log(model_name) if entry)

    def log(self, model_name: str) -> list[tuple[Version, Entry | None]]:
        """Return the whole log of a model's champions; an entry that is damaged is None."""
        return [
            (version, _entry(version)) for version in self.versions(HISTORY, **{MODEL: model_name})
        ]

    def _promotions(self, model_name: str, oldest: int = 0) -> Iterator[Entry]:
        """Return the promotions that count, newest first, and no entry older than ``oldest``.

        As few pages of the log are read as it takes, so a long history costs nothing.
        """
        entries = history.backwards(filter(None, map(_entry, self._recent(model_name))))
        return takewhile(lambda entry: entry.sequence >= oldest, entries)

    def _recent(self, model_name: str) -> Iterator[Version]:
        """Return the versions that are entries of a model's log, newest first."""
        conditions = [f"tags.{MODEL} = '{model_name}'"]
        while page := self._page(*conditions):
            yield from page
            # Not by MLflow's own page: what is appended meanwhile would move them.
            conditions[1:] = [f"version_number < {page[-1].version}"]

    def _page(self, *conditions: str) -> list[Version]:
        return self._calls.ask(lambda client: newest_of(client, HISTORY, _PAGE, *conditions))

    def _last(self, model_name: str) -> tuple[int, Entry | None]:
        """Return the number of the last entry, 0 for none, and the last one that counts."""
        recent = self._recent(model_name)
        newest = list(islice(recent, 1))
        entries = filter(None, map(_entry, chain(newest, recent)))
        return newest[0].version if newest else 0, first(history.backwards(entries))

    def promote(self, version: Version, promotion: Promotion, over: Version | None) -> None:
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
        current = last.version if last else self._holder(name, CHAMPION)
        if current and over is None and self._find(name, current) is None:
            current = None  # it was deleted, so its place is free
        if current != (over.version if over else None):
            raise OvertakenError(
                f"{name}/{current} became champion meanwhile: look at it, and decide again"
                if current
                else f"{name} lost its champion meanwhile: look at it, and decide again"
            )
        self.ensure_registered(HISTORY, "Who was champion when: each version is one promotion")
        sequence = self._append(version, promotion, newest)
        if all(entry.sequence != sequence for entry in self._promotions(name, sequence)):
            raise OvertakenError(
                f"another version became champion before {version.title} could: look at it, and "
                "decide again"
            )
        self._calls.done.append(f"{version.title} is champion")
        self.settle(name)

    def _append(self, version: Version, promotion: Promotion, after: int) -> int:
        key = uuid.uuid4().hex
        tags = {
            KEY: key,
            MODEL: version.model_name,
            VERSION: str(version.version),
            AFTER: str(after),
            PROMOTION: promotion.model_dump_json(),
        }
        self._calls.create(
            lambda client: with_key(client, HISTORY, key),
            lambda client: version_of(
                client.create_model_version(
                    HISTORY,
                    f"models:/{version.title}",
                    version.run_id,
                    tags=tags,
                    description=f"{version.title} {promotion.action}: {promotion.reason}",
                )
            ),
        )
        # Of two with this key, one came late: the first is the one that may count.
        return self.versions(HISTORY, **{KEY: key})[0].version

    def settle(self, model_name: str) -> Version | None:
        """Point the aliases of a model where its history says, and return the champion, or None.

        There is none if every version that was champion has been deleted.

        Raises:
            RegistryError: the champion was deleted, or the history does not stand still.

        """
        for _ in range(_SETTLING):
            # The aliases first: a promoter writes into the log before it moves them.
            aliases = {alias: self._holder(model_name, alias) for alias in _FOLLOWING}
            entries = self._promotions(model_name)
            if (last := first(entries)) is None:
                return self.find_alias(model_name, CHAMPION)
            champion = self._find(model_name, last.version)
            others = (entry.version for entry in entries if entry.version != last.version)
            previous = first(number for number in others if self._find(model_name, number))
            if champion is None and previous is None:
                return None
            if champion is None:
                raise RegistryError(
                    f"{model_name}/{last.version} is champion by the history and was deleted: "
                    "run `.venv/bin/python -m pipeline.registry doctor --repair`"
                )
            targets = {CHAMPION: champion.version}
            if previous is not None:
                targets = {PREVIOUS_CHAMPION: previous, **targets}
            if targets.items() <= aliases.items():
                return champion
            for alias, version in targets.items():
                if aliases.get(alias) != version:
                    self._point(model_name, alias, version)
        raise RegistryError(
            f"the champion of {model_name} changed {_SETTLING} times while it was looked at: run "
            "the same command again"
        )

    def note_training(self, commit: str) -> None:
        """Note at the served model that the training of a commit is finished.

        Where there is no served model, nothing was ever promoted, and nothing can be shipped.
        """
        if self._served():
            self._calls.ask(
                lambda client: plain(client).set_registered_model_tag(SERVED, TRAINED, commit)
            )

    def last_training(self) -> str:
        """Return the commit of the last training that was finished, or nothing."""
        served = self._served()
        return str(served.tags.get(TRAINED, "")) if served else ""

    def _served(self) -> RegisteredModel | None:
        return self._calls.find(lambda client: client.get_registered_model(SERVED))


def _entry(version: Version) -> Entry | None:
    """Read an entry of the history; a damaged one does not count."""
    try:
        return Entry(
            sequence=version.version,
            version=int(version.tags[VERSION]),
            after=int(version.tags[AFTER]),
            promotion=Promotion.model_validate_json(version.tags[PROMOTION]),
        )
    except (KeyError, ValueError):
        return None
