"""Task 1: verify the raw data, hold it to the data contract, and say what it looks like."""

from typing import Annotated, Any

import typer

from pipeline.base import artifacts, cli, manifest
from pipeline.base.config import Settings
from pipeline.base.context import RunContext
from pipeline.base.manifest import Files
from pipeline.base.pages import percent, render
from pipeline.dataset import profile, tables
from pipeline.dataset.profile import Profile
from pipeline.report import page
from pipeline.report.data_figures import data_figures
from pipeline.report.drawing import figure_bytes
from pipeline.table import parsing, source, wording
from pipeline.table.contract import BY_NAME, CONTRACT, FIELDS

FIGURES = artifacts.FIGURES / "data"
PAGES = ("data-quality.md", "data-quality.html")


def run(context: RunContext, *, refresh: bool = False) -> None:
    """Read ``data/raw/``; write ``data/processed/``, ``figures/data/`` and the report."""
    parsed = parsing.parse(_raw(context.settings, refresh=refresh))
    processed = {
        "training.parquet": tables.table_bytes(parsing.training_table(parsed)),
        "external.parquet": tables.table_bytes(parsing.external_table(parsed)),
    }
    facts = profile.describe(CONTRACT, parsed, manifest.folder_digest(manifest.digests(processed)))
    figures = {name: figure_bytes(figure) for name, figure in data_figures(parsed).items()}
    reports = pages(facts, figures)

    artifacts.write_folder(artifacts.PROCESSED, processed)
    artifacts.write_folder(FIGURES, figures)
    for name, text in reports.items():
        artifacts.write_file(artifacts.REPORTS / name, text.encode())
    _show(facts)


def pages(facts: Profile, figures: Files) -> dict[str, str]:
    """Return the data-quality report as Markdown and as a page that holds its ``figures``."""
    values: dict[str, Any] = {
        "profile": facts,
        "words": wording,
        "training": facts.cohorts[0],
        "rows": sum(cohort.outcome.rows for cohort in facts.cohorts),
        "titles": {cohort.name: cohort.title for cohort in facts.cohorts},
        "fields": FIELDS,
        "by_name": BY_NAME,
        "measured": profile.by_field(facts.measured),
        "categorical": profile.by_field(facts.categorical),
        "meanings": profile.meanings,
    }
    markdown = render(f"{PAGES[0]}.j2", **values)
    return dict(zip(PAGES, (markdown, page.html(markdown, figures, "facts")), strict=True))


def _raw(settings: Settings, *, refresh: bool) -> dict[str, bytes]:
    if refresh:
        for oddity in source.download(settings.source, artifacts.RAW, cli.track_bytes):
            cli.say(f"warning: {oddity}")
    return source.read(artifacts.RAW)


def _show(facts: Profile) -> None:
    rows = (
        (
            h.title,
            str(h.outcome.rows),
            percent(h.outcome.rate),
            percent(h.missing_share, 1),
        )
        for h in facts.cohorts
    )
    columns = (wording.COHORT, "rows", f"with {wording.OUTCOME}", "missing cells")
    cli.show_table("Data", columns, rows)
    cli.fact("data digest", f"{facts.data_digest}")
    cli.fact("tables", f"{artifacts.PROCESSED}/")
    cli.fact("figures", f"{FIGURES}/")
    cli.fact("report", f"{artifacts.REPORTS / PAGES[-1]}")


def main(
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh",
            help="Download the files from UCI first; the old ones stay when one is wrong.",
        ),
    ] = False,
) -> None:
    """Verify the raw data, hold it to the data contract, and describe it.

    Reads the four files in `data/raw/` and checks their sha256. Writes the training and the
    external table into `data/processed/`, figures into `figures/data/`, and the report
    `reports/data-quality.html` (and `.md`). A breach of the contract is named and nothing is
    written.

    Exit codes: 0 done; 1 something is wrong; 2 a setting or an option does not exist.

    Examples:
    - `python -m pipeline.data_acquisition_eda` works on the files that are here
    - `python -m pipeline.data_acquisition_eda --refresh` replaces them first

    """
    run(RunContext.read(), refresh=refresh)


if __name__ == "__main__":
    cli.run(main)
