"""The champions of an MLflow registry. They follow the log, and nothing is decided here.

`pipeline.registry.history` says which version is champion; the aliases are made to follow here.
"""

from collections.abc import Iterator
from typing import Final

from mlflow.entities.model_registry import RegisteredModel

from pipeline.base import cli
from pipeline.base.errors import (
    ArtifactError,
    NoChampionError,
    OvertakenError,
    RegistryError,
)
from pipeline.base.names import SERVED
from pipeline.base.registry_settings import RegistrySettings
from pipeline.gate.examiner import Incumbent
from pipeline.registry import history
from pipeline.registry.history import (
    CHAMPION,
    PREVIOUS_CHAMPION,
    Entry,
    Identity,
    Promotion,
    Standing,
)
from pipeline.registry.log import Log
from pipeline.registry.mlflow_calls import plain
from pipeline.registry.version import Version
from pipeline.training import trained_model

# The tag of the served model with the commit of the last training that was finished.
TRAINED: Final = "trained_commit"
# The aliases that follow the history.
_FOLLOWING: Final = (CHAMPION, PREVIOUS_CHAMPION)
# Others may move an alias while it is read; it stands still sooner than that.
_SETTLING: Final = 20


def connect(settings: RegistrySettings) -> "Registry":
    """Return the registry that the settings name."""
    return Registry(settings.tracking_uri, settings.experiment, settings.retry)


class Registry(Log):
    """A registry of models, each of which may have a champion."""

    def champion(self, model_name: str) -> Version:
        """Return the version that is champion.

        Raises:
            NoChampionError: none is.
            RegistryError: the one that is was deleted, or is not what was promoted.

        """
        if (version := self.find_champion(model_name)) is None:
            raise NoChampionError(
                f"no version holds {model_name}@{CHAMPION} in {self._calls.uri}: "
                "run `.venv/bin/python -m pipeline.experiment_tracking` first"
            )
        return version

    def find_champion(self, model_name: str) -> Version | None:
        """Return the version that is champion by the history, or None, and say if the alias is not.

        Raises:
            RegistryError: the champion was deleted, or is not what was promoted.

        """
        # The alias first: a promoter writes into the log before it moves it.
        holder, standing = self._holder(model_name, CHAMPION), self.standing(model_name)
        if standing.champion != holder and not standing.problem:
            cli.fact(
                "warning",
                f"{model_name}@{CHAMPION} stands on {_shown(holder)}, and by the history on "
                f"{_shown(standing.champion)}, which counts: `make doctor ARGS=--repair` moves it",
            )
        return self._standing_champion(model_name, standing)

    def _standing_champion(self, model_name: str, standing: Standing) -> Version | None:
        if standing.problem:
            raise RegistryError(
                f"the champion of {model_name} cannot be used: {standing.problem}; "
                "run `.venv/bin/python -m pipeline.registry doctor --repair`"
            )
        return self.version(model_name, standing.champion) if standing.champion else None

    def last_champion(self, model_name: str) -> Version | None:
        """Return the version that was promoted last, whatever happened to it since; None if gone.

        It is for a person who replaces it, with a decision of their own.
        """
        number = self.standing(model_name).champion
        return self.version(model_name, number) if number else None

    def standing(self, model_name: str) -> Standing:
        """Return which versions hold the aliases by the history, with what is wrong with them.

        Without a history the alias says who is champion.
        """
        return self._standing(model_name, self._promotions(model_name))

    def _standing(self, model_name: str, entries: Iterator[Entry]) -> Standing:
        def identity(number: int) -> Identity | None:
            version = self._find(model_name, number)
            return version.identity if version else None

        found = history.standing(entries, identity)
        return found or Standing(champion=self._holder(model_name, CHAMPION))

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
        newest, entries = self._newest(name)
        current = self._standing(name, entries).champion
        if current != (over.version if over else None):
            raise OvertakenError(
                f"{name}/{current} became champion meanwhile: look at it, and decide again"
                if current
                else f"{name} lost its champion meanwhile: look at it, and decide again"
            )
        sequence = self._append(self.version(name, version.version), promotion, newest)
        if all(entry.sequence != sequence for entry in self._promotions(name, sequence)):
            raise OvertakenError(
                f"another version became champion before {version.title} could: look at it, and "
                "decide again"
            )
        self._calls.done.append(f"{version.title} is champion")
        self.settle(name)

    def settle(self, model_name: str) -> Version | None:
        """Point the aliases of a model where its history says, and return the champion, or None.

        There is none if every version that was champion has been deleted.

        Raises:
            RegistryError: the champion was deleted or is not what was promoted, or the history does
                not stand still.

        """
        for _ in range(_SETTLING):
            # The aliases first: a promoter writes into the log before it moves them.
            aliases = {alias: self._holder(model_name, alias) for alias in _FOLLOWING}
            standing = self.standing(model_name)
            champion = self._standing_champion(model_name, standing)
            targets = {PREVIOUS_CHAMPION: standing.previous, CHAMPION: standing.champion}
            moves = {alias: to for alias, to in targets.items() if to and aliases[alias] != to}
            if not moves:
                return champion
            for alias, version in moves.items():
                self._point(model_name, alias, version)
        raise RegistryError(
            f"the champion of {model_name} changed {_SETTLING} times while it was looked at: run "
            "the same command again"
        )

    def note_training(self, commit: str) -> None:
        """Note at the served model that the training of a commit is finished.

        Where there is no served model, nothing was ever promoted, and nothing can be shipped.
        """
        self._note(TRAINED, commit)

    def last_training(self) -> str:
        """Return the commit of the last training that was finished, or nothing."""
        return self._noted(TRAINED)

    def _note(self, tag: str, value: str) -> None:
        if self._served():
            self._calls.ask(lambda c: plain(c).set_registered_model_tag(SERVED, tag, value))

    def _noted(self, tag: str) -> str:
        served = self._served()
        return str(served.tags.get(tag, "")) if served else ""

    def _served(self) -> RegisteredModel | None:
        return self._calls.find(lambda client: client.get_registered_model(SERVED))


def _shown(version: int | None) -> str:
    return f"version {version}" if version else "none"
