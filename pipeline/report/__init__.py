"""Figures, the model report, and the comment on a pull request."""
