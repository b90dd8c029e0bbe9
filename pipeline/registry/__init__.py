"""The MLflow registry: versions, champions and their history, in a database or in a branch."""
