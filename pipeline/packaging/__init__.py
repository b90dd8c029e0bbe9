"""The deployment package of a model version, and the manifest that vouches for it."""
