"""Markdown as one HTML page that stands alone: its figures are inside, and nothing else is loaded.

Raw HTML in the Markdown is shown as text; a fold is made of a second heading. A paragraph that ends
with a colon is the caption of the table below it; a paragraph that is an image becomes a figure,
with the image's title as caption.
"""

import base64
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from pipeline.base.manifest import Files
from pipeline.base.pages import ZERO_WIDTH_SPACE, render

# How the results of checks are coloured.
TONES: Final = {"passed": "good", "failed": "bad", "not judged": "quiet"}
# Cells with more characters break their lines.
LONG: Final = 60
_TABLE: Final = Markup('<div class="table" role="region" aria-label="{}" tabindex="0">\n<table>\n')
_FIGURE: Final = Markup(
    '<figure>\n<div class="image" role="region" aria-label="{caption}" tabindex="0">\n'
    '<img src="data:image/png;base64,{content}" alt="{alt}">\n'
    "</div>\n<figcaption>{caption}</figcaption>\n</figure>\n"
)


def html(markdown: str, figures: Files, look: str = "", *, folded: bool = False) -> str:
    """Return Markdown as a page, with each image replaced by the figure of the same file name.

    ``look`` has the classes of the shell that style what stands below the title. Where ``folded``,
    a reader opens each section by its heading.
    """
    parser = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table")
    # The spaces keep GitHub from linking names; here they would be copied with a name.
    tokens = parser.parse(markdown.replace(ZERO_WIDTH_SPACE, ""))
    _, title, *_ = tokens
    _complete(tokens, figures)
    if folded:
        _fold(tokens)
    body = Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704
    return render("page.html.j2", title=_plain(title), body=body, look=look)


def _complete(tokens: Sequence[Token], figures: Files) -> None:
    """Add what Markdown has no form for: figures, names of tables, and what a cell is."""
    heading = ""
    for index, token in enumerate(tokens):
        match token.type:
            case "heading_open":
                heading = _plain(tokens[index + 1])
            case "table_open":
                _replace(token, _TABLE.format(_caption(tokens[:index]) or heading))
            case "table_close":
                _replace(token, "</table>\n</div>\n")
            case "th_open" | "td_open":
                _describe_cell(*tokens[index - 1 : index + 3])
            case "paragraph_open":
                _draw(tokens[index : index + 3], figures)


def _fold(tokens: list[Token]) -> None:
    """Make a fold of each second heading and what stands below it."""
    before = ""
    for token in tokens:
        if token.tag == "h2" and token.nesting == 1:
            _replace(token, f"{before}<details>\n<summary><h2>")
            before = "</details>\n"
        elif token.tag == "h2":
            _replace(token, "</h2></summary>\n")
    tokens.append(Token("html_block", "", 0, content=before))


def _replace(token: Token, content: str) -> None:
    token.type, token.content = "html_block", content


def _caption(above: Sequence[Token]) -> str:
    opening, text, _ = above[-3:]
    if opening.type != "paragraph_open" or not text.content.endswith(":"):
        return ""
    opening.attrSet("class", "quiet")
    return _plain(text).removesuffix(":")


def _describe_cell(before: Token, opening: Token, content: Token, closing: Token) -> None:
    text, head = _plain(content), opening.type == "th_open"
    # A header without text would be read aloud as one.
    opening.tag = closing.tag = "th" if text and (head or before.type == "tr_open") else "td"
    if opening.tag == "th":
        opening.attrSet("scope", "col" if head else "row")
    tone, long = TONES.get(text.partition(":")[0], ""), "long" if len(text) > LONG else ""
    if tone or long:
        opening.attrSet("class", f"{tone} {long}".strip())


def _draw(paragraph: Sequence[Token], figures: Files) -> None:
    opening, content, closing = paragraph
    image, *further = content.children or [opening]
    if image.type != "image" or further:
        return
    drawn = figures[PurePosixPath(str(image.attrs["src"])).name]
    figure = _FIGURE.format(
        content=base64.b64encode(drawn).decode("ascii"),
        alt=_plain(image),
        caption=" ".join(str(image.attrs["title"]).split()),
    )
    content.children = []
    _replace(opening, figure)
    _replace(closing, "")


def _plain(token: Token) -> str:
    """Return the text of a token without its markup."""
    parts = (" " if part.type == "softbreak" else part.content for part in token.children or ())
    return "".join(parts)
