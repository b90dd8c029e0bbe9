"""Measurements, each a command: `python -m benchmarks.<name>`."""

# Before numpy, which some of them import first: it takes its kernel while it is loaded.
import pipeline  # noqa: F401
