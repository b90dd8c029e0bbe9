"""Show the story: each step as it ends, whether what came out is right, and a table of the times.

python -m tests.nightly.workflows.show
"""

import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks import ending

HERE = Path(__file__).parent
SHORT = 0.5
# Of the longest row of the table.
WIDTH = 152


class Row(NamedTuple):
    """A step that has ended, in the chapter that it belongs to."""

    chapter: str
    where: str
    step: str
    result: str
    seconds: float

    @property
    def is_told(self):
        """Say whether it is worth a line: it took a while, or failed."""
        return self.seconds >= SHORT or self.result == "failure"


class Narrator:
    """Prints the story while it happens, and remembers it for the table."""

    def __init__(self) -> None:
        """Begin; the name is what the fixture asks pytest for."""
        self.__name__ = "narrator"
        self.console = Console(width=max(Console().width, WIDTH))
        self.started = time.monotonic()
        self.title, self.rows, self.chapters = "", [], []

    def chapter(self, title):
        """Print the title of a chapter that begins."""
        self.title = title.strip().rstrip(".")
        self.chapters.append(self.title)
        self.console.print(f"\n[bold]{len(self.chapters)}. {self.title}[/bold]")

    def step(self, run, job, step):
        """Print a step that has ended, unless it is over in no time."""
        row = Row(self.title, f"{run.workflow} / {job.name}", step.name, step.result, step.seconds)
        self.rows.append(row)
        if row.is_told:
            colour = "green" if step.result == "success" else "red"
            text = f"{row.where:<38} {row.step:<52} [{colour}]{row.result}[/{colour}]"
            self.console.print(f"  {text} {row.seconds:6.1f} s", highlight=False, soft_wrap=True)

    def pytest_terminal_summary(self):
        """Print the table, once the story is over."""
        if self.rows:
            self.console.print(self._table())
            self.console.print("What each job printed: reports/workflows/")

    def _table(self):
        table = Table(title="The whole cycle", title_justify="left")
        table.add_column("", no_wrap=True)
        table.add_column("workflow / job", no_wrap=True)
        table.add_column("step", no_wrap=True)
        table.add_column("result", no_wrap=True)
        table.add_column("seconds", justify="right")
        for number, title in enumerate(self.chapters, start=1):
            table.add_row(str(number), title, style="bold")
            for row in (row for row in self.rows if row.chapter == title and row.is_told):
                table.add_row("", row.where, row.step, row.result, f"{row.seconds:.1f}")
            table.add_section()
        table.add_row("", "in all", f"{len(self.rows)} steps", "", f"{self._seconds():.1f}")
        return table

    def _seconds(self):
        return time.monotonic() - self.started


def main() -> int:
    """Play the story, and return whether all that must have come out has."""
    ending.heed_signals()
    options = ["--quiet", "--no-header", "--capture=no", "-p", "no:cacheprovider", str(HERE)]
    return int(pytest.main(options, plugins=[Narrator()]))


if __name__ == "__main__":
    sys.exit(main())
