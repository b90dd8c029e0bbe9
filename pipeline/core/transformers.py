"""The blocks under the name that stored models give them."""

from pipeline.training.blocks import Bands, MissingFlags, ShareOfPrediction

__all__ = ["Bands", "MissingFlags", "ShareOfPrediction"]
