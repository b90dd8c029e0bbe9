"""The log of champions as it stands in MLflow: each version of one registered model is an entry.

What an entry says stands in its source, which MLflow never changes; its tags say it again for those
who search, with who moved the alias and why. That source is no place of files: an entry cannot be
loaded as a model, and no run shows it as one of its own.
"""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, takewhile
from typing import Final
from urllib.parse import parse_qsl, urlencode

from pipeline.base.names import HISTORY, SERVED
from pipeline.registry import history
from pipeline.registry.history import Entry, Identity, Promotion
from pipeline.registry.mlflow_calls import first
from pipeline.registry.publishing import KEY
from pipeline.registry.version import Version, newest_of, version_of, with_key
from pipeline.registry.versions import Versions

MODEL: Final = "model"
VERSION: Final = "version"
AFTER: Final = "after"
# The tag's name is older than the word: registries hold it.
PROMOTION: Final = "crowning"
# Older entries have the address of the version there, and the facts in their tags.
_SOURCE: Final = re.compile(r"(?:promotion|models):/[^/?]+/(?P<version>\d+)(?:\?(?P<facts>.*))?")
# Entries that are read at once.
_PAGE: Final = 20
DESCRIPTION: Final = (
    "A log of promotions, not a model: each version says which version became champion, when, by "
    f"whom and why, and none can be loaded. The champion is {SERVED}@{history.CHAMPION}; "
    "`make history` prints this log"
)


class Log(Versions):
    """A registry whose models each have a log of champions."""

    def valid_entries(self, model_name: str) -> list[Entry]:
        """Return the promotions of a model that count, oldest first."""
        return history.valid_entries(entry for _, entry in self.log(model_name) if entry)

    def log(self, model_name: str) -> list[tuple[Version, Entry | None]]:
        """Return the whole log of a model's champions; an entry that is damaged is None."""
        recent = [*self._recent(model_name)]
        return [(version, entry_of(version)) for version in reversed(recent)]

    def _promotions(self, model_name: str, oldest: int = 0) -> Iterator[Entry]:
        """Return the promotions that count, newest first, and no entry older than ``oldest``.

        As few pages of the log are read as it takes, so a long history costs nothing.
        """
        entries = history.backwards(filter(None, map(entry_of, self._recent(model_name))))
        return takewhile(lambda entry: entry.sequence >= oldest, entries)

    def _newest(self, model_name: str) -> tuple[int, Iterator[Entry]]:
        """Return the number of the newest entry, 0 for none, and the promotions that count."""
        recent = self._recent(model_name)
        newest = first(recent)
        entries = map(entry_of, chain([newest] if newest else [], recent))
        return newest.version if newest else 0, history.backwards(filter(None, entries))

    def _recent(self, model_name: str) -> Iterator[Version]:
        """Return the versions that are entries of a model's log, newest first."""
        conditions = [f"source_path LIKE '%:/{model_name}/%'"]
        while page := self._page(*conditions):
            yield from page
            # Not by MLflow's own page: what is appended meanwhile would move them.
            conditions[1:] = [f"version_number < {page[-1].version}"]

    def _page(self, *conditions: str) -> list[Version]:
        return self._calls.ask(lambda client: newest_of(client, HISTORY, _PAGE, *conditions))

    def _append(self, version: Version, promotion: Promotion, after: int) -> int:
        """Write an entry and return its number."""
        self.ensure_registered(HISTORY, DESCRIPTION)
        key, facts = uuid.uuid4().hex, {AFTER: after, **dict(version.identity)}
        source = f"promotion:/{version.title}?{urlencode(facts)}"
        tags = {
            KEY: key,
            MODEL: version.model_name,
            VERSION: str(version.version),
            AFTER: str(after),
            PROMOTION: promotion.model_dump_json(),
        }
        text = f"{version.title} {promotion.action}: {promotion.reason}"
        self._calls.create(
            lambda client: with_key(client, HISTORY, key),
            lambda client: version_of(
                client.create_model_version(HISTORY, source, tags=tags, description=text)
            ),
        )
        # Of two with this key, one came late: the first is the one that may count.
        return self.versions(HISTORY, **{KEY: key})[0].version


def entry_of(version: Version) -> Entry | None:
    """Read an entry of the history; one that is damaged does not count."""
    if (source := _SOURCE.fullmatch(version.source)) is None:
        return None
    # Before facts stood in the source, tags and the entry's own run said them.
    told = {AFTER: version.tags.get(AFTER, ""), "run": version.run_id}
    told |= dict(parse_qsl(source["facts"] or ""))
    try:
        return Entry(
            sequence=version.version,
            version=int(source["version"]),
            after=int(told.pop(AFTER)),
            identity=Identity(**told),
            promotion=promotion_of(version) or _unknown(version),
        )
    except ValueError:
        return None


def promotion_of(version: Version) -> Promotion | None:
    """Read who made a promotion, and why; None where its tag was edited or removed."""
    try:
        return Promotion.model_validate_json(version.tags.get(PROMOTION, ""))
    except ValueError:
        return None


def _unknown(version: Version) -> Promotion:
    at = datetime.fromtimestamp(version.created_ms / 1000, UTC).isoformat(timespec="seconds")
    reason = f"unknown: the tag {PROMOTION} of {version.title} cannot be read"
    return Promotion(at=at, by="unknown", action="promoted", reason=reason, commit="unknown")
