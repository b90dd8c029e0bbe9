"""Several promoters at once, in an order that a seed chooses, and readers beside them."""

import http.client
import json
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

from pipeline.base.errors import OvertakenError, RegistryError, RegistryUnavailableError
from pipeline.registry.client import Registry
from tests.nightly.faults.promotion import (
    BASE_SCORE,
    DECISIONS,
    PATIENT,
    Base,
    Names,
    is_better,
    promotion,
    submission,
)
from tests.nightly.faults.proxy import HOST, Proxy
from tests.nightly.faults.witness import Witness

PROMOTERS = (2, 4, 8)
CANDIDATES = {f"c{number}": 0.86 + number / 100 for number in range(max(PROMOTERS))}
SCORES = {**CANDIDATES, "base": BASE_SCORE}
LONGEST_DELAY = 0.04


class Step(NamedTuple):
    """What one promoter did: the version that it promoted, and the one it had decided against."""

    version: int
    over: int | None


class Race(NamedTuple):
    """What came of one race; ``wrong`` says what no order of the promoters explains."""

    promoters: int
    promoted: int
    overtaken: int
    wrong: str


class Jobs(NamedTuple):
    """What came of jobs that publish the same at once; ``wrong`` says what should not be."""

    jobs: int
    refused: int
    duplicates: int
    wrong: str


class Gate:
    """Lets one call through at a time, in an order that a seed chooses.

    It waits until as many calls stand before it as there are promoters that still run.
    """

    PATIENCE = 0.05

    def __init__(self, chance, promoters) -> None:
        """Open when ``promoters`` wait."""
        self._chance, self._running = chance, promoters
        self._waiting, self._changed = [], threading.Condition()

    def __call__(self, call):
        """Hold a call until it is its turn."""
        with self._changed:
            self._waiting.append(call)
            while call in self._waiting:
                if len(self._waiting) >= self._running or not self._changed.wait(self.PATIENCE):
                    self._waiting.remove(self._chance.choice(self._waiting))
                    self._changed.notify_all()

    def leave(self):
        """Expect one promoter less."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()


class Delays:
    """Hold each call for a time that a seed chooses, so that they also run side by side."""

    def __init__(self, chance, _) -> None:
        """Most calls pass at once."""
        self._chance = chance

    def __call__(self, _):
        """Hold a call."""
        if self._chance.random() < 1 / 2:
            threading.Event().wait(self._chance.uniform(0, LONGEST_DELAY))

    def leave(self):
        """Expect nothing."""


class Races:
    """Races of promoters on one server."""

    def __init__(self, server) -> None:
        """Publish the candidates."""
        self._server, self._proxy, self._witness = server, Proxy(server.port), Witness(server)
        self._base = Base(server.uri, SCORES)

    def play(self, seed):
        """Let promoters run as ``seed`` says; compare with any order of one after the other."""
        chance = random.Random(seed)  # noqa: S311 (the same for the same seed)
        promoters = PROMOTERS[seed % len(PROMOTERS)]
        candidates = chance.sample(sorted(CANDIDATES), promoters)
        if chance.random() < 1 / 4:
            # Two jobs of the same commit.
            candidates[0] = candidates[-1]
        name, registry = f"race{uuid.uuid4().hex[:12]}", Registry(self._server.uri, "race", PATIENT)
        first = self._base.copy(registry, "base", name, {})
        if chance.random() < 1 / 2:
            registry.promote(first, promotion("the first"), over=None)
        order = (Gate if chance.random() < 1 / 2 else Delays)(chance, promoters)
        self._proxy.expect(each=order)
        with ThreadPoolExecutor(promoters) as pool:
            done = [pool.submit(self._promote, one, name, order) for one in candidates]
        self._proxy.expect()
        errors = [repr(one.exception()) for one in done if one.exception()]
        found = [one.result() for one in done if not one.exception()]
        steps = [step for steps, _ in found for step in steps]
        wrong = errors + self._wrong(name, steps, max(SCORES[one] for one in candidates))
        return Race(promoters, len(steps), sum(count for _, count in found), "; ".join(wrong))

    def publish(self, seed):
        """Let jobs with one key publish at once, as ``seed`` says, and one more after them."""
        chance = random.Random(seed)  # noqa: S311 (the same for the same seed)
        jobs = PROMOTERS[seed % len(PROMOTERS)]
        names, order = Names.new(), (Gate if chance.random() < 1 / 2 else Delays)(chance, jobs)

        def job():
            try:
                registry = Registry(self._proxy.uri, names.experiment, PATIENT)
                return registry.publish(submission(names, "svm", BASE_SCORE))
            finally:
                order.leave()

        self._proxy.expect(each=order)
        with ThreadPoolExecutor(jobs) as pool:
            done = [pool.submit(job) for _ in range(jobs)]
        self._proxy.expect()
        errors = [one.exception() for one in done if one.exception()]
        expected = (RegistryError, RegistryUnavailableError)
        wrong = [repr(error) for error in errors if not isinstance(error, expected)]
        found = {one.result().version for one in done if not one.exception()} | {job().version}
        versions = self._witness.versions(names.model("svm"))
        held = [int(v.version) for v in versions if v.tags.get("key") == names.key]
        whole = [int(v.version) for v in versions if v.tags.get("complete") == "true"]
        if not found == set(held) == set(whole) == {1}:
            wrong.append(f"returned {found}, with the key {held}, complete {whole}")
        return Jobs(jobs, len(errors), len(versions) - 1, "; ".join(wrong))

    def _promote(self, candidate, name, order):
        """Decide and promote until the candidate is champion or no better than it."""
        steps, overtaken = [], 0
        try:
            registry = Registry(self._proxy.uri, "race", PATIENT)
            while overtaken < DECISIONS:
                champion = registry.settle(name)
                if not is_better(self._base.version(candidate), champion):
                    return steps, overtaken
                copied = self._base.copy(registry, candidate, name, {})
                try:
                    registry.promote(copied, promotion("better"), over=champion)
                except OvertakenError:
                    overtaken += 1
                else:
                    steps.append(Step(copied.version, champion and champion.version))
        finally:
            order.leave()
        raise OvertakenError(f"{candidate} was overtaken {overtaken} times")

    def _wrong(self, name, steps, best):
        """Say what no order of one promoter after the other leaves behind."""
        line = self._witness.line(name)
        score = {int(v.version): float(v.tags["score"]) for v in self._witness.versions(name)}
        before = dict(zip(line, [None, *line], strict=False))
        wrong = [
            f"{version} followed {before[version]}, and is not better"
            for version in line
            if before[version] and score[version] <= score[before[version]]
        ]
        wrong += [
            f"{step.version} decided against {step.over} followed {before.get(step.version)}"
            for step in steps
            if step.version not in before or before[step.version] != step.over
        ]
        aliases = self._witness.aliases(name)
        expected = {"champion": line[-1]}
        if before[line[-1]]:
            expected["previous_champion"] = before[line[-1]]
        if aliases != expected:
            wrong.append(f"the aliases are {aliases} and not {expected}")
        if score[line[-1]] != best:
            wrong.append(f"the champion has {score[line[-1]]}, and there was {best}")
        return wrong

    def close(self):
        """Stop the proxy."""
        self._proxy.close()


class Reading(NamedTuple):
    """How often the champion was read while it changed; ``wrong`` says what a reader saw."""

    reads: int
    verified: int
    champions: int
    wrong: tuple


class Readers:
    """Readers of a champion that changes all the time."""

    VERIFIED_OF = 250

    def __init__(self, server) -> None:
        """Put several versions into one model, and promote the first."""
        self._server, self._name = server, f"read{uuid.uuid4().hex[:12]}"
        self._registry, base = Registry(server.uri, "race", PATIENT), Base(server.uri, CANDIDATES)
        self._versions = [base.copy(self._registry, one, self._name, {}) for one in CANDIDATES]
        self._registry.promote(self._versions[0], promotion("the first"), over=None)

    def play(self, reads, promotions, readers=2):
        """Read while the champion changes, and say what was seen."""
        self._read, self._moved = 0, threading.Condition()
        self._wanted, self._wrong, self._seen = reads, [], set()
        with ThreadPoolExecutor(readers + 2) as pool:
            done = [pool.submit(self._keep_reading) for _ in range(readers)]
            done.append(pool.submit(self._keep_promoting, promotions))
            verified = pool.submit(self._keep_verifying)
        errors = [repr(one.exception()) for one in [*done, verified] if one.exception()]
        count = 0 if verified.exception() else verified.result()
        return Reading(self._read, count, len(self._seen), (*self._wrong, *errors))

    def _keep_reading(self):
        path = f"/api/2.0/mlflow/registered-models/alias?name={self._name}&alias=champion"
        with closing(http.client.HTTPConnection(HOST, self._server.port, timeout=60)) as server:
            while self._read < self._wanted:
                server.request("GET", path)
                answer = server.getresponse()
                version = json.loads(answer.read()).get("model_version", {})
                tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
                right = answer.status == http.client.OK and tags.get("complete") == "true"
                with self._moved:
                    self._read += 1
                    self._seen.add(version.get("version"))
                    self._wrong += [] if right else [f"{answer.status} {version}"]
                    self._moved.notify_all()

    def _keep_promoting(self, promotions):
        champion = self._versions[0]
        for number in range(1, promotions + 1):
            self._wait_for(self._wanted * number // (promotions + 1))
            version = self._versions[number % len(self._versions)]
            self._registry.promote(version, promotion(f"the turn of {number}"), over=champion)
            champion = version

    def _keep_verifying(self):
        """Download the champion now and then, and compare it with its manifest."""
        for number in range(1, self._wanted // self.VERIFIED_OF + 1):
            self._wait_for(number * self.VERIFIED_OF)
            self._registry.files(self._registry.champion(self._name))
        return self._wanted // self.VERIFIED_OF

    def _wait_for(self, reads):
        with self._moved:
            self._moved.wait_for(lambda: self._read >= min(reads, self._wanted))
