"""A stand-in for GitHub with a pull request, and GitHub's own Markdown."""

import html
import re
import shutil
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

from pipeline.base import config
from pipeline.report import comparison
from pipeline.report.comment import MARKER
from tests import github_api, prepared

REPOSITORY = "Acme/heart"
SHA = "0123456789abcdef0123456789abcdef01234567"
NUMBER = 12
RUN = "https://github.com/Acme/heart/actions/runs/77"

# What Markdown makes of a report. Nothing of it loads, links or runs.
TAGS = {
    *("blockquote", "br", "code", "del", "details", "em", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("hr", "input", "li", "ol", "p", "pre", "strong", "summary", "table", "tbody", "td"),
    *("th", "thead", "tr", "ul"),
}
ATTRIBUTES = {"align", "type", "disabled", "checked", "start", "lang"}
# What GitHub acts on in the text that a reader sees, outside of code.
ACTING = re.compile(
    r"@[\w/]|#\d|(?<![^\W_])(gh|ghsa|cve)-|://|www\.|mailto:\S+@\w|::|##|\$|(?<![^\W_])/\w|"
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200c-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u00ad]",
    re.IGNORECASE,
)
# What bots and runners read is the comment as it was written.
WRITTEN = re.compile(
    r"^[\s>*+-]*/\w|@[\w\\]|::|##\[|##vso|```|~~~|\]\(|\]\[|\]:|<(?!/?details>|/?summary>)|\$",
    re.MULTILINE,
)


class Page(HTMLParser):
    """The parts of a rendered comment: its tags, and its text outside of code."""

    def __init__(self, text: str) -> None:
        """Render ``text`` with the engine of GitHub, passing through whatever it would."""
        super().__init__(convert_charrefs=True)
        self.html = cmarkgfm.github_flavored_markdown_to_html(
            text, options=Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
        )
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.links: list[str | None] = []
        self.comments: list[str] = []
        self._code = 0
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))
        self.links += [value for name, value in attrs if name == "href"]
        self._code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        """Leave a tag."""
        self._code -= tag == "code"

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        if not self._code:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        """Keep what a reader does not see."""
        self.comments.append(data)


def check_harmless(body: str, run_url: str = RUN) -> None:
    """Assert everything that must hold of a comment, whatever the report was."""
    assert body.startswith(f"{MARKER}\n")
    assert len(body) <= github_api.MOST_CHARACTERS
    content, line, signature = body.removeprefix(f"{MARKER}\n").rpartition("\n---\n")
    assert line
    assert signature.startswith(f"*Written by the code of this pull request at `{SHA[:12]}`")
    assert not WRITTEN.search(content), WRITTEN.search(content)
    page = Page(body)
    assert page.comments == [MARKER.removeprefix("<!--").removesuffix("-->")]
    assert page.links == [run_url] * bool(run_url)
    odd = [(t, a) for t, a in page.tags if t not in TAGS or a.keys() - ATTRIBUTES]
    assert odd == [("a", {"href": run_url})] * bool(run_url)
    assert all(not acting(text) for text in page.texts if text != "this run"), page.texts
    # Nothing that the report opened is open at its end: our last words stand by themselves.
    end = re.search(r"<hr />\n<p><em>(.*?)</em></p>\n$", page.html, re.DOTALL)
    assert end
    assert "Written by the code" in html.unescape(end[1])
    opened = [tag for tag, _ in page.tags].count("details")
    assert page.html.count("</details>") == opened
    assert "<details>\n<details>" not in page.html


def acting(text: str) -> re.Match[str] | None:
    """Return what GitHub would act on in a text that a reader sees."""
    return ACTING.search(text)


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


@pytest.fixture(scope="session")
def real_reports(tmp_path_factory):
    """Return the real report, with a champion to compare with and without one."""
    found = []
    for made in (prepared.registered, prepared.trained):
        folder = tmp_path_factory.mktemp("reported") / "clone"
        shutil.copytree(made(tmp_path_factory.getbasetemp()), folder)
        with pytest.MonkeyPatch.context() as patch:
            prepared.be_in(folder, patch)
            comparison.run(config.load())
        found.append((folder / "reports" / "model-report.md").read_text())
    return found
