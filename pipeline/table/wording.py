"""The table in words for a reader: titles, descriptions and caveats, for pages and messages."""

from typing import Final

TITLE: Final = "Heart disease"
PROBABILITY: Final = "probability of heart disease"
ABOUT: Final = "The probability that coronary angiography would find heart disease."
CAUTION: Final = "Not a medical device: it must not decide about a patient."
DATASET: Final = "uci-heart-disease-cleveland"
