"""The page of results, and the table of the goals on top of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.findings import Section, Table

GOALS: Final = ("what", "wanted", "found", "", "where the rest goes")
HEAD: Final = """\
# Measured

What this repository costs and gains, beside what its users would otherwise use, measured in the
same run on the same machine. `make bench` makes this page again, `make bench ARGS=growth` one
section of it. A figure is the median of the rounds, with the lowest and the highest in brackets;
the rounds of all that is compared are interleaved, and a ratio is that of the same round. Only
ratios say something about another machine.
"""


def markdown(sections: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of the records of sections, each with where and when it was measured."""
    measurements = [(Section.of(record["section"]), record["measured"]) for record in sections]
    rows = [
        (*goal.row(), f"`make bench ARGS={section.name}`")
        for section, _ in measurements
        for goal in section.goals
    ]
    columns = (*GOALS, "the command")
    parts = [HEAD, Table("What is wanted, and what was found", columns, rows).markdown(), ""]
    for section, measured in measurements:
        parts += [f"\n## {section.title}", "", section.about.strip(), ""]
        parts += [f"- {what}: {fact}" for what, fact in measured.items()]
        parts += [f"- note: {note}" for note in section.notes]
        parts += [f"\n{table.markdown()}" for table in section.tables]
        parts += [f"\n![{name}](plots/{name}.png)" for name in section.plots]
    return "\n".join(parts).replace("\n\n\n", "\n\n") + "\n"
