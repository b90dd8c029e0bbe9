"""What act does not know yet about workflows, taken out of a copy, and nothing else.

Line by line, so that every line keeps its number. GitHub sees the files themselves; so do the
linters, also those that run inside an executed workflow.
"""

import re

# What GitHub knows since 2026, and act 0.2.89 refuses. They say who waits, what a cache may do,
# and that an environment is no place of deployment: nothing that a single run here depends on.
UNKNOWN = re.compile(r"(?:queue: max|cache-mode: none|deployment: false)")
# Of the groups of integration tests, one. Where the list is empty, GitHub skips the job, and act
# gives it no result at all.
GROUPS = re.compile(r"^(\s*group: )\$\{\{ fromJSON\(needs\.affected\.outputs\.integration\) \}\}$")
SELF = re.compile(r"^(\s*(?:- )?uses: )\$/")


def translate(text):
    """Return a workflow's text as act understands it."""
    return "".join(map(_line, text.splitlines(keepends=True)))


def _line(line):
    if UNKNOWN.fullmatch(line.strip()):
        return "\n"
    return SELF.sub(r"\1./", GROUPS.sub(r"\1[comparison]", line))
