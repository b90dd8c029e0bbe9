"""The tests pass under the conditions of any machine."""

import os
import subprocess
import sys

from tests.conftest import ROOT


def test_no_example_of_a_property_is_timed():
    """Also where CI is not set, which hypothesis looks at."""
    ask = "import tests.conftest, hypothesis; print(hypothesis.settings().deadline)"
    kept = {name: value for name, value in os.environ.items() if name != "CI"}

    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, env=kept, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "None"
