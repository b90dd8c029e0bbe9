"""Cross-validation and what is measured in it: metrics, intervals, slices, behaviour."""
