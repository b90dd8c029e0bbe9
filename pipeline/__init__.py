"""A heart-disease model whose whole life runs on pull requests, merges and release tags."""
