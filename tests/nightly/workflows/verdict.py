"""One pull request of a repository with a champion, executed: how long each step takes, as JSON.

python -m tests.nightly.workflows.verdict RECORD
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks import ending
from tests.nightly.workflows import machine, story


def main(record: Path) -> None:
    """Make the champion quickly, then open a pull request with the settings as they are."""
    ending.heed_signals()
    if reason := machine.missing():
        sys.exit(reason)
    with (
        tempfile.TemporaryDirectory(prefix="workflows-") as folder,
        machine.kept_logs(Path(folder)),
        story.stage(Path(folder), lambda *_: None) as stage,
    ):
        story.begin(stage)
        stage.gh.pushed_main()
        stage.gh.settings = {}
        bob = story.bring_fields(stage)
        stage.commit(bob, "Use every field")
        stage.discuss("better", stage.gh.pull(1, bob, "all-fields"), "opened")
    runs = stage.gh.runs[1:]
    record.write_text(json.dumps([job for run in runs for job in _jobs(run)]))


def _jobs(run):
    reached = {name: job for name, job in run.jobs.items() if job.result != "skipped"}
    for name, job in reached.items():
        yield {
            "workflow": run.workflow,
            "seconds": run.seconds,
            "job": name,
            "result": job.result,
            "log": f"reports/workflows/{run.number:02}-{run.workflow}-{name}.log",
            "steps": [step._asdict() for step in job.steps],
        }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
