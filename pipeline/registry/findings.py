"""How a registry and the things in it are, and what is found wrong with them: values alone."""

from collections.abc import Mapping
from typing import Literal

from pipeline.base import manifest
from pipeline.base.records import Record
from pipeline.registry import history
from pipeline.registry.history import CHAMPION, Entry, Identity

Repair = Literal[
    "end the run",
    "take the key away",
    "complete the version",
    "copy the files from other versions",
    "move the aliases",
    "remove the alias",
    "put the manifest back",
    "restore the experiment",
    "restore the run",
    "write the champion into the history",
    "promote an earlier champion",
    "",
]
BY_HAND = "`python -m pipeline.registry promote --version NAME/N --reason TEXT`"
# The key of a duplicate names the first version, or run, that was made for it. Registries hold the
# text, so it stays.
DUPLICATE = ": double of "


class RunState(Record):
    """A run: its name, its key (empty for none), and how long ago it began, in seconds.

    MLflow keeps a run that was ``deleted``, until somebody collects the garbage.
    """

    run_id: str
    name: str
    key: str
    running: bool
    age: float
    deleted: bool = False


class VersionState(Record):
    """A version as far as its health is concerned.

    ``ours`` says that this project made it: anybody may register a model under the same name.
    ``promoted`` says that the gate had promoted it, or a person.
    ``origin`` is the version that it was copied from, or empty. ``expected`` are the digests of the
    published files and ``stored`` of those that are there; both are empty if the files were dropped
    on purpose.
    """

    model_name: str
    version: int
    identity: Identity
    ours: bool
    promoted: bool
    key: str
    origin: str
    complete: bool
    pruned: bool
    expected: Mapping[str, str]
    stored: Mapping[str, str]
    age: float

    @property
    def title(self) -> str:
        """Return the version as people write it."""
        return f"{self.model_name}/{self.version}"

    @property
    def run_id(self) -> str:
        """Return the run that made the version."""
        return self.identity.run

    @property
    def faults(self) -> tuple[str, ...]:
        """Name every file that is not what was published."""
        if not self.expected and not self.pruned:
            return ("its manifest is damaged",)
        return manifest.differences(self.expected, self.stored)

    @property
    def can_serve(self) -> bool:
        """Say whether its files are there, all as they were published."""
        return self.complete and not self.pruned and not self.faults


class ModelState(Record):
    """A registered model: its log of champions and its aliases.

    ``unreadable`` are the entries of the log that do not count, as they are damaged; those in
    ``anonymous`` count, and who made them and why cannot be read.
    """

    name: str
    log: tuple[Entry, ...]
    aliases: Mapping[str, int]
    unreadable: tuple[int, ...] = ()
    anonymous: tuple[int, ...] = ()

    @property
    def champion(self) -> int | None:
        """Return the version that was promoted last; without a history the alias names it."""
        entries = history.valid_entries(self.log)
        return entries[-1].version if entries else self.aliases.get(CHAMPION)

    @property
    def in_use(self) -> set[int]:
        """Return the champion and every version that has an alias."""
        return {*self.aliases.values(), *filter(None, [self.champion])}


class Finding(Record):
    """Something that is wrong with ``subject``: a version's title, a model's name, or a run's id.

    What is ``harmless`` leaves the registry healthy. ``repair`` is empty if a person has to decide;
    ``advice`` then says what to do. ``target`` is the object of the repair: another version, an
    alias, a state. ``donors`` are versions that hold a file as it should be, by its path.
    """

    subject: str
    problem: str
    repair: Repair = ""
    target: str = ""
    donors: Mapping[str, str] = {}
    advice: str = ""
    harmless: bool = False
