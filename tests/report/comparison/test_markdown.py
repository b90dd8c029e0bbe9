"""Values in Markdown: text from elsewhere stays text."""

import pytest

from pipeline.base import pages


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b\nc", r"a \| b c"),
        ("<b>bold</b> <!-- no -->", "&lt;b>bold&lt;/b> &lt;!-- no -->"),
        ("limit <= 0.15 & >= 0.1", "limit <= 0.15 & >= 0.1"),
        ("&lt;b&gt; &#64;alice", "&amp;lt;b&amp;gt; &amp;#&#8203;64;alice"),
        ("[here](http://evil.example)", r"[here\](http:\//evil.example)"),
        ("[here][there] [there]: x", r"[here\][there] [there\]: x"),
        ("0.91 [0.88, 0.95]", "0.91 [0.88, 0.95]"),
        ("www.evil.example", r"www\.evil.example"),
        ("*a* _b_ ~~c~~ `d` $e$", r"\*a\* \_b\_ \~\~c\~\~ \`d\` \$e\$"),
        ("heart_disease/3", "heart_disease/3"),
        ("@alice and heart_disease@champion", "@&#8203;alice and heart_disease@champion"),
        ("#12 and org/name#12", "#&#8203;12 and org/name#&#8203;12"),
        ("back\\slash", r"back\\slash"),
    ],
    ids=[
        *("bar and line break", "tags", "comparisons", "entities", "link", "reference", "interval"),
        *("bare address", "emphasis", "model", "mention", "issue", "backslash"),
    ],
)
def test_text_is_shown_as_it_is(text, shown):
    """What would be markup, a link or a notification is escaped, and nothing else."""
    assert pages.cell(text) == shown


@pytest.mark.parametrize("shown", [pages.estimate, pages.interval, pages.difference])
def test_an_unknown_figure_is_a_dash(shown):
    """Missing, or not a number."""
    unknown = pages.Estimate(
        mean=float("nan"), standard_error=float("nan"), low=float("nan"), high=float("nan")
    )

    assert shown(None) == pages.NONE
    assert shown(unknown) == pages.NONE


def test_an_unknown_share_is_a_dash():
    """As any other figure."""
    assert pages.percent(None) == pages.NONE
