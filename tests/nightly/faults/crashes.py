"""The server, or its database, is killed at any moment of a promotion and started again."""

import random
import threading
from typing import NamedTuple

from pipeline.base.errors import PipelineError
from tests.nightly.faults.promotion import FAMILIES, PATIENT, STAGES, Base, Names
from tests.nightly.faults.witness import Witness

# How long a promotion takes, which is when it may be hit.
SECONDS = 1.5


class Crash(NamedTuple):
    """What came of one crash; ``lost`` says what should be there and is not."""

    what: str
    after: float
    survived: bool
    lost: str


class Crashes:
    """Crashes of one server, and of the database below it where that is another process."""

    def __init__(self, server, database=None) -> None:
        """Learn from a promotion that nothing disturbs what comes of it."""
        self._victims = {"server": server} | ({"database": database} if database else {})
        self._server, self._witness, self._base = server, Witness(server), Base(server.uri)
        names = self._prepared()
        STAGES["both"].run(server.uri, names, PATIENT)
        self._whole = self._witness.state(names)

    def _prepared(self):
        names = Names.new(*FAMILIES)
        STAGES["both"].prepare(self._server.uri, names, self._base)
        return names

    def play(self, seed):
        """Kill one of them at a moment that ``seed`` chooses, start it, and promote again."""
        chance = random.Random(seed)  # noqa: S311 (the same for the same seed)
        what, after = chance.choice(sorted(self._victims)), chance.uniform(0, SECONDS)
        names = self._prepared()
        # A crash of the database leaves the server connections that lead nowhere.
        timer = threading.Timer(after, self._crash, [self._victims[what]])
        timer.start()
        acknowledged, survived, lost = [], False, []
        try:
            STAGES["both"].run(self._server.uri, names, PATIENT, acknowledged)
            survived = True
        except PipelineError:
            pass
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the finding)
            lost.append(f"a traceback: {type(error).__name__}: {error}")
        timer.join()
        lost += self._lost(names, acknowledged)
        try:
            STAGES["both"].run(self._server.uri, names, PATIENT)
        except PipelineError as error:
            lost.append(f"the run after it fails: {error}")
        if (found := self._witness.state(names)) != self._whole:
            lost.append(f"{found}, not {self._whole}")
        return Crash(what, after, survived, "; ".join(lost))

    @staticmethod
    def _crash(victim):
        victim.kill()
        victim.start()

    def _lost(self, names, acknowledged):
        breaches = self._witness.breaches(names)
        return breaches + [
            f"{version.title} was acknowledged as champion"
            for version in acknowledged
            if version.version not in self._witness.line(version.model_name)
        ]
