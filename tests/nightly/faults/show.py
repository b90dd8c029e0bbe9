"""Break the registry in every way on both databases, and show what became of it.

python -m tests.nightly.faults.show --database both
"""

import multiprocessing
import queue
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import ExitStack, closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.databases import running
from tests.nightly.faults.breaking import FAULTS, KILLS
from tests.nightly.faults.crashes import Crashes
from tests.nightly.faults.matrix import AGAIN, DUPLICATE, LOST, RETRY, Matrix, sample
from tests.nightly.faults.race import Races, Readers

CRASHES, RACES, READS, PROMOTIONS = 50, 100, 10_000, 100
SECONDS_BETWEEN_LOOKS = 10
# Where there is no terminal, a line for so many results.
LINES = 50
# Of the longest row of the table.
WIDTH = 190
COLOURS = {RETRY: "green", AGAIN: "cyan", DUPLICATE: "yellow", LOST: "bold red"}


class Database(StrEnum):
    """What the server keeps its tables in."""

    sqlite = "sqlite"
    postgresql = "postgresql"
    both = "both"


def play(kind, plan, tell):
    """Do on one database what ``plan`` says, and ``tell`` what comes of each thing."""
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server, database = stack.enter_context(running(kind, folder))
            parts = _parts(server, database, folder, plan, stack)
            for part, result in ((part, one) for part, results in parts for one in results):
                tell((kind, part, result))
    except BaseException:  # noqa: BLE001 (it is told by the parent)
        tell((kind, "error", traceback.format_exc()))
    tell((kind, "end", None))


def _parts(server, database, folder, plan, stack):
    matrix = stack.enter_context(closing(Matrix(server, folder)))
    cells = matrix.cells(FAULTS, every_call=plan["every_call"])
    cells += matrix.cells(KILLS, every_call=True)
    if plan["cells"]:
        cells = sample(cells, plan["cells"], plan["seed"])
    yield "calls", [len(cells)]
    yield "calls", map(matrix.play, cells)
    seeds = range(plan["seed"], plan["seed"] + plan["crashes"])
    yield "crashes", [len(seeds)]
    yield "crashes", map(Crashes(server, database).play, seeds)
    races = stack.enter_context(closing(Races(server)))
    seeds = range(plan["seed"], plan["seed"] + plan["races"])
    yield "races", [len(seeds)]
    yield "races", map(races.play, seeds)
    seeds = range(plan["seed"], plan["seed"] + plan["races"] // 5)
    yield "jobs", [len(seeds)]
    yield "jobs", map(races.publish, seeds)
    yield "reads", [1]
    yield "reads", [Readers(server).play(plan["reads"], plan["promotions"])]


def watch(kinds, plan):
    """Run a process for each database; return what each has told, by database and part."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    players = [context.Process(target=play, args=(kind, plan, told.put)) for kind in kinds]
    for player in players:
        player.start()
    found, console = {}, Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars = {}
        for kind, part, result in _heard(told, players):
            if part == "error":
                found.setdefault((kind, part), []).append(result)
            elif isinstance(result, int):
                found[kind, part] = []
                bars[kind, part] = progress.add_task(f"{kind:<10} {part:<7}", total=result)
            else:
                found[kind, part].append(result)
                progress.advance(bars[kind, part])
                if not console.is_terminal and len(found[kind, part]) % LINES == 0:
                    console.print(f"{kind} {part}: {len(found[kind, part])}", highlight=False)
    for player in players:
        player.join()
    return found


def _heard(told, players):
    """Return what the players tell until all have ended, or until one dies."""
    left = len(players)
    while left:
        try:
            kind, part, result = told.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            if codes := [player.exitcode for player in players if player.exitcode]:
                yield "a process", "error", f"it ended with {codes[0]}"
                return
            continue
        if part == "end":
            left -= 1
        else:
            yield kind, part, result


def table(kind, results):
    """Return the table of one database: a row for each call, a column for each fault."""
    faults = [fault for fault in [*FAULTS, *KILLS] if any(r.cell.fault == fault for r in results)]
    shown = Table(title=f"{kind}: what comes of a call that is broken", title_justify="left")
    for name in ("stage", "call", "", *faults):
        # A word on a line, so that the table is as narrow as its cells.
        shown.add_column(name.replace(" ", "\n"), no_wrap=True)
    outcomes = {(one.cell.row, one.cell.fault): one.outcome for one in results}
    # The stages in their order, which is that of the alphabet backwards.
    rows = sorted({one.cell.row for one in results}, key=lambda row: row.number)
    for row in sorted(rows, key=lambda row: row.stage, reverse=True):
        cells = [outcomes.get((row, fault), "") for fault in faults]
        marked = [f"[{COLOURS[one]}]{one}[/]" if one else "" for one in cells]
        call = row.call.title.replace("mlflow-artifacts/artifacts", "files")
        shown.add_row(row.stage, call, str(row.call.ordinal), *marked)
    return shown


def totals(found):
    """Return a line for each database and part, and what was lost."""
    lines, losses = [], []
    for (kind, part), results in found.items():
        if part == "error":
            losses += [f"{kind}: {one}" for one in results]
            continue
        if part == "calls":
            counted = Counter(one.outcome for one in results)
            said = ", ".join(f"{name} {counted[name]}" for name in COLOURS)
            bad = [f"{one.cell}: {one.why}" for one in results if one.outcome == LOST]
        elif part == "crashes":
            kinds = Counter(one.what for one in results)
            survived = sum(one.survived for one in results)
            said = f"{dict(kinds)} killed; {survived} promotions went on, the others by a new run"
            bad = [f"{one}" for one in results if one.lost]
        elif part == "races":
            promoted, late = (
                sum(getattr(r, n) for r in results) for n in ("promoted", "overtaken")
            )
            said = f"{promoted} promotions, {late} overtaken and decided again"
            bad = [f"{one}" for one in results if one.wrong]
        elif part == "jobs":
            duplicates = sum(one.duplicates for one in results)
            refused = sum(one.refused for one in results)
            said = f"one version each of several jobs, {duplicates} twice, {refused} jobs refused"
            bad = [f"{one}" for one in results if one.wrong]
        else:
            (one,) = results
            said = f"{one.reads} reads of {one.champions} champions, {one.verified} with files"
            bad = list(one.wrong[:10])
        lines.append(f"{kind:<10} {part:<7} {len(results):>5}: {said}; lost {len(bad)}")
        losses += [f"{kind} {part}: {line}" for line in bad]
    return lines, losses


def main(  # noqa: PLR0913 (each is an option of the command)
    *,
    database: Annotated[Database, typer.Option(help="Below the server.")] = Database.both,
    cells: Annotated[int, typer.Option(help="How many cells; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="Chooses cells, moments and orders.")] = 0,
    every_call: Annotated[
        bool, typer.Option("--every-call", help="Also break each call that repeats another.")
    ] = False,
    crashes: Annotated[int, typer.Option(help="How often a server is killed.")] = CRASHES,
    races: Annotated[int, typer.Option(help="How often promoters run at once.")] = RACES,
    reads: Annotated[int, typer.Option(help="How often a champion is read.")] = READS,
) -> None:
    """Break every call of a promotion, kill servers and clients, and let promoters race."""
    started = time.monotonic()
    kinds = [one.value for one in Database if one is not Database.both]
    plan = {
        "cells": cells,
        "seed": seed,
        "every_call": every_call,
        "crashes": crashes,
        "races": races,
        "reads": reads,
        "promotions": max(1, reads * PROMOTIONS // READS),
    }
    found = watch(kinds if database is Database.both else [database.value], plan)
    console = Console(width=max(Console().width, WIDTH))
    for (kind, part), results in found.items():
        if part == "calls":
            console.print(table(kind, results))
    lines, losses = totals(found)
    for line in [*lines, *losses, f"{time.monotonic() - started:.0f} s"]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    sys.exit(1 if losses else 0)


if __name__ == "__main__":
    typer.run(main)
