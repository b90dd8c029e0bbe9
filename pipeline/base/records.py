"""The base of every value that crosses a border between modules or is written to a file."""

import math
import re
from typing import Annotated, Final

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_serializer,
)

_COMMIT: Final = r"^([0-9a-f]{40}|[0-9a-f]{64}|unknown)$"


def _commit(commit: str, info: ValidationInfo) -> str:
    """Read a registry's tag that is not a commit as unknown; in a file it is an error."""
    unknown = info.mode == "python" and not re.fullmatch(_COMMIT, commit)
    return "unknown" if unknown else commit


Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=_COMMIT), BeforeValidator(_commit)]


class Record(BaseModel):
    """A frozen, strict value: an unknown key is an error that carries the key's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(Record):
    """A figure with its standard error and the interval at the plan's confidence.

    All four may be NaN: a figure that the answers do not define is a finding, and the gate's to
    judge.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    mean: float
    standard_error: float
    low: float
    high: float

    @field_serializer("*", when_used="json")
    def _as_json(self, value: float) -> float | str:
        return value if math.isfinite(value) else str(value)


class Foreign(Record):
    """A value as a server sends it, with whatever else it has to say."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


# GitHub sends null for a text that is empty.
Text = Annotated[str, BeforeValidator(lambda text: text or "")]


class PullRequest(Foreign):
    """An open pull request: its number, the commit it would merge, and the repository it is to."""

    number: int
    head_sha: str = Field(validation_alias=AliasPath("head", "sha"))
    repository: str = Field(validation_alias=AliasPath("base", "repo", "full_name"))


class Comment(Foreign):
    """A comment as GitHub has it; the author may have been deleted."""

    id: int
    author: str = Field(default="", validation_alias=AliasPath("user", "login"))
    body: Text


class Issue(Foreign):
    """An open issue as GitHub has it, or a pull request, which it counts as one."""

    number: int
    author: str = Field(default="", validation_alias=AliasPath("user", "login"))
    body: Text
    url: str = Field(validation_alias="html_url")


class GitObject(Foreign):
    """What a reference of git leads to: a commit, or the object of an annotated tag."""

    sha: str


class Reference(Foreign):
    """A branch or a tag on GitHub."""

    object: GitObject


class Asset(Foreign):
    """A file of a release on GitHub."""

    id: int
    name: str
    state: str
    digest: Text = ""

    @property
    def whole(self) -> bool:
        """Say whether its upload was finished."""
        return self.state == "uploaded"


class Release(Foreign):
    """A release as GitHub has it."""

    id: int
    tag: str = Field(validation_alias="tag_name")
    draft: bool
    immutable: bool = False
    body: Text = ""
    url: str = Field(validation_alias="html_url")
    upload_url: str
    assets: tuple[Asset, ...]

    @property
    def by_hand(self) -> bool:
        """Say whether it is out without a file: a person made it on GitHub's page."""
        return not self.draft and not self.assets


class Draft(Record):
    """The content of a release."""

    tag_name: str
    name: str
    body: str
    prerelease: bool
