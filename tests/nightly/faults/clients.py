"""What a process does that is killed in the middle."""

from pipeline.base.errors import PipelineError
from tests.nightly.faults.promotion import PATIENT, STAGES, Names


def run(stage, uri, names):
    """Run a stage of a promotion and return its exit code."""
    try:
        STAGES[stage].run(uri, Names(*names), PATIENT)
    except PipelineError as error:
        return error.exit_code
    return 0
