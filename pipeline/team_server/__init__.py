"""The MLflow server that a team shares: accounts, backup and restore."""
