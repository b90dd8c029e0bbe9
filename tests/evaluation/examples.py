"""The plan and the answers for which figures are held against scikit-learn, by hand and by laws."""

from hypothesis import strategies as st

from pipeline.base.policies import EvaluationPlan

PLAN = EvaluationPlan(
    folds=5,
    repeats=2,
    seed=1,
    calibration_bins=10,
    bootstrap_samples=200,
    confidence=0.95,
)
# Eighths, so that many are equal.
probabilities = st.integers(0, 8).map(lambda eighths: eighths / 8) | st.floats(0, 1)
# Outcomes, of both kinds, each with its probability.
rows = st.lists(st.tuples(st.integers(0, 1), probabilities), min_size=2, max_size=60).filter(
    lambda pairs: {outcome for outcome, _ in pairs} == {0, 1}
)
