"""Decisions and computations: no file, no network, no clock, no environment."""
