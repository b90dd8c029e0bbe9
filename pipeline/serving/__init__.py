"""The service over HTTP: what the Bento and the image carry, besides requirements-serving.txt."""
