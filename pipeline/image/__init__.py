"""The container image: built from a package, and proven to answer like the champion."""
