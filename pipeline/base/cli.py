"""The command line of every task: help, progress, tables, and one line for each expected error."""

import functools
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from io import TextIOWrapper
from typing import Any, Final, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from pipeline.base import artifacts, pages
from pipeline.base.config import CiRun
from pipeline.base.errors import PipelineError

Item = TypeVar("Item")

WORD_WIDTH: Final = 14


def run(command: Callable[..., None], **subcommands: Callable[..., None]) -> None:
    """Run ``command`` as this process's command line; its docstring is the help page.

    With ``subcommands``, by name, ``command`` takes a `typer.Context` and is asked first.
    """
    app = typer.Typer(
        add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
    )
    settings = {"help_option_names": ["-h", "--help"]}
    if subcommands:
        app.callback(invoke_without_command=True, context_settings=settings)(_explained(command))
    else:
        app.command(context_settings=settings)(_explained(command))
    for name, subcommand in subcommands.items():
        app.command(name, context_settings=settings)(_explained(subcommand))
    for stream in (sys.stdout, sys.stderr):
        # A terminal, or a log, that cannot show every character.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


def _explained(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def explained(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except PipelineError as error:
            _fail(str(error), error.exit_code)
        except OSError as error:
            if not (refusal := artifacts.refusal(error)):
                raise
            _fail(refusal, PipelineError.exit_code)

    return explained


def _fail(message: str, code: int) -> NoReturn:
    """Tell a person, and CI's page, in one line, and end."""
    line = " ".join(message.split())
    sys.stderr.write(f"error: {line}\n")
    artifacts.add_to(CiRun().step_summary, f"**Error:** {pages.cell(line)}\n\n")
    raise typer.Exit(code)


def say(text: str) -> None:
    """Print one line for the person who waits, without interpreting any markup in it."""
    Console().print(Text(text), soft_wrap=True)


def fact(word: str, text: str) -> None:
    """Print a fact, with the ``word`` that it is about in a column of its own."""
    say(f"{word:<{WORD_WIDTH}}{text}")


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, without interpreting any markup in it."""
    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def track(items: Iterable[Item], description: str, total: int) -> Generator[Item, None, None]:
    """Pass ``items`` on, with a progress bar on standard error while they come."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(items, total=total, description=description)


def track_bytes(
    chunks: Iterable[bytes], total: int | None, description: str = "download"
) -> Iterator[bytes]:
    """Pass ``chunks`` on, with a bar of their bytes; ``total`` is None where it is unknown."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        for chunk in chunks:
            progress.advance(task, len(chunk))
            yield chunk


def watch(description: str) -> Callable[[Iterable[Item], int], Iterable[Item]]:
    """Return a `track` that waits to be told the items and their number."""
    return lambda items, total: track(items, description, total)
