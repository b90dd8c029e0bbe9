"""A stand-in for GitHub with a pull request, and GitHub's own Markdown."""

import re

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

from tests import github_api

REPOSITORY = "Acme/heart"
SHA = "0123456789abcdef0123456789abcdef01234567"
NUMBER = 12
RUN = "https://github.com/Acme/heart/actions/runs/77"


def tags(text):
    """Return the tags of a text as GitHub's engine renders it, each with whatever stands in it."""
    everything = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
    return re.findall(r"<[^>]*>", cmarkgfm.github_flavored_markdown_to_html(text, everything))


@pytest.fixture
def github(monkeypatch):
    """Return the stand-in, to which the environment leads, with one open pull request."""
    with github_api.serving() as server:
        server.state.pull(REPOSITORY, NUMBER, SHA)
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        monkeypatch.setenv("GITHUB_TOKEN", github_api.TOKEN)
        yield server.state
