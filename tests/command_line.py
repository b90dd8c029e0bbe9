"""A command line in this process: to start Python anew takes seconds of imports.

Commands as processes of their own: the samples of the documentation and the executed workflows.
"""

import contextlib
import io
import runpy
import subprocess
import sys
import warnings

import pytest


def call(module, *arguments, **environment):
    """Do what ``python -m module`` does with these arguments and variables; return its end."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        # It is meant: the module is read once more, as the main one.
        warnings.filterwarnings("ignore", ".*found in sys.modules")
        patch.setattr(sys, "argv", [module, *arguments])
        for name, value in {"COLUMNS": "200", **environment}.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    return subprocess.CompletedProcess(
        [module, *arguments], ended.value.code or 0, out.getvalue(), err.getvalue()
    )
