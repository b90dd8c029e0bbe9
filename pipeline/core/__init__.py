"""The place at which models of earlier versions look for their blocks."""
